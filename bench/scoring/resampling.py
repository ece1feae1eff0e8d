"""Metrics as functions of the weights of units of clips, which resamples and permutations evaluate many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.segment_f1 import count_segments
from bench.scoring.alignment import number_units
from bench.scoring.bootstrap import repeat_clips, split_by_seed_and_fold
from bench.scoring.measure import ScoredPredictions, get_bounds, weight_counts
from bench.types import Metric, OfCounts, PerClip, Weighted, WeightedMetric

MetricBySeed = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def evaluate_weights(
    metric: Metric, own: ScoredPredictions, weights: Iterable[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Evaluate the metric by seed, [R, S], of rows in the order of their keys, under blocks of weights of units."""
    value = build_metric_by_seed(metric, own.targets, own.predictions, own.folds, number_units(own))
    return np.concatenate([value(block) for block in weights])


def build_metric_by_seed(
    metric: Metric, targets: Any, predictions: Any, folds: NDArray[np.int64], unit: NDArray[np.int64]
) -> MetricBySeed:
    """Return the metric by seed, its mean over folds, as a function of the weights of the units: [R, U] -> [R, S]."""
    resampling = metric.resampling
    if isinstance(resampling, PerClip):
        values = [[_weight_means(resampling.contributions(targets, row), folds, unit)] for row in predictions]
    elif isinstance(resampling, OfCounts):
        values = [
            [weight_counts(resampling, _count_fold(targets, row, folds == fold, unit)) for fold in np.unique(folds)]
            for row in predictions
        ]
    else:
        prepare = repeat_clips(metric.compute, get_bounds(metric))
        if isinstance(resampling, Weighted):
            prepare = resampling.prepare
        values = [
            [_expand_units(own, unit) for own in split_by_seed_and_fold(prepare, targets, row[None], folds)]
            for row in predictions
        ]

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([_average_defined([own(weights) for own in of_seed]) for of_seed in values], axis=1)

    return value


def _expand_units(of_rows: WeightedMetric, unit: NDArray[np.int64]) -> MetricBySeed:
    return lambda weights: of_rows(weights[:, unit])


def _average_defined(each: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the means [R] over the folds, leaving out those whose value is NaN."""
    stacked_folds = np.stack(each, axis=1)
    defined = ~np.isnan(stacked_folds)
    count = defined.sum(axis=1)
    total = np.where(defined, stacked_folds, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _weight_means(per_clip: NDArray[np.float64], folds: NDArray[np.int64], unit: NDArray[np.int64]) -> MetricBySeed:
    """Return the unweighted mean over folds of the mean over clips; a fold without a clip is left out."""
    fold = np.unique(folds, return_inverse=True)[1]
    shape = (int(unit.max()) + 1, int(fold.max()) + 1)
    cell, cells = unit * shape[1] + fold, shape[0] * shape[1]
    sums = np.bincount(cell, weights=per_clip, minlength=cells).reshape(shape)
    sizes = np.bincount(cell, minlength=cells).reshape(shape).astype(np.float64)

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        real = weights.astype(np.float64)
        total, size = real @ sums, real @ sizes
        filled = size > 0
        means = np.divide(total, size, out=np.zeros_like(total), where=filled)
        return np.asarray(means.sum(axis=1) / filled.sum(axis=1))

    return value


def _count_fold(targets: Any, row: Any, own: NDArray[np.bool_], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count hits, false alarms and misses [2U, C, 3] of one fold."""
    counts = count_segments(targets[own], row[own], unit[own])
    return np.pad(counts, ((0, int(unit.max()) + 1 - len(counts)), (0, 0), (0, 0)))
