"""F1 of sound events, by segments of fixed length.

Conventions: ``targets`` and ``predictions`` are k-hot [M, C], a row for each segment (of all clips, one after the
other) and 1 where the event is active or predicted to be. Everything follows from three counts per class: hits (both),
false alarms (prediction only) and misses (target only). F1 = 2 hits / (2 hits + false alarms + misses), a fraction in
[0, 1], higher is better. Agreement that nothing is there does not count.

- micro: F1 of the counts summed over classes. macro: the unweighted mean of the classes' F1.
- A class that is neither in targets nor in predictions has no F1. With ``zero_division`` NaN, the default, it is left
  out of the macro mean; 0.0 counts it as 0, as X-ARES (scikit-learn's default) does. A class that is predicted but
  never a target has F1 0 either way. Where nothing at all is active the metric is undefined, and DataError.
- Chance: the F1 of answering "active" everywhere, 2 p / (1 + p) for a share p of active segments. It is the best that
  can be done without listening (Lipton et al., "Optimal thresholding of classifiers to maximize F1 measure", 2014).

Source: Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", Applied Sciences 6(6), 2016.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.metrics.k_hot import check_k_hot, check_shapes
from bench.types import DataError, Metric, OfCounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

Average = Literal["macro", "micro"]
NAN = float("nan")
WHERE = "segment F1"


def count_segments(
    targets: Targets, predictions: Predictions, units: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Count hits, false alarms and misses of each unit: of each segment, or of those with equal ``units``.

    Counts of units add up, which makes a bootstrap over clips one matrix product.

    Args:
        targets: k-hot [M, C].
        predictions: k-hot [M, C].
        units: 0, 1, ... [M], e.g. the clip of a segment; U is its largest value + 1, a unit without segment has zeros.

    Returns:
        int64 [U, C, 3].

    Raises:
        DataError: for input that is not k-hot, unequal shapes and units that are no indices.

    >>> count_segments(np.array([[1], [1], [0]]), np.array([[1], [0], [1]]), np.array([0, 0, 1])).tolist()
    [[[1, 0, 1]], [[0, 1, 0]]]
    """
    check_k_hot("targets", targets, WHERE)
    check_k_hot("predictions", predictions, WHERE)
    check_shapes(targets, predictions, WHERE)
    active, predicted = targets.astype(bool), predictions.astype(bool)
    counts = np.stack([active & predicted, ~active & predicted, active & ~predicted], axis=2)
    if units is None:
        return counts.astype(np.int64)
    if units.shape != (len(targets),) or not np.issubdtype(units.dtype, np.integer) or units.min() < 0:
        got = f"{units.dtype} {list(units.shape)}"
        raise DataError("units are no indices", got=got, expected=f"0, 1, ... [{len(targets)}]", where=WHERE)
    summed = np.zeros((int(units.max()) + 1, *counts.shape[1:]), dtype=np.int64)
    order = np.argsort(units, kind="stable")
    present, starts = np.unique(units[order], return_index=True)
    summed[present] = np.add.reduceat(counts[order], starts, axis=0, dtype=np.int64)
    return summed


def count_totals(targets: Targets, predictions: Predictions) -> NDArray[np.int64]:
    """Count hits, false alarms and misses [C, 3] of all segments; raises as ``count_segments``, whose sum this is."""
    check_k_hot("targets", targets, WHERE)
    check_k_hot("predictions", predictions, WHERE)
    check_shapes(targets, predictions, WHERE)
    active, predicted = targets.astype(bool), predictions.astype(bool)
    hits = np.count_nonzero(active & predicted, axis=0)
    return np.stack([hits, np.count_nonzero(predicted, axis=0) - hits, np.count_nonzero(active, axis=0) - hits], axis=1)


def compute_f1(
    counts: NDArray[np.int64] | NDArray[np.float64], average: Average, zero_division: float = NAN
) -> NDArray[np.float64]:
    """Return F1 [...] of hits, false alarms and misses [..., C, 3]; NaN where it is undefined.

    >>> float(compute_f1(np.array([[2, 1, 1], [0, 0, 0]]), "macro")).__round__(3)
    0.667
    """
    counts = np.asarray(counts, dtype=np.float64)
    if average == "micro":
        counts = counts.sum(axis=-2, keepdims=True)
    double = 2 * counts[..., 0]
    whole = double + counts[..., 1] + counts[..., 2]
    defined = whole > 0
    values = np.divide(double, whole, out=np.zeros_like(whole), where=defined)
    if average == "macro" and not np.isnan(zero_division):
        mean = np.where(defined, values, zero_division).mean(axis=-1)
    else:
        mean = values.sum(axis=-1) / np.maximum(defined.sum(axis=-1), 1)
    return np.where(defined.any(axis=-1), np.minimum(1.0, mean), np.nan)


def weight_f1(counts: NDArray[np.int64], average: Average, zero_division: float = NAN) -> WeightedMetric:
    """Return F1 as a function of unit weights [R, U], of the units' counts [U, C, 3]."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)

    def weighted(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        summed = (weights.astype(np.float64) @ flat).reshape(len(weights), *counts.shape[1:])
        return compute_f1(summed, average, zero_division)

    return weighted


def build_segment_f1(average: Average, zero_division: float = NAN) -> Metric:
    """Build segment F1 as a metric of k-hot targets and predictions [M, C].

    Args:
        average: over classes, "macro" or "micro"; see the module.
        zero_division: F1 of a class that is neither in targets nor in predictions; NaN leaves it out.

    The functions of the metric raise as ``count_segments`` does, and DataError where nothing is active.

    >>> metric = build_segment_f1("micro")
    >>> metric.compute(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
    0.8
    """

    def compute(targets: Targets, predictions: Predictions) -> float:
        value = float(compute_f1(count_totals(targets, predictions), average, zero_division))
        if np.isnan(value):
            raise DataError("nothing to score", got="no active segment", expected="at least one", where=WHERE)
        return value

    def chance(targets: Targets, n_classes: int) -> float:
        return compute(targets, np.ones_like(targets))

    def of_counts(counts: NDArray[Any]) -> NDArray[np.float64]:
        return compute_f1(counts, average, zero_division)

    name = f"segment-F1 {average}"
    return Metric(name=name, compute=compute, chance=chance, resampling=OfCounts(of_counts))


segment_f1_macro = replace(build_segment_f1("macro"), xares=build_segment_f1("macro", 0.0))
segment_f1_micro = build_segment_f1("micro")
