"""Shards in, pooled embeddings out: one vector per clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode
from bench.datasets.shards import READING
from bench.extraction.batched_chunk import BatchedChunk, Progress, check_finite
from bench.extraction.clip_chunks import ChunkShape, shape_for_pooling
from bench.extraction.codecs import PooledClip, PooledCodec, concat_embeddings
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.shard_loop import ShardRecipe, extract_shards
from bench.store.files import Store, compute_address
from bench.types import Embeddings, Shard

LAYOUT = 3  # a change of how embeddings are stored bumps it
POOLING = "mean over the valid frames of all crops"

PooledBatch = tuple[NDArray[np.float64], list[int]]
"""Sums over valid frames [B, D] and numbers of valid frames of the pieces of a batch."""


def compute_pooled_address(
    shard: Shard,
    loaded: LoadedEncoder,
    crop_in_s: float | None,
    pooling: object = POOLING,
    shape: ChunkShape | None = None,
) -> str:
    """Return the address of a shard's embeddings: a digest of everything that they depend on."""
    chunk = shape or shape_for_pooling(loaded.budget)
    return compute_address(
        layout=LAYOUT,
        shard=[shard.sha256, READING],
        encoder=loaded.fingerprint,
        recipe=decode.RECIPE,
        sampling_rate=loaded.encoder.sampling_rate,
        crop_in_s=crop_in_s,
        pooling=pooling,
        layer="output",
        precision=[loaded.precision, loaded.compiled],
        device=loaded.device.partition(":")[0],
        batching=[
            loaded.policy,
            loaded.budget.batch_in_s,
            chunk.in_s,
            chunk.in_clips,
            loaded.certificate.first_frame_in_samples,
        ],
    )


def extract_embeddings(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    *,
    crop_in_s: float | None,
    store: Store,
    threads: int,
    progress: Progress,
    pcm_cache: PcmCache | None = None,
    decoders: int = 0,
) -> Embeddings:
    """Return pooled embeddings of every clip of ``shards``, from the store where they are there.

    Args:
        shards: verified shards; their clips come in this order.
        loaded: the encoder.
        crop_in_s: length of the crops that a clip is cut into; None: clips are encoded whole.
        store: where embeddings are looked up and kept.
        threads: batches that are computed at a time on a CPU.
        progress: called with numbers of clips as they are done.
        pcm_cache: audio is taken from it, if given, and kept there.
        decoders: number of other processes that decode; 0: this one's threads do.

    Raises:
        DataError: for a shard or clip that cannot be used; nothing of that shard is stored then.
        EncoderError: for output that is not finite or of the wrong shape; likewise.
    """
    codec = PooledCodec(store)

    def compute_key(shard: Shard) -> str:
        return compute_pooled_address(shard, loaded, crop_in_s)

    recipe = ShardRecipe(
        codec, shape_for_pooling(loaded.budget), crop_in_s, compute_key, lambda engine: engine.forward, pool_chunk
    )
    parts = [  # what was made now leaves memory while other shards are encoded
        None if was_made else part
        for part, was_made in extract_shards(
            shards, loaded, recipe, threads=threads, progress=progress, pcm_cache=pcm_cache, decoders=decoders
        )
    ]
    return concat_embeddings(
        [store.read(compute_key(shard)) if part is None else part for shard, part in zip(shards, parts, strict=True)]
    )


def pool_chunk(chunk: BatchedChunk[PooledBatch], loaded: LoadedEncoder, progress: Progress) -> Iterator[PooledClip]:
    """Yield one vector per clip of the chunk: the mean over the valid frames of all of the clip's crops."""
    clips, pieces = chunk.clips, chunk.pieces
    sums = np.zeros((len(pieces), loaded.encoder.output_dim))
    frames = np.zeros(len(pieces))
    for batch, (batch_sums, batch_frames) in chunk.iterate_results(progress):
        sums[batch], frames[batch] = batch_sums, batch_frames
    clip_of = np.array([piece.clip for piece in pieces])
    totals, counts = np.zeros((len(clips), sums.shape[1])), np.zeros(len(clips))
    np.add.at(totals, clip_of, sums)
    np.add.at(counts, clip_of, frames)
    vectors = (totals / counts[:, None]).astype(np.float32)
    is_finite = bool(np.isfinite(vectors).all())
    for clip, vector in zip(clips, vectors, strict=True):
        if not is_finite:
            check_finite(vector, clip.where, loaded.name)
        yield PooledClip(vector, clip.key, len(clip.audio) / clip.sampling_rate, clip.sidecar, clip.digest)
