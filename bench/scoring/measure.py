"""From the answers of a probe to numbers: the metric by fold, its interval and further metrics.

Pure functions of what a predictions file holds, so that a score can be computed again without audio or encoder.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import (
    balanced_accuracy,
    build_character_error_rate_inverse,
    build_word_error_rate_inverse,
    equal_error_rate,
    recall_at_1,
)
from bench.metrics.error_rates import to_plain_words
from bench.metrics.retrieval import compute_recalls
from bench.metrics.segment_f1 import count_segments
from bench.scoring.bootstrap import bootstrap_mean, bootstrap_statistic, bootstrap_weighted, split_by_seed_and_fold
from bench.scoring.trials import TrialPredictions, compute_trial_metrics
from bench.types import DataError, Metric, Predictions, Targets, WeightedMetric

RESAMPLES = 2000
MOST_ROWS = 100_000  # trials whose answers are compared, one row of memory each
FEWER_RESAMPLES = 1000  # of a metric that is no mean over clips, and slower to resample
OF_TRANSCRIPTS = (build_word_error_rate_inverse(to_plain_words), build_character_error_rate_inverse(to_plain_words))


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """What a probe said of everything that was tested, one fold after another, and what is right.

    There is one row for each clip, segment or query.
    """

    keys: tuple[str, ...]
    targets: Targets  # [n], k-hot [n, C], or texts [n]
    predictions: Predictions  # [S, n] class indices, ranks or texts, or [S, n, C] scores or answers
    folds: NDArray[np.int64]  # [n] which problem tested the row
    clusters: NDArray[np.int64] | None  # [n] what is resampled together
    classes: tuple[str, ...]
    ranks: bool = False  # whether predictions are ranks of the right answer, 1 the best


@dataclass(frozen=True, slots=True)
class MetricResult:
    """The numbers that answers determine; fields as those of ``bench.types.Score``."""

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
    """Score some answers.

    Raises DataError when guessing already reaches the best value, so that nothing can be told apart.
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
    if metric.name != equal_error_rate.name:
        raise DataError("metric of trials", got=metric.name, expected=equal_error_rate.name, where=where)
    found, chance = compute_trial_metrics(answers), metric.chance(answers.targets, 2)
    return MetricResult(
        value=found.eer,
        normalized=(found.eer - metric.worst) / (metric.best - metric.worst),
        chance_corrected=(found.eer - chance) / (metric.best - chance),
        chance=chance,
        ci95=found.ci95,
        n=len(answers.targets),
        clusters=found.speakers,
        seed_values=(found.eer,),
        fold_values=(found.eer,),
        secondary=found.secondary,
        subsets=found.subsets,
    )


def convert_trials(answers: TrialPredictions, where: str) -> ScoredPredictions:
    """Trials as rows of their own, clustered by the enrolled speaker. Raises DataError where they are too many."""
    if len(answers.targets) > MOST_ROWS:
        got = f"{len(answers.targets)} trials"
        raise DataError("too many trials to compare", got=got, expected=f"at most {MOST_ROWS}", where=where)
    names = answers.utterances
    return ScoredPredictions(
        tuple(f"{names[e]} {names[t]}" for e, t in zip(answers.enrol, answers.test, strict=True)),
        answers.targets.astype(np.int64),
        answers.predictions,
        answers.folds,
        answers.units[answers.enrol],
        ("non-target", "target"),
    )


def compute_by_fold(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The metric in each fold, [F]; a score is their unweighted mean."""
    return np.array([metric.compute(targets[folds == fold], predictions[folds == fold]) for fold in np.unique(folds)])


def compute_interval(
    metric: Metric,
    targets: Targets,
    predictions: Predictions,
    folds: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> tuple[float, float]:
    """95% bootstrap interval of the mean over seeds of the metric, resampling clips or whole clusters."""
    bounds = get_bounds(metric)
    how: dict[str, Any] = {"clusters": groups, "seed": 0, "bounds": bounds}
    if metric.of_counts is not None and groups is not None:
        return _compute_segment_interval(metric, targets, predictions, folds, groups)
    if metric.per_clip is not None:
        per_clip = np.mean([metric.per_clip(targets, row) for row in predictions], axis=0)
        low, high = bootstrap_mean(per_clip, folds=folds, resamples=RESAMPLES, **how)
    else:
        how |= {"resamples": FEWER_RESAMPLES, "centred": metric.centred}
        if metric.weighted is not None:
            values = split_by_seed_and_fold(metric.weighted, targets, predictions, folds)
            low, high = bootstrap_weighted(values, len(targets), **how)
        else:
            low, high = bootstrap_statistic(metric.compute, targets, predictions, folds=folds, **how)
    return float(low), float(high)


def get_bounds(metric: Metric) -> tuple[float, float]:
    """The lowest and the highest value of a metric."""
    return min(metric.worst, metric.best), max(metric.worst, metric.best)


def _compute_segment_interval(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64], clips: NDArray[np.int64]
) -> tuple[float, float]:
    """The interval over clips, 0, 1, ..., of a metric of counts: what is resampled is the counts of each clip."""
    fold_of_clip = folds[np.unique(clips, return_index=True)[1]]
    values = [
        weight_counts(metric, count_segments(targets, row, clips) * (fold_of_clip == fold)[:, None, None])
        for row in predictions
        for fold in np.unique(fold_of_clip)
    ]
    low, high = bootstrap_weighted(values, len(fold_of_clip), resamples=RESAMPLES, bounds=get_bounds(metric))
    return float(low), float(high)


def weight_counts(metric: Metric, counts: NDArray[np.int64]) -> WeightedMetric:
    """A metric of counts as a function of unit weights [R, U], of the counts [U, C, 3] of the units."""
    of_counts = metric.of_counts
    if of_counts is None:
        raise TypeError(f"{metric.name} is no metric of counts")
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    return lambda weights: of_counts((weights.astype(np.float64) @ flat).reshape(len(weights), *counts.shape[1:]))


def compute_secondary(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> dict[str, float]:
    """Further metrics of the same answers by name, means over seeds and folds; none for most metrics."""
    if metric.name == recall_at_1.name:
        return _compute_recalls(targets, predictions, folds)
    others: Sequence[Metric] = ()
    if metric.name == "accuracy":
        others = (balanced_accuracy,)
    elif metric.name in {other.name for other in OF_TRANSCRIPTS}:
        others = [other for other in OF_TRANSCRIPTS if other.name != metric.name]
    return {
        other.name: float(np.mean([compute_by_fold(other, targets, row, folds).mean() for row in predictions]))
        for other in others
    }


def _compute_recalls(targets: Targets, predictions: Predictions, folds: NDArray[np.int64]) -> dict[str, float]:
    """Recall at 1, 5 and 10 in each direction."""
    each = [
        compute_recalls(targets[folds == fold], row[folds == fold]) for row in predictions for fold in np.unique(folds)
    ]
    return {name: float(np.mean([values[name] for values in each])) for name in each[0]}
