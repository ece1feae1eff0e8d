"""Shards in, frame embeddings out: as ``extraction.pooled``, but every valid frame is kept, with its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.extraction.batched_chunk import BatchedChunk, Piece, Progress, check_finite
from bench.extraction.clip_chunks import shape_for_frames
from bench.extraction.codecs import FrameCodec, FramedClip
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import compute_pooled_address
from bench.extraction.shard_loop import ShardRecipe, extract_shards
from bench.loading.frame_rule import compute_frame_borders
from bench.store.files import Store
from bench.store.frame_files import Frames, FrameStore
from bench.types import Certificate, Clip, Shard

LAYOUT = 2  # a change of what is stored, or of how frames get their times, bumps it


def compute_frames_address(shard: Shard, loaded: LoadedEncoder, crop_in_s: float | None, dtype: str = "float32") -> str:
    """Return the address of a shard's frames: a digest of everything that they and their times depend on."""
    content = ["every valid frame", LAYOUT, dtype, loaded.certificate.hop_in_samples]
    return compute_pooled_address(shard, loaded, crop_in_s, content, shape_for_frames())


def extract_frames(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    *,
    crop_in_s: float | None,
    store: Store,
    threads: int,
    progress: Progress,
    dtype: str = "float32",
    pcm_cache: PcmCache | None = None,
    decoders: int = 0,
) -> list[Frames]:
    """Return the frames of every clip, shard by shard, from the store where they are there.

    Chunks that were finished before an interruption are not encoded again.

    Args:
        dtype: of the stored frames: float32, or float16, which a shard keeps where its numbers fit.

    The other arguments, and what is raised, are those of ``bench.extraction.pooled.extract_embeddings``.
    """

    def compute_key(shard: Shard) -> str:
        return compute_frames_address(shard, loaded, crop_in_s, dtype)

    codec = FrameCodec(FrameStore(store.root, dtype))
    recipe = ShardRecipe(codec, shape_for_frames(), crop_in_s, compute_key, lambda engine: engine.frames, encode_frames)
    shard_frames = extract_shards(
        shards, loaded, recipe, threads=threads, progress=progress, pcm_cache=pcm_cache, decoders=decoders
    )
    return [frames for frames, _ in shard_frames]


def encode_frames(
    chunk: BatchedChunk[list[NDArray[np.float32]]], loaded: LoadedEncoder, progress: Progress
) -> Iterator[FramedClip]:
    """Yield the frames of every clip of the chunk, those of its crops one after another."""
    outputs: dict[int, NDArray[np.float32]] = {}
    for batch, batch_outputs in chunk.iterate_results(progress):
        outputs.update(zip(batch, batch_outputs, strict=True))
    pieces_of: list[list[int]] = [[] for _ in chunk.clips]
    for index, piece in enumerate(chunk.pieces):
        pieces_of[piece.clip].append(index)
    for clip, indices in zip(chunk.clips, pieces_of, strict=True):
        parts = [time_frames(outputs.pop(index), chunk.pieces[index], clip, loaded.certificate) for index in indices]
        frames = np.concatenate([frames for frames, _ in parts])
        check_finite(frames, clip.where, loaded.name)
        spans = np.concatenate([spans for _, spans in parts])
        yield FramedClip(frames, spans, clip.key, clip.seconds, clip.sidecar, clip.digest)


def time_frames(
    output: NDArray[np.float32], piece: Piece, clip: Clip, certificate: Certificate
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the frames of ``output`` [T, D] that stand for some of the clip, and their spans.

    Returns:
        The frames [T', D] and from when to when each stands for its clip, [T', 2] in seconds of the clip.
    """
    n_skipped, borders = compute_frame_borders(certificate, len(piece.audio), len(output))
    times = (piece.start + np.array(borders)) / clip.sampling_rate
    if piece.start + len(piece.audio) == len(clip.audio):
        times = np.minimum(times, clip.seconds)  # resampling rounds to whole samples
        times[-1] = clip.seconds
    return output[n_skipped : n_skipped + len(times) - 1], np.stack([times[:-1], times[1:]], axis=1)
