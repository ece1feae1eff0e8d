"""Metrics: functions of targets and predictions, with their range and the way they are resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.types.targets import Targets

Predictions = NDArray[Any]
"""Predictions of a probe for one seed: class indices int64 [N] or, for k-hot targets, scores float32 [N, C]. A leading
axis S, where there is one, holds the probe seeds."""
WeightedMetric = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""A metric of fixed predictions as a function of how often each clip counts: weights [R, N] -> values [R], NaN where
the metric is undefined."""


@dataclass(frozen=True, slots=True)
class PerClip:
    """Resampling of a metric that is a mean over clips: one matrix product for all resamples."""

    contributions: Callable[[Targets, Predictions], NDArray[np.float64]]  # [N], whose mean is the metric


@dataclass(frozen=True, slots=True)
class Weighted:
    """Resampling of a metric that can be evaluated for many sets of clip weights at once."""

    prepare: Callable[[Targets, Predictions], WeightedMetric]  # computes once what does not depend on the weights
    centred: bool = False
    """Whether repeated clips bias the metric, so that resampled values are shifted to the estimate as their mean."""


@dataclass(frozen=True, slots=True)
class OfCounts:
    """Resampling of a metric of k-hot targets that is a function of hits, false alarms and misses, which add up."""

    compute: Callable[[NDArray[Any]], NDArray[np.float64]]  # counts [..., C, 3] -> values [...]


@dataclass(frozen=True, slots=True)
class Statistic:
    """Resampling of any other metric: ``Metric.compute`` is called on the clips of every resample, which is slow."""

    centred: bool = False  # see ``Weighted.centred``


Resampling = PerClip | Weighted | OfCounts | Statistic


@dataclass(frozen=True, slots=True)
class Metric:
    """A function of targets and predictions, what its values mean and how it is resampled.

    ``best`` and ``worst`` bound the values; ``worst`` is above ``best`` where lower is better. A metric of a user's own
    task needs a name, ``compute`` and ``chance``:

    >>> import numpy as np
    >>> def compute_f1(targets, predictions):
    ...     hits = np.sum((targets == 1) & (predictions == 1))
    ...     return float(2 * hits / (np.sum(targets == 1) + np.sum(predictions == 1)))
    >>> f1 = Metric("F1", compute=compute_f1, chance=lambda targets, n_classes: 0.5)
    >>> f1.compute(np.array([0, 1, 1]), np.array([0, 1, 0])).__round__(3)
    0.667
    """

    name: str
    compute: Callable[[Targets, Predictions], float]  # of one seed
    chance: Callable[[Targets, int], float]  # (test targets, n_classes) -> value of guessing
    best: float = 1.0
    worst: float = 0.0
    resampling: Resampling = Statistic()
    secondary: tuple[Metric, ...] = ()  # further metrics of the same predictions, reported beside this one
    xares: Metric | None = None  # the metric that X-ARES computes under this name, where it differs

    @property
    def is_centred(self) -> bool:
        """Whether resampled values are shifted to have the estimate as their mean."""
        return isinstance(self.resampling, Weighted | Statistic) and self.resampling.centred
