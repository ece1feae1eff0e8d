"""Shards in, embeddings out, as X-ARES 0.1.3 does it; ``bench.extraction.pooled`` has our way.

The batches of ``bench.xares.crops`` are filled up with zeros to their longest crop and encoded without telling
lengths. Every frame is kept, those of padding too. A row's key is ``<clip>#<batch>``. A clip that does not decode is
skipped; the row of the leaderboard says how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.datasets.shards import READING
from bench.extraction.batched_chunk import Progress, check_finite
from bench.extraction.codecs import Codec, FrameCodec, FramedClip, PooledClip, PooledCodec
from bench.extraction.engine.local import Engine, LoadedEncoder
from bench.extraction.engine.prefetch import read_ahead
from bench.extraction.shard_loop import get_or_extract, start_engine_lazily
from bench.store.files import Store, compute_address
from bench.store.frame_files import Frames, FrameStore
from bench.types import DataError, Embeddings, Shard
from bench.xares.crops import RECIPE, Batch, CropOptions, find_survivors, iterate_chunks

LAYOUT = 2  # a change of what is stored bumps it
MARK = "#"  # between a clip's key and its batch

R = TypeVar("R")
V = TypeVar("V", Embeddings, Frames)


class CropChunk(NamedTuple):
    """Batches that are stored together."""

    number: int
    batches: Sequence[Batch]

    @property
    def n_clips(self) -> int:
        """Clips that begin in the chunk."""
        return sum(crop.begins for batch in self.batches for crop in batch.crops)


def extract_embeddings(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    options: CropOptions,
    *,
    store: Store,
    threads: int,
    progress: Progress,
) -> Embeddings:
    """Return pooled embeddings, the mean over all frames of the batch, of the surviving crops of a split.

    Raises:
        DataError: for a shard that cannot be used and a split of which no clip decodes.
        EncoderError: for output that is not finite or of the wrong shape.
        BenchError: where torchaudio is missing.
    """
    key = build_address(shards, loaded, options, ["mean over all frames", LAYOUT])
    return _extract(shards, loaded, options, key, PooledCodec(store), _pool_crops, threads, progress)


def extract_frames(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    options: CropOptions,
    *,
    store: Store,
    threads: int,
    progress: Progress,
) -> Frames:
    """Return all frames of the surviving crops of a split; their spans follow the declared hop.

    Raises as ``extract_embeddings`` does.
    """
    key = build_address(shards, loaded, options, ["every frame", LAYOUT, "float32"])
    codec = FrameCodec(FrameStore(store.root))
    return _extract(shards, loaded, options, key, codec, _encode_crops, threads, progress)


def _extract(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    options: CropOptions,
    key: str,
    codec: Codec[R, V],
    encode: Callable[[CropChunk, Engine, Progress], Iterable[R]],
    threads: int,
    progress: Progress,
) -> V:
    where = ", ".join(shard.path.name for shard in shards)
    empty = DataError("no clip decodes", got="0 clips", expected="at least one", where=where)
    with start_engine_lazily(hide_lengths(loaded), threads) as get_engine:

        def make_chunks() -> Iterator[CropChunk]:
            engine = get_engine()
            for number, batches in enumerate(read_ahead(iterate_chunks(shards, engine, options), engine.reader)):
                yield CropChunk(number, batches)

        def encode_chunk(chunk: CropChunk) -> Iterable[R]:
            return encode(chunk, get_engine(), progress)

        value, _ = get_or_extract(
            key, codec, make_chunks, encode_chunk, progress, empty=empty, count_clips=_count_clips
        )
    return value


def build_address(shards: Sequence[Shard], loaded: LoadedEncoder, options: CropOptions, content: object) -> str:
    """Return the address of a split's embeddings. All shards are part of it, for batches go on from one to the next."""
    return compute_address(
        protocol="xares",
        shards=[[shard.sha256 for shard in shards], READING],
        encoder=loaded.fingerprint,
        recipe=RECIPE,
        sampling_rate=loaded.encoder.sampling_rate,
        hop_in_ms=float(loaded.encoder.hop_size_in_ms),
        how=options,
        pooling=content,
        precision=[loaded.precision, loaded.compiled],
        device=loaded.device.partition(":")[0],
    )


def hide_lengths(loaded: LoadedEncoder) -> LoadedEncoder:
    """Return the encoder as it is run without lengths, so that every frame of a padded batch is valid."""
    return replace(loaded, certificate=replace(loaded.certificate, policy="equal_length"))


def _encode_crops(chunk: CropChunk, engine: Engine, progress: Progress) -> Iterator[FramedClip]:
    """Yield the frames of the surviving crops of some batches."""
    hop_in_s = float(engine.loaded.encoder.hop_size_in_ms) / 1000

    def run(batch: Batch) -> list[NDArray[np.float32]]:
        where = f"{batch.crops[0].where} to {batch.crops[-1].where}"
        return engine.frames([crop.audio for crop in batch.crops], where=where)

    for batch, outputs in zip(chunk.batches, engine.passes.map(run, chunk.batches), strict=True):
        for index in find_survivors(batch):
            crop, frames = batch.crops[index], outputs[index]
            check_finite(frames, crop.where, engine.loaded.name)
            edges = np.arange(len(frames) + 1) * hop_in_s
            spans = np.stack([edges[:-1], edges[1:]], axis=1)
            key = f"{crop.file}{MARK}{batch.number}"
            yield FramedClip(frames, spans, key, crop.seconds, crop.sidecar, crop.digest)
        progress(sum(crop.begins for crop in batch.crops), True)


def _pool_crops(chunk: CropChunk, engine: Engine, progress: Progress) -> Iterator[PooledClip]:
    """Yield the mean over all frames of the surviving crops of some batches."""
    for clip in _encode_crops(chunk, engine, progress):
        vector = clip.frames.mean(axis=0, dtype=np.float64).astype(np.float32)
        yield PooledClip(vector, clip.key, clip.seconds, clip.sidecar, clip.digest)


def parse_clip_key(key: str) -> str:
    """Return the key of the clip that a row is of."""
    return key.rpartition(MARK)[0]


def _count_clips(keys: Sequence[str]) -> int:
    return len({parse_clip_key(key) for key in keys})
