"""Decoded audio in windows: as much of a shard as is batched together, read while the encoder has another one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain

from bench.audio import decode, shards
from bench.engine.local import Engine
from bench.engine.pipeline import ahead, in_order
from bench.kept_audio import KeptAudio, clip_of
from bench.types import Clip, Shard

WINDOW_IN_S = 600.0  # audio that is batched together; three windows are in memory at a time, at most
WINDOW_IN_CLIPS = 256  # at most; a killed run loses no more than two windows
GROUP_IN_BYTES = 1 << 18  # of encoded clips that are decoded in one go
MOST_GROUPS = 32  # read and not yet part of a window


class Windows:
    """The windows of several shards, shard after shard.

    When those of a shard have been handed out, the first one of the next shard is begun, so that its clips are decoded
    while the last windows are in the encoder and the shard is stored; unless it ``is_stored`` itself.
    """

    def __init__(
        self,
        found: Sequence[Shard],
        running: Callable[[], Engine],
        is_stored: Callable[[int], bool],
        decoded: KeptAudio | None = None,
    ) -> None:
        self._found, self._running, self._is_stored, self._decoded = found, running, is_stored, decoded
        self._coming: tuple[int, Iterator[list[Clip]]] | None = None

    def of(self, index: int) -> Iterator[list[Clip]]:
        """The windows of the shard of this index."""
        begun, self._coming = self._coming, None
        yield from begun[1] if begun is not None and begun[0] == index else self._begin(index)
        following = index + 1
        if following < len(self._found) and not self._is_stored(following):
            self._coming = following, self._begin(following)

    def _begin(self, index: int) -> Iterator[list[Clip]]:
        running = self._running()
        return ahead(windows(self._found[index], running, self._decoded), running.reader)


def windows(shard: Shard, running: Engine, decoded: KeptAudio | None = None) -> Iterator[list[Clip]]:
    """Decoded clips, in groups whose borders depend on the shard alone."""
    window: list[Clip] = []
    total_in_s = 0.0
    for clip in _clips(shard, running, decoded):
        window.append(clip)
        total_in_s += len(clip.audio) / clip.sampling_rate
        if total_in_s >= WINDOW_IN_S or len(window) == WINDOW_IN_CLIPS:
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
