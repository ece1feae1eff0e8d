"""Targets of frames and segments as X-ARES 0.1.3 makes them; ``bench.scoring.segments`` has ours.

- An event is labelled in the frames ceil(onset / hop) to ceil(offset / hop) - 1, with the declared hop, in float64 as
  ``seconds / (hop_in_ms / 1000)``: the first part of a frame is lost, so is an event within one frame, and 7 hops may
  begin frame 8.
- Labels are cut, or filled up with zeros, to the frames that there are.
- A segment is ceil(s / hop) whole frames, 3 of 40 ms for 0.1 s. What is left at the end is dropped.

Source: X-ARES at commit 161f0ef, ``tasks/desed_task.py``, ``tasks/maestro_task.py``, ``xares/metrics.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_frames_until(seconds: float, hop_in_ms: float) -> int:
    """Return the number of frames up to a time, rounded up."""
    return math.ceil(seconds / (hop_in_ms / 1000))


def label_frames(events: NDArray[np.float64], length: int, hop_in_ms: float, n_classes: int) -> NDArray[np.uint8]:
    """Return [length, C], 1 in the frames of each event (rows onset, offset, label of [E, 3])."""
    first, end = (np.minimum(np.ceil(events[:, at] / (hop_in_ms / 1000)).astype(np.int64), length) for at in (0, 1))
    changes = np.zeros((length + 1, n_classes), dtype=np.int32)
    label = events[:, 2].astype(np.int64)
    np.add.at(changes, (first, label), 1)
    np.add.at(changes, (end, label), -1)
    return (changes.cumsum(axis=0)[:-1] > 0).astype(np.uint8)


def pool_segments(answers: NDArray[np.uint8], kernel: int) -> NDArray[np.uint8]:
    """Return [T // kernel, C], the largest of each ``kernel`` frames of [T, C]."""
    count = len(answers) // kernel
    whole: NDArray[np.uint8] = answers[: count * kernel].reshape(count, kernel, answers.shape[1]).max(axis=1)
    return whole


def fit_to_length(labelled: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Return [length, C] of labels [T, C]: cut, or followed by zeros."""
    if len(labelled) >= length:
        return labelled[:length]
    none = np.zeros((length - len(labelled), labelled.shape[1]), dtype=labelled.dtype)
    return np.concatenate([labelled, none])


@dataclass(frozen=True, slots=True)
class XaresEventTargets:
    """The events of N clips, as targets of their frames and of their segments; made clip by clip when asked for."""

    events: Sequence[NDArray[np.float64]]  # N of [E, 3]: onset, offset, label
    lengths: NDArray[np.int64]  # [N] frames that are answered for: as many as the longest clip of the test batch has
    seconds: NDArray[np.float64]  # [N]
    hop_in_ms: float  # as the encoder declares it
    segment_in_s: float
    n_classes: int
    score: Callable[[NDArray[Any], NDArray[Any]], float]  # of segments and answers [M, C]; chooses the epoch
    labels_in_s: float | None = None  # labels go up to here, or up to the end of the last event

    def label_frames(self, clip: int) -> NDArray[np.uint8]:
        """Return [F, C] of the F labelled frames, which may be fewer or more than the clip has."""
        events = self.events[clip]
        end = self.labels_in_s if self.labels_in_s is not None else float(events[:, 1].max(initial=0.0))
        return label_frames(events, count_frames_until(end, self.hop_in_ms), self.hop_in_ms, self.n_classes)

    def count_frames(self, clip: int) -> int:
        """Return the number of frames that are answered for."""
        return int(self.lengths[clip])

    def label_segments(self, clip: int) -> NDArray[np.uint8]:
        """Return [K, C] targets of segments."""
        return self.pool_answers(clip, self.label_frames(clip))

    def pool_answers(self, clip: int, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return [K, C] of the frames' answers [T, C]."""
        return pool_segments(
            fit_to_length(frames, self.count_frames(clip)), count_frames_until(self.segment_in_s, self.hop_in_ms)
        )


def pad_to_batches(lengths: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """Return [N], the length of the longest clip of each clip's batch, when clips are batched in their order."""
    starts = np.arange(0, len(lengths), batch_size)
    sizes = np.diff([*starts, len(lengths)])
    longest = np.maximum.reduceat(lengths, starts) if len(lengths) else lengths
    return np.repeat(longest, sizes)
