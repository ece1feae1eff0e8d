"""Shards in, frame embeddings out: as ``extraction.pooled``, but every valid frame is kept, with its time."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.extraction.clip_chunks import ClipChunks, shape_for_frames
from bench.extraction.engine.local import LoadedEncoder, start_engine
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import BatchedChunk, Piece, Progress, check_finite, compute_pooled_address, start_batches
from bench.loading.frame_rule import compute_frame_borders
from bench.store import frame_files
from bench.store.files import Store
from bench.store.frame_files import Frames, FrameWriter
from bench.types import Certificate, Clip, DataError, Shard

Keep = Callable[[int, Callable[[FrameWriter], None]], Frames]
"""Called with a window's index and what makes its frames; gives them, made or kept from an earlier run."""
LAYOUT = 1  # a change of what is stored, or of how frames get their times, bumps it


def compute_frames_address(shard: Shard, loaded: LoadedEncoder, crop_in_s: float | None, dtype: str = "float32") -> str:
    """The address of a shard's frames: a digest of everything that they and their times depend on."""
    kept = ["every valid frame", LAYOUT, dtype, loaded.certificate.hop_in_samples]
    return compute_pooled_address(shard, loaded, crop_in_s, kept, shape_for_frames())


def extract_frames(
    found: Sequence[Shard],
    loaded: LoadedEncoder,
    *,
    crop_in_s: float | None,
    store: Store,
    threads: int,
    progress: Progress,
    dtype: str = "float32",
    decoded: PcmCache | None = None,
    decoders: int = 0,
) -> list[Frames]:
    """Frames of every clip of ``found``, shard by shard, from the store where they are there.

    Audio is taken from ``decoded``, if given, and kept there. Frames are stored, and given, as ``dtype``: float32, or
    float16 where a shard's numbers fit. Windows that were finished before an interruption are not encoded again.
    Raises as ``bench.extraction.pooled.extract_embeddings`` does.
    """
    parts = []
    with contextlib.ExitStack() as stack:
        running = functools.cache(lambda: stack.enter_context(start_engine(loaded, threads, decoders)))
        keys = [compute_frames_address(shard, loaded, crop_in_s, dtype) for shard in found]

        def prepare(index: int, number: int, window: list[Clip]) -> BatchedChunk[list[NDArray[np.float32]]]:
            kept = frame_files.has_part(store, keys[index], number)
            return start_batches(window, running(), running().frames, crop_in_s, kept=kept)

        def is_stored(index: int) -> bool:
            return frame_files.locate_frames(store, keys[index]).exists()

        audio = ClipChunks(found, running, is_stored, prepare, decoded, shape_for_frames())
        for index, key in enumerate(keys):
            computed: list[bool] = []

            def make(writer: FrameWriter, index: int = index, key: str = key, computed: list[bool] = computed) -> None:
                computed.append(True)
                keep = functools.partial(frame_files.get_or_make_part, store, key)
                _encode_shard(audio.of(index), loaded, writer, keep, progress)
                if not writer.keys:
                    raise DataError("shard is empty", got="0 clips", expected="at least one", where=found[index].path)

            parts.append(frame_files.get_or_make_frames(store, key, make, dtype))
            if not computed:
                progress(len(parts[-1].keys), False)
    return parts


def _encode_shard(
    audio: Iterator[BatchedChunk[list[NDArray[np.float32]]]],
    loaded: LoadedEncoder,
    writer: FrameWriter,
    keep: Keep,
    progress: Progress,
) -> None:
    """Add the frames of every clip of one shard to ``writer``, computed now but for the windows that ``keep`` has."""
    for index, batched in enumerate(audio):
        computed: list[bool] = []

        def make(
            inner: FrameWriter,
            batched: BatchedChunk[list[NDArray[np.float32]]] = batched,
            computed: list[bool] = computed,
        ) -> None:
            computed.append(True)
            _encode_chunk(batched, loaded, inner, progress)

        part = keep(index, make)
        for clip, (key, seconds, sidecar) in enumerate(zip(part.keys, part.seconds, part.sidecars, strict=True)):
            writer.add(*part.clip(clip), key, float(seconds), sidecar)
        if not computed:
            progress(len(batched.window), False)
        del batched, make, part  # while the next window is waited for, this one leaves memory


def _encode_chunk(
    batched: BatchedChunk[list[NDArray[np.float32]]], loaded: LoadedEncoder, writer: FrameWriter, progress: Progress
) -> None:
    window, pieces = batched.window, batched.pieces
    made: dict[int, NDArray[np.float32]] = {}
    for batch, outputs in batched.results(progress):
        made.update(zip(batch, outputs, strict=True))
    of_clip: list[list[int]] = [[] for _ in window]
    for index, piece in enumerate(pieces):
        of_clip[piece.clip].append(index)
    for clip, own in zip(window, of_clip, strict=True):
        parts = [time_frames(made.pop(index), pieces[index], clip, loaded.certificate) for index in own]
        frames = np.concatenate([frames for frames, _ in parts])
        check_finite(frames, clip.where, loaded.name)
        writer.add(frames, np.concatenate([spans for _, spans in parts]), clip.key, clip.seconds, clip.sidecar)


def time_frames(
    output: NDArray[np.float32], piece: Piece, clip: Clip, certificate: Certificate
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The frames of ``output`` [T, D] that speak for some of the clip, and for what, [T', 2] in seconds of the clip."""
    skipped, borders = compute_frame_borders(certificate, len(piece.audio), len(output))
    times = (piece.start + np.array(borders)) / clip.sampling_rate
    if piece.start + len(piece.audio) == len(clip.audio):
        times = np.minimum(times, clip.seconds)  # resampling rounds to whole samples
        times[-1] = clip.seconds
    return output[skipped : skipped + len(times) - 1], np.stack([times[:-1], times[1:]], axis=1)
