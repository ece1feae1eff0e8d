"""From the predictions of a probe to numbers: the metric by fold, its interval and secondary metrics.

Pure functions of the content of a predictions file, so that a score can be computed again without audio or encoder.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.metrics import equal_error_rate
from bench.metrics.segment_f1 import count_segments
from bench.scoring.bootstrap import bootstrap_mean, bootstrap_statistic, bootstrap_weighted, split_by_seed_and_fold
from bench.scoring.trials import TrialPredictions, compute_trial_metrics
from bench.types import (
    DataError,
    Metric,
    OfCounts,
    PerClip,
    Predictions,
    Statistic,
    Targets,
    Weighted,
    WeightedMetric,
)

RESAMPLES = 2000
FEWER_RESAMPLES = 1000  # of a metric that is no mean over clips, and slower to resample
MOST_ROWS = 100_000  # trials that can be compared, one row of memory each


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """Targets and predictions of everything that was tested, one fold after another.

    There is one row for each clip, segment or query.
    """

    keys: tuple[str, ...]
    targets: Targets  # [n], k-hot [n, C], or texts [n]
    predictions: Predictions  # [S, n] class indices, ranks or texts, or [S, n, C] scores or k-hot
    folds: NDArray[np.int64]  # [n] fold that tested the row
    clusters: NDArray[np.int64] | None  # [n] rows of equal clusters are resampled together
    classes: tuple[str, ...]
    ranks: bool = False  # whether predictions are ranks of the right answer, 1 the best


@dataclass(frozen=True, slots=True)
class MetricResult:
    """The numbers that predictions determine; fields as those of ``bench.types.Score``."""

    value: float
    normalized: float
    chance_corrected: float
    chance: float
    ci95: tuple[float, float]
    n: int
    clusters: int | None
    seed_values: tuple[float, ...]
    fold_values: tuple[float, ...]  # means over seeds
    secondary: dict[str, float]
    subsets: dict[str, float] = field(default_factory=dict)  # of trials; see ``bench.scoring.trials``


def compute_result(
    metric: Metric, answers: ScoredPredictions | TrialPredictions, n_classes: int, *, where: str
) -> MetricResult:
    """Compute a metric, its interval and its secondary metrics.

    Raises:
        DataError: when guessing already reaches the best value, so that encoders cannot be told apart, and for trials
            under another metric than the equal error rate.
    """
    if isinstance(answers, TrialPredictions):
        return _compute_trial_result(metric, answers, where)
    targets, folds = answers.targets, answers.folds
    values = np.array([compute_by_fold(metric, targets, row, folds) for row in answers.predictions])  # [S, F]
    value = float(np.mean([row.mean() for row in values]))
    # Exact, so that folds of one chance have that mean.
    chance = statistics.mean([float(metric.chance(targets[folds == fold], n_classes)) for fold in np.unique(folds)])
    if chance == metric.best:
        expected = f"chance unlike {metric.best}"
        raise DataError("nothing to tell apart", got=f"chance {chance}", expected=expected, where=where)
    return MetricResult(
        value=value,
        normalized=(value - metric.worst) / (metric.best - metric.worst),
        chance_corrected=(value - chance) / (metric.best - chance),
        chance=chance,
        ci95=compute_interval(metric, targets, answers.predictions, folds, answers.clusters),
        n=len(targets),
        clusters=None if answers.clusters is None else len(np.unique(answers.clusters)),
        seed_values=tuple(float(row.mean()) for row in values),
        fold_values=tuple(values.mean(axis=0).tolist()),
        secondary=compute_secondary(metric, targets, answers.predictions, folds),
    )


def _compute_trial_result(metric: Metric, answers: TrialPredictions, where: str) -> MetricResult:
    if metric.compute is not equal_error_rate.compute:
        raise DataError("metric of trials", got=metric.name, expected=equal_error_rate.name, where=where)
    values, chance = compute_trial_metrics(answers), metric.chance(answers.targets, 2)
    return MetricResult(
        value=values.eer,
        normalized=(values.eer - metric.worst) / (metric.best - metric.worst),
        chance_corrected=(values.eer - chance) / (metric.best - chance),
        chance=chance,
        ci95=values.ci95,
        n=len(answers.targets),
        clusters=values.speakers,
        seed_values=(values.eer,),
        fold_values=(values.eer,),
        secondary=values.secondary,
        subsets=values.subsets,
    )


def convert_trials(answers: TrialPredictions, where: str) -> ScoredPredictions:
    """Convert trials to one row each, clustered by the enrolled speaker. Raises DataError where they are too many."""
    if len(answers.targets) > MOST_ROWS:
        got = f"{len(answers.targets)} trials"
        raise DataError("too many trials to compare", got=got, expected=f"at most {MOST_ROWS}", where=where)
    names = answers.utterances
    return ScoredPredictions(
        keys=tuple(f"{names[e]} {names[t]}" for e, t in zip(answers.enrol, answers.test, strict=True)),
        targets=answers.targets.astype(np.int64),
        predictions=answers.predictions,
        folds=answers.folds,
        clusters=answers.units[answers.enrol],
        classes=("non-target", "target"),
    )


def compute_by_fold(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute the metric in each fold, [F]; a score is their unweighted mean."""
    return np.array([metric.compute(targets[folds == fold], predictions[folds == fold]) for fold in np.unique(folds)])


def compute_interval(
    metric: Metric,
    targets: Targets,
    predictions: Predictions,
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> tuple[float, float]:
    """Compute the 95% bootstrap interval of the mean over seeds, resampling clips or whole ``groups`` [n] of rows."""
    resampling, bounds = metric.resampling, get_bounds(metric)
    if isinstance(resampling, PerClip):
        per_clip = np.mean([resampling.contributions(targets, row) for row in predictions], axis=0)
        low, high = bootstrap_mean(per_clip, folds=folds, clusters=groups, resamples=RESAMPLES, bounds=bounds)
    elif isinstance(resampling, OfCounts) and groups is not None:
        low, high = _compute_segment_interval(metric, resampling, targets, predictions, folds, groups)
    elif isinstance(resampling, Statistic):
        low, high = bootstrap_statistic(
            metric.compute,
            targets,
            predictions,
            folds=folds,
            clusters=groups,
            resamples=FEWER_RESAMPLES,
            bounds=bounds,
            centred=metric.is_centred,
        )
    else:
        values = split_by_seed_and_fold(_get_prepare(resampling), targets, predictions, folds)
        low, high = bootstrap_weighted(
            values,
            len(targets),
            clusters=groups,
            resamples=FEWER_RESAMPLES,
            bounds=bounds,
            centred=metric.is_centred,
        )
    return float(low), float(high)


def _get_prepare(resampling: Weighted | OfCounts) -> Callable[[Targets, Predictions], WeightedMetric]:
    if isinstance(resampling, Weighted):
        return resampling.prepare
    return lambda targets, predictions: weight_counts(resampling, count_segments(targets, predictions))


def get_bounds(metric: Metric) -> tuple[float, float]:
    """Return the lowest and the highest value of a metric."""
    return min(metric.worst, metric.best), max(metric.worst, metric.best)


def _compute_segment_interval(
    metric: Metric,
    resampling: OfCounts,
    targets: Targets,
    predictions: Predictions,
    folds: NDArray[np.int64],
    clips: NDArray[np.int64],
) -> tuple[float, float]:
    """Compute the interval over clips, 0, 1, ..., of a metric of counts by resampling the counts of each clip."""
    fold_of_clip = folds[np.unique(clips, return_index=True)[1]]
    values = [
        weight_counts(resampling, count_segments(targets, row, clips) * (fold_of_clip == fold)[:, None, None])
        for row in predictions
        for fold in np.unique(fold_of_clip)
    ]
    return bootstrap_weighted(values, len(fold_of_clip), resamples=RESAMPLES, bounds=get_bounds(metric))


def weight_counts(resampling: OfCounts, counts: NDArray[np.int64]) -> WeightedMetric:
    """Return a metric of counts as a function of unit weights [R, U], of the counts [U, C, 3] of the units."""
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return lambda weights: resampling.compute(
        (weights.astype(np.float64) @ flat).reshape(len(weights), *counts.shape[1:])
    )


def compute_secondary(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> dict[str, float]:
    """Compute the secondary metrics of the same predictions by name, means over seeds and folds."""
    return {
        other.name: float(np.mean([compute_by_fold(other, targets, row, folds).mean() for row in predictions]))
        for other in metric.secondary
    }
