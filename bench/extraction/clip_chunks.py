"""Decoded clips in chunks: as much of a shard as is batched together, read while the encoder has another one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from bench.audio import decode
from bench.audio.decode import ResampledClip
from bench.datasets import shards
from bench.extraction.engine.budget import Budget
from bench.extraction.engine.local import Engine
from bench.extraction.engine.prefetch import map_in_order, read_ahead
from bench.extraction.pcm_cache import PcmCache, restore_clip
from bench.types import Clip, Shard

CHUNK_IN_S = 600.0  # audio that is batched together; few chunks are in memory at a time
CHUNK_IN_CLIPS = 256  # at most; a killed run loses no more than what is in memory
CHUNK_IN_BATCHES = 16  # and more audio where batches are large: with few to a chunk much of them is padding
LARGEST_IN_S = 6400.0  # 410 MB at 16 kHz
CHUNKS_AHEAD = 3  # chunks and ends of shards, made before they are asked for
CHUNKS_AHEAD_WITH_FRAMES = 2
GROUP_IN_BYTES = 1 << 18  # of encoded clips that are decoded in one go on a thread
PROCESS_GROUP_IN_BYTES = 1 << 20  # and by a process, which is asked for less often
MOST_GROUPS = 32  # read and not yet part of a chunk
GROUPS_PER_PROCESS = 3  # likewise, for each process that decodes

T = TypeVar("T")
S = TypeVar("S", shards.Sample, shards.SampleRef)


class ChunkShape(NamedTuple):
    """The most that a chunk holds, and how many chunks are made before they are asked for."""

    in_s: float
    in_clips: int
    ahead: int


class ClipChunks(Generic[T]):
    """The results of ``prepare`` for the chunks of several shards, shard after shard.

    It gets the index of the shard, that of the chunk in it, and the clips, on the reader's thread, some chunks ahead of
    what is in use, be they of the next shard: so the encoder has work while a shard is stored. A shard that
    ``is_stored`` when its turn comes is passed over, unless it is the one that is asked for.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        get_engine: Callable[[], Engine],
        is_stored: Callable[[int], bool],
        prepare: Callable[[int, int, list[Clip]], T],
        pcm_cache: PcmCache | None,
        shape: ChunkShape,
    ) -> None:
        self._shards, self._get_engine, self._is_stored, self._pcm_cache = shards, get_engine, is_stored, pcm_cache
        self._prepare, self._shape = prepare, shape
        self._stream: Iterator[tuple[int, T | None]] = iter(())
        self._is_within = False  # a shard that was not asked for to its end

    def iterate_shard(self, index: int) -> Iterator[T]:
        """Yield what was made of the chunks of the shard of this index."""
        prepared = self._take_first(index)
        self._is_within = True
        while prepared is not None:
            yield prepared
            del prepared  # it leaves memory while the next one is waited for
            _, prepared = next(self._stream)
        self._is_within = False

    def _take_first(self, index: int) -> T | None:
        if not self._is_within:
            for shard, prepared in self._stream:
                if shard == index:
                    return prepared
                if shard > index:  # it was stored when its turn came, and is not what was written
                    break
        self._stream = read_ahead(self._prepare_from(index), self._get_engine().reader, self._shape.ahead)
        return next(self._stream)[1]

    def _prepare_from(self, start: int) -> Iterator[tuple[int, T | None]]:
        """Yield, shard by shard, its index with what is made of a chunk, and with None at its end."""
        for index in range(start, len(self._shards)):
            if index > start and self._is_stored(index):
                continue
            chunks = read_chunks(self._shards[index], self._get_engine(), self._pcm_cache, self._shape)
            for number, clips in enumerate(chunks):
                yield index, self._prepare(index, number, clips)
            yield index, None


def shape_for_pooling(budget: Budget) -> ChunkShape:
    """Return the shape of chunks for batches of this size, of each clip of which one vector is left."""
    in_s = max(CHUNK_IN_S, min(LARGEST_IN_S, CHUNK_IN_BATCHES * budget.batch_in_s))
    return ChunkShape(in_s, round(CHUNK_IN_CLIPS * in_s / CHUNK_IN_S), CHUNKS_AHEAD)


def shape_for_frames() -> ChunkShape:
    """Return the shape of chunks of which every frame is kept, many times as large as the audio."""
    return ChunkShape(CHUNK_IN_S, CHUNK_IN_CLIPS, CHUNKS_AHEAD_WITH_FRAMES)


def read_chunks(shard: Shard, engine: Engine, pcm_cache: PcmCache | None, shape: ChunkShape) -> Iterator[list[Clip]]:
    """Yield decoded clips, in groups whose borders depend on the shard and the shape alone."""
    clips: list[Clip] = []
    total_in_s = 0.0
    for clip in _read_clips(shard, engine, pcm_cache):
        clips.append(clip)
        total_in_s += len(clip.audio) / clip.sampling_rate
        if total_in_s >= shape.in_s or len(clips) == shape.in_clips:
            yield clips
            clips, total_in_s = [], 0.0
    if clips:
        yield clips


def _read_clips(shard: Shard, engine: Engine, pcm_cache: PcmCache | None) -> Iterator[Clip]:
    """Yield the clips of a shard: decoded now, or as they are kept in ``pcm_cache``, which keeps them if it has not."""
    rate = engine.loaded.encoder.sampling_rate
    cached = pcm_cache.find(shard, rate) if pcm_cache else None
    build_clip = restore_clip if cached else _build_clip

    with pcm_cache.keep(shard, rate) if pcm_cache and not cached else nullcontext(_discard) as keep:
        for sample, decoded in _decode_shard(cached or shard, engine, rate):
            clip = build_clip(sample, decoded, rate)
            keep(clip)
            yield clip


def _decode_shard(
    shard: Shard, engine: Engine, rate: int
) -> Iterator[tuple[shards.Sample | shards.SampleRef, ResampledClip]]:
    """Return the samples of a shard with their audio, decoded on this process's threads or by other processes."""
    if engine.decoders is None:
        groups = group_by_size(shards.read_samples(shard), GROUP_IN_BYTES)
        return _decode_groups(groups, functools.partial(_decode_samples, rate=rate), engine.pool, MOST_GROUPS)
    entries = group_by_size(engine.decoders.entries(shard), PROCESS_GROUP_IN_BYTES)
    decode_entries = functools.partial(engine.decoders.decode_resampled, rate=rate)
    return _decode_groups(entries, decode_entries, engine.pool, GROUPS_PER_PROCESS * len(engine.decoders.each))


def _decode_groups(
    groups: Iterator[list[S]], decode_group: Callable[[Sequence[S]], list[ResampledClip]], pool: Executor, most: int
) -> Iterator[tuple[S, ResampledClip]]:
    def pair_with_audio(group: list[S]) -> list[tuple[S, ResampledClip]]:
        return list(zip(group, decode_group(group), strict=True))

    return chain.from_iterable(map_in_order(pair_with_audio, groups, pool, most))


def _decode_samples(samples: Sequence[shards.Sample], rate: int) -> list[ResampledClip]:
    return [decode.decode_resampled(sample.audio, rate, where=sample.where) for sample in samples]


def _build_clip(sample: shards.Sample | shards.SampleRef, decoded: ResampledClip, rate: int) -> Clip:
    return Clip(sample.key, decoded.audio, rate, sample.sidecar, sample.where, decoded.seconds, decoded.digest)


def _discard(clip: Clip) -> None:
    pass


def group_by_size(samples: Iterator[S], at_least: int) -> Iterator[list[S]]:
    """Yield samples that are decoded in one go: one of at least so many bytes, or several smaller ones."""
    group: list[S] = []
    size = 0
    for sample in samples:
        group.append(sample)
        size += sample.size
        if size >= at_least:
            yield group
            group, size = [], 0
    if group:
        yield group
