"""Events as targets of frames and segments, and predictions of frames as predictions of segments.

Two divisions of a clip meet here. The *frames* of an encoder each speak for a span of time; the *segments* of a task,
[0, s), [s, 2 s), ... up to and including the one that holds the clip's end, are the same for every encoder, so that
encoders of different hops are scored on the same questions.

- A frame or segment is positive for a class when an event of that class overlaps it, however little: no event is
  lost because it is shorter than a frame, and an event without length marks the frame that it lies in.
- The prediction of a segment is the largest of those of the frames whose spans overlap it.
- Times closer than EPSILON_IN_S are equal: 0.07 s begins frame 7 of 10 ms, though 0.07 / 0.01 is 7.000000000000001.
- A rest of less than SHORTEST_TAIL_IN_S belongs to the last segment: 160001 samples are 10 s.
- An event that begins when the audio is over cannot be heard and is no target; ``select_audible`` counts such events.

X-ARES rounds both ends of an event up (in float64, 7 hops to 8 frames), drops the last partial segment and
lets segments last a whole number of frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.types import Event

EPSILON_IN_S = 1e-6
SHORTEST_TAIL_IN_S = 1e-3


def cut_segments(seconds: float, segment_in_s: float) -> NDArray[np.float64]:
    """Return the borders [K + 1] in s of the K >= 1 segments of a clip."""
    count = max(1, math.ceil((seconds - SHORTEST_TAIL_IN_S) / segment_in_s))
    borders = np.arange(count + 1, dtype=np.float64) * segment_in_s
    borders[-1] = max(borders[-1], seconds)
    return borders


def find_overlaps(
    borders: NDArray[np.float64], onsets: NDArray[np.float64], offsets: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last of the T cells between ``borders`` [T + 1] that each interval [E] overlaps.

    An interval within the borders overlaps at least the cell that it begins in; one outside gets (0, -1).
    """
    first = np.searchsorted(borders, onsets + EPSILON_IN_S, side="right") - 1
    last = np.maximum(first, np.searchsorted(borders, offsets - EPSILON_IN_S, side="left") - 1)
    n = len(borders) - 1
    outside = (first >= n) | (last < 0)
    return np.where(outside, 0, np.maximum(first, 0)), np.where(outside, -1, np.minimum(last, n - 1))


def mark_events(events: NDArray[np.float64], borders: NDArray[np.float64], n_classes: int) -> NDArray[np.uint8]:
    """Return [T, C], 1 where an event (rows onset, offset, label of [E, 3]) of the class overlaps the cell."""
    first, last = find_overlaps(borders, events[:, 0], events[:, 1])
    label = events[:, 2].astype(np.int64)
    changes = np.zeros((len(borders), n_classes), dtype=np.int32)
    np.add.at(changes, (first, label), 1)
    np.add.at(changes, (last + 1, label), -1)
    return (changes.cumsum(axis=0)[:-1] > 0).astype(np.uint8)


def find_runs(spans: NDArray[np.float64]) -> list[slice]:
    """Find the stretches of frames that are contiguous in time; overlapping crops make several. ``spans`` is [T, 2]."""
    breaks = np.flatnonzero(spans[1:, 0] != spans[:-1, 1]) + 1
    edges = [0, *breaks.tolist(), len(spans)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def get_borders(spans: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the borders [T + 1] of the frames of one run."""
    return np.append(spans[:, 0], spans[-1, 1])


def label_frames(events: NDArray[np.float64], spans: NDArray[np.float64], n_classes: int) -> NDArray[np.uint8]:
    """Return [T, C], 1 where an event of the class overlaps the span of the frame."""
    return np.concatenate([mark_events(events, get_borders(spans[run]), n_classes) for run in find_runs(spans)])


def pool_answers(
    answers: NDArray[np.uint8], spans: NDArray[np.float64], borders: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return [K, C], 1 where the prediction [T, C] (0 or 1) of a frame that overlaps the segment is 1."""
    pooled = np.zeros((len(borders) - 1, answers.shape[1]), dtype=bool)
    for run in find_runs(spans):
        first, last = find_overlaps(get_borders(spans[run]), borders[:-1], borders[1:])
        sums = np.zeros((run.stop - run.start + 1, answers.shape[1]), dtype=np.int64)
        np.cumsum(answers[run], axis=0, out=sums[1:])
        pooled |= sums[last + 1] > sums[first]
    return pooled.astype(np.uint8)


def select_audible(events: Iterable[Event], seconds: float) -> tuple[NDArray[np.float64], int]:
    """Return the events that begin before the clip ends, [E, 3] (onset, offset, label), and how many do not."""
    rows = np.array([tuple(event) for event in events], dtype=np.float64).reshape(-1, 3)
    audible = rows[:, 0] < seconds - EPSILON_IN_S
    return rows[audible], int(np.count_nonzero(~audible))


@dataclass(frozen=True, slots=True)
class EventTargets:
    """The events of N clips as targets of their frames and segments, computed clip by clip on demand."""

    events: Sequence[NDArray[np.float64]]  # N of [E, 3]: onset, offset, label
    spans: Sequence[NDArray[np.float64]]  # N of [T, 2]
    seconds: NDArray[np.float64]  # [N]
    segment_in_s: float
    n_classes: int
    score: Callable[[NDArray[Any], NDArray[Any]], float]  # of k-hot [M, C] segments; chooses the epoch

    def label_frames(self, clip: int) -> NDArray[np.uint8]:
        """Return the targets of the frames of a clip, k-hot [T, C]."""
        return label_frames(self.events[clip], self.spans[clip], self.n_classes)

    def count_frames(self, clip: int) -> int:
        """Return the number T of frames of a clip."""
        return len(self.spans[clip])

    def cut_segments(self, clip: int) -> NDArray[np.float64]:
        """Return the borders [K + 1] in s of the segments of a clip."""
        return cut_segments(float(self.seconds[clip]), self.segment_in_s)

    def label_segments(self, clip: int) -> NDArray[np.uint8]:
        """Return the targets of the segments of a clip, k-hot [K, C]."""
        return mark_events(self.events[clip], self.cut_segments(clip), self.n_classes)

    def pool_answers(self, clip: int, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the predictions of the segments, k-hot [K, C], of those of the frames [T, C]."""
        return pool_answers(frames, self.spans[clip], self.cut_segments(clip))
