"""Decoded audio in windows: as much of a shard as is batched together, read while the encoder has another one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Generic, TypeVar

from bench.audio import decode, shards
from bench.engine.budget import Budget
from bench.engine.local import Engine
from bench.engine.pipeline import ahead, in_order
from bench.kept_audio import KeptAudio, clip_of
from bench.types import Clip, Shard

WINDOW_IN_S = 600.0  # audio that is batched together; four windows are in memory at a time, at most
WINDOW_IN_CLIPS = 256  # at most; a killed run loses no more than what is in memory
WINDOW_IN_BATCHES = 16  # and more audio where batches are large: with few to a window much of them is padding
LARGEST_IN_S = 6400.0  # 410 MB at 16 kHz
AHEAD = 3  # windows and ends of shards, made before they are asked for
GROUP_IN_BYTES = 1 << 18  # of encoded clips that are decoded in one go
MOST_GROUPS = 32  # read and not yet part of a window

T = TypeVar("T")


class Windows(Generic[T]):
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
        decoded: KeptAudio | None = None,
    ) -> None:
        self._found, self._running, self._is_stored, self._decoded = found, running, is_stored, decoded
        self._prepare = prepare
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
        self._stream = ahead(self._from(index), self._running().reader, AHEAD)
        return next(self._stream)[1]

    def _from(self, start: int) -> Iterator[tuple[int, T | None]]:
        """Shard by shard, its index with what is made of a window, and with None at its end."""
        for index in range(start, len(self._found)):
            if index > start and self._is_stored(index):
                continue
            for number, window in enumerate(windows(self._found[index], self._running(), self._decoded)):
                yield index, self._prepare(index, number, window)
            yield index, None


def size(budget: Budget) -> tuple[float, int]:
    """How much audio in seconds, and how many clips at most, make a window for batches of this size."""
    in_s = max(WINDOW_IN_S, min(LARGEST_IN_S, WINDOW_IN_BATCHES * budget.batch_in_s))
    return in_s, round(WINDOW_IN_CLIPS * in_s / WINDOW_IN_S)


def windows(shard: Shard, running: Engine, decoded: KeptAudio | None = None) -> Iterator[list[Clip]]:
    """Decoded clips, in groups whose borders depend on the shard and the size of batches alone."""
    most_in_s, most_clips = size(running.frozen.budget)
    window: list[Clip] = []
    total_in_s = 0.0
    for clip in _clips(shard, running, decoded):
        window.append(clip)
        total_in_s += len(clip.audio) / clip.sampling_rate
        if total_in_s >= most_in_s or len(window) == most_clips:
            yield window
            window, total_in_s = [], 0.0
    if window:
        yield window


def _clips(shard: Shard, running: Engine, decoded: KeptAudio | None) -> Iterator[Clip]:
    """The clips of a shard: decoded now, or as they are kept in ``decoded``, which keeps them if it has not."""
    rate = running.frozen.encoder.sampling_rate
    there = decoded.find(shard, rate) if decoded else None
    read = clip_of if there else functools.partial(_decoded, rate=rate)

    def clips(group: Sequence[shards.Sample]) -> list[Clip]:
        return [read(sample) for sample in group]

    made = in_order(clips, in_groups(shards.samples(there or shard)), running.pool, MOST_GROUPS)
    with decoded.keep(shard, rate) if decoded and not there else nullcontext(_pass_by) as keep:
        for clip in chain.from_iterable(made):
            keep(clip)
            yield clip


def _decoded(sample: shards.Sample, rate: int) -> Clip:
    audio, native = decode.decode(sample.audio, where=sample.where)
    resampled, seconds = decode.resample(audio, native, rate), len(audio) / native
    return Clip(sample.key, resampled, rate, sample.sidecar, sample.where, seconds)


def _pass_by(clip: Clip) -> None:
    pass


def in_groups(samples: Iterator[shards.Sample]) -> Iterator[list[shards.Sample]]:
    """Samples that are decoded in one go: one of some size, several small ones."""
    group: list[shards.Sample] = []
    for sample in samples:
        group.append(sample)
        if sum(len(one.audio) for one in group) >= GROUP_IN_BYTES:
            yield group
            group = []
    if group:
        yield group
