"""Decoded audio in windows: as much of a shard as is batched together, read while the encoder has another one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode
from bench.datasets import shards
from bench.extraction import pcm_cache
from bench.extraction.engine.budget import Budget
from bench.extraction.engine.local import Engine
from bench.extraction.engine.prefetch import map_in_order, read_ahead
from bench.extraction.pcm_cache import PcmCache
from bench.types import Clip, Shard

CHUNK_IN_S = 600.0  # audio that is batched together; few windows are in memory at a time
CHUNK_IN_CLIPS = 256  # at most; a killed run loses no more than what is in memory
CHUNK_IN_BATCHES = 16  # and more audio where batches are large: with few to a window much of them is padding
LARGEST_IN_S = 6400.0  # 410 MB at 16 kHz
CHUNKS_AHEAD = 3  # windows and ends of shards, made before they are asked for
CHUNKS_AHEAD_WITH_FRAMES = 2
GROUP_IN_BYTES = 1 << 18  # of encoded clips that are decoded in one go on a thread
PROCESS_GROUP_IN_BYTES = 1 << 20  # and by a process, which is asked for less often
MOST_GROUPS = 32  # read and not yet part of a window
GROUPS_PER_PROCESS = 3  # likewise, for each process that decodes

T = TypeVar("T")
S = TypeVar("S", shards.Sample, shards.SampleRef)
Audio = tuple[NDArray[np.float32], float]
"""Mono samples at the encoder's rate, and the clip's seconds."""


class ChunkShape(NamedTuple):
    """How much audio a window has at most, and how many are made before they are asked for."""

    in_s: float
    in_clips: int
    ahead: int


class ClipChunks(Generic[T]):
    """What ``prepare`` makes of the windows of several shards, shard after shard.

    It gets the index of the shard, that of the window in it, and the window, on the reader's thread, some windows ahead
    of what is in use, be they of the next shard: so the encoder has work while a shard is stored. A shard that
    ``is_stored`` when its turn comes is passed over, unless it is the one that is asked for.
    """

    def __init__(
        self,
        found: Sequence[Shard],
        running: Callable[[], Engine],
        is_stored: Callable[[int], bool],
        prepare: Callable[[int, int, list[Clip]], T],
        decoded: PcmCache | None,
        shape: ChunkShape,
    ) -> None:
        self._found, self._running, self._is_stored, self._decoded = found, running, is_stored, decoded
        self._prepare, self._shape = prepare, shape
        self._stream: Iterator[tuple[int, T | None]] = iter(())
        self._within = False  # a shard that was not asked for to its end

    def of(self, index: int) -> Iterator[T]:
        """What was made of the windows of the shard of this index."""
        made = self._first(index)
        self._within = True
        while made is not None:
            yield made
            del made  # it leaves memory while the next one is waited for
            _, made = next(self._stream)
        self._within = False

    def _first(self, index: int) -> T | None:
        for shard, made in () if self._within else self._stream:
            if shard == index:
                return made
            if shard > index:  # it was stored when its turn came, and is not what was written
                break
        self._stream = read_ahead(self._from(index), self._running().reader, self._shape.ahead)
        return next(self._stream)[1]

    def _from(self, start: int) -> Iterator[tuple[int, T | None]]:
        """Shard by shard, its index with what is made of a window, and with None at its end."""
        for index in range(start, len(self._found)):
            if index > start and self._is_stored(index):
                continue
            for number, window in enumerate(
                read_chunks(self._found[index], self._running(), self._decoded, self._shape)
            ):
                yield index, self._prepare(index, number, window)
            yield index, None


def shape_for_pooling(budget: Budget) -> ChunkShape:
    """Windows for batches of this size, of each clip of which one vector is left."""
    in_s = max(CHUNK_IN_S, min(LARGEST_IN_S, CHUNK_IN_BATCHES * budget.batch_in_s))
    return ChunkShape(in_s, round(CHUNK_IN_CLIPS * in_s / CHUNK_IN_S), CHUNKS_AHEAD)


def shape_for_frames() -> ChunkShape:
    """Windows of which every frame is kept, many times as large as the audio."""
    return ChunkShape(CHUNK_IN_S, CHUNK_IN_CLIPS, CHUNKS_AHEAD_WITH_FRAMES)


def read_chunks(shard: Shard, running: Engine, decoded: PcmCache | None, shape: ChunkShape) -> Iterator[list[Clip]]:
    """Decoded clips, in groups whose borders depend on the shard and the shape alone."""
    window: list[Clip] = []
    total_in_s = 0.0
    for clip in _read_clips(shard, running, decoded):
        window.append(clip)
        total_in_s += len(clip.audio) / clip.sampling_rate
        if total_in_s >= shape.in_s or len(window) == shape.in_clips:
            yield window
            window, total_in_s = [], 0.0
    if window:
        yield window


def _read_clips(shard: Shard, running: Engine, decoded: PcmCache | None) -> Iterator[Clip]:
    """The clips of a shard: decoded now, or as they are kept in ``decoded``, which keeps them if it has not."""
    rate = running.loaded.encoder.sampling_rate
    there = decoded.find(shard, rate) if decoded else None
    clip_of = pcm_cache.restore_clip if there else _build_clip

    with decoded.keep(shard, rate) if decoded and not there else nullcontext(_discard) as keep:
        for sample, (audio, seconds) in _decode_shard(there or shard, running, rate):
            clip = clip_of(sample, audio, rate, seconds)
            keep(clip)
            yield clip


def _decode_shard(shard: Shard, running: Engine, rate: int) -> Iterator[tuple[shards.Sample | shards.SampleRef, Audio]]:
    """The samples of a shard with their audio, decoded on this process's threads or by other processes."""
    if running.decoders is None:
        groups = group_by_size(shards.read_samples(shard), GROUP_IN_BYTES)
        return _decode_groups(groups, functools.partial(_decode_samples, rate=rate), running.pool, MOST_GROUPS)
    asked = group_by_size(running.decoders.entries(shard), PROCESS_GROUP_IN_BYTES)
    hear = functools.partial(running.decoders.heard, rate=rate)
    return _decode_groups(asked, hear, running.pool, GROUPS_PER_PROCESS * len(running.decoders.each))


def _decode_groups(
    groups: Iterator[list[S]], hear: Callable[[Sequence[S]], list[Audio]], pool: Executor, most: int
) -> Iterator[tuple[S, Audio]]:
    def both(group: list[S]) -> list[tuple[S, Audio]]:
        return list(zip(group, hear(group), strict=True))

    return chain.from_iterable(map_in_order(both, groups, pool, most))


def _decode_samples(samples: Sequence[shards.Sample], rate: int) -> list[Audio]:
    return [decode.decode_resampled(sample.audio, rate, where=sample.where) for sample in samples]


def _build_clip(
    sample: shards.Sample | shards.SampleRef, audio: NDArray[np.float32], rate: int, seconds: float
) -> Clip:
    return Clip(sample.key, audio, rate, sample.sidecar, sample.where, seconds)


def _discard(clip: Clip) -> None:
    pass


def group_by_size(samples: Iterator[S], at_least: int) -> Iterator[list[S]]:
    """Samples that are decoded in one go: one of at least so many bytes, or several smaller ones."""
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
