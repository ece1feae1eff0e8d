"""Two answers to the same clips: a metric's difference, how sure it is and how small one could be seen.

Both sets of answers are put one below the other, the units (clips, or clusters of them) of the second after those of
the first. Every quantity is then the metric under weights of these 2U units: the first's value under (1, 0), the
second's under (0, 1), a bootstrap resample w as the difference between (0, w) and (w, 0), and a permutation, which
exchanges the answers of some units, as that between (s, 1 - s) and (1 - s, s). Rows are put in the order of their
keys, so that the order of a file does not matter.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 15; Phipson and Smyth,
"Permutation p-values should never be zero", 2010 ((1 + b) / (1 + R)); Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989 (approximate randomization, for metrics that are no means).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.segments import segment_counts
from bench.scoring import Answers, of_units
from bench.stats import BLOCK, TAIL, bootstrap_weights, by_seed_and_fold
from bench.types import DataError, Metric

RESAMPLES = 2000
FLIPS = 1999  # so that p is a multiple of 1 / 2000
DETECTED = 1.959963984540054 + 0.8416212335729143  # standard errors: alpha 0.05 two-sided, power 0.8
CLOSE = 1e-12  # sums of floats: a permuted difference counts as reached up to here
Value = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference between two sets of answers, second minus first, in units of the metric."""

    difference: float
    ci95: tuple[float, float]
    p: float
    detectable: float  # smallest true difference found with power 0.8 at alpha 0.05
    units: int
    resampled: NDArray[np.float64]  # [R], NaN where the metric is undefined
    permuted: NDArray[np.float64]  # [FLIPS]


def paired(
    metric: Metric, first: Answers, second: Answers, *, where: str, seed: int = 0, resamples: int = RESAMPLES
) -> Paired:
    """Compare two predictions files of one task. Raises DataError for other clips, targets, folds or clusters."""
    one, other = aligned(first, second, where)
    units = _units(one)
    n_units = int(units.max()) + 1
    value = _value(metric, *stacked(one, other), units)
    ends = np.zeros((2, 2 * n_units), dtype=np.int64)
    ends[0, :n_units], ends[1, n_units:] = 1, 1
    low, high = value(ends).tolist()
    blocks = [_differences(value, weights, 0) for weights in bootstrap_weights(n_units, resamples, seed)]
    resampled = np.concatenate(blocks)
    if metric.centred:
        resampled += (high - low) - np.nanmean(resampled)
    permuted = np.concatenate([_differences(value, flips, 1) for flips in _flips(n_units, FLIPS, seed)])
    scale = abs(metric.best - metric.worst)
    ci95, detectable = spread(resampled, high - low, n_units, scale)
    return Paired(high - low, ci95, p_value(permuted, high - low), detectable, n_units, resampled, permuted)


def spread(
    resampled: NDArray[np.float64], difference: float, units: int, scale: float
) -> tuple[tuple[float, float], float]:
    """95% interval and smallest detectable difference, of resampled differences [R].

    Where all of these are equal, resampling knows nothing of what other units would show: the interval reaches as far
    as the exact binomial one (see ``bench.stats``), of the whole range ``scale`` of the metric.
    """
    known = resampled[~np.isnan(resampled)]
    if known.size < 2 or np.ptp(known) <= CLOSE:
        reach = scale * (1 - TAIL ** (1 / units) if units > 1 else 1.0)
        low, high, error = difference - reach, difference + reach, reach / 1.959963984540054
    else:
        low, high = np.quantile(known, [TAIL, 1 - TAIL]).tolist()
        error = float(known.std(ddof=1))
    low, high = min(low, difference), max(high, difference)
    return (max(-scale, low), min(scale, high)), min(scale, DETECTED * error)


def p_value(permuted: NDArray[np.float64], difference: float) -> float:
    """Two-sided: the share of permutations, the given answers among them, that differ at least as much."""
    known = permuted[~np.isnan(permuted)]
    return float((1 + np.count_nonzero(np.abs(known) >= abs(difference) - CLOSE)) / (1 + known.size))


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K] p-values adjusted so that calling those up to q significant has a false discovery rate of at most q.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", 1995.
    """
    order = np.argsort(p)[::-1]
    raw = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(raw))
    return adjusted


def aligned(first: Answers, second: Answers, where: str) -> tuple[Answers, Answers]:
    """Both in the order of their keys. Raises DataError naming how many clips differ, in keys or in anything else."""
    one, other = _ordered(first), _ordered(second)
    if one.keys != other.keys:
        only = [sum((Counter(a.keys) - Counter(b.keys)).values()) for a, b in ((one, other), (other, one))]
        got = f"{only[0]} only in the first, {only[1]} only in the second, of {len(one.keys)} and {len(other.keys)}"
        raise DataError("other clips", got=got, expected="the same keys", where=where)
    if one.classes != other.classes:
        raise DataError("other classes", got=list(other.classes)[:5], expected=list(one.classes)[:5], where=where)
    for name in ("targets", "folds"):
        a, b = getattr(one, name), getattr(other, name)
        if a.shape != b.shape or (a != b).any():
            differ = len(a) if a.shape != b.shape else np.count_nonzero((a != b).reshape(len(a), -1).any(axis=1))
            raise DataError(f"other {name}", got=f"{differ} clips differ", expected="the same", where=where)
    if not np.array_equal(_units(one), _units(other)):
        raise DataError("other clusters", got="clips grouped otherwise", expected="the same", where=where)
    return one, other


def _ordered(answers: Answers) -> Answers:
    rows = sorted(range(len(answers.keys)), key=lambda row: (answers.keys[row], int(answers.folds[row])))
    at = np.array(rows, dtype=np.int64)
    return replace(
        answers,
        keys=tuple(answers.keys[row] for row in rows),
        targets=answers.targets[at],
        predictions=answers.predictions[:, at],
        folds=answers.folds[at],
        clusters=None if answers.clusters is None else answers.clusters[at],
    )


def _units(answers: Answers) -> NDArray[np.int64]:
    """[N] which unit a row is of: 0, 1, ... in the order of their first rows."""
    if answers.clusters is None:
        return np.arange(len(answers.keys))
    _, starts, units = np.unique(answers.clusters, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(starts))[units], dtype=np.int64)


def stacked(one: Answers, other: Answers) -> tuple[Any, Any, NDArray[np.int64]]:
    """Targets [2N], predictions [S, 2N] and folds [2N] of both; S is what makes whole numbers of either's seeds.

    Of scores only the order within a class and fold counts. They become ranks, so that a mixture of both answers
    is not ordered by whose scores are larger.
    """
    seeds = int(np.lcm(len(one.predictions), len(other.predictions)))
    rows = [np.concatenate([own.predictions] * (seeds // len(own.predictions))) for own in (one, other)]
    if all(np.issubdtype(row.dtype, np.floating) for row in rows):
        rows = [_ranked(row, one.folds) for row in rows]
    predictions = np.concatenate(rows, axis=1)
    return np.concatenate([one.targets] * 2), predictions, np.concatenate([one.folds] * 2)


def _ranked(scores: NDArray[Any], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks = np.empty(scores.shape, dtype=np.float64)
    for fold in np.unique(folds):
        ranks[:, folds == fold] = rankdata(scores[:, folds == fold], axis=1)
    return ranks


def _value(metric: Metric, targets: Any, predictions: Any, folds: NDArray[np.int64], units: NDArray[np.int64]) -> Value:
    """The metric, its mean over seeds and folds, as a function of the weights [R, 2U] of the units."""
    unit = np.concatenate([units, units + units.max() + 1])
    if metric.per_clip is not None:
        values = [_of_means(np.mean([metric.per_clip(targets, row) for row in predictions], axis=0), folds, unit)]
    elif metric.of_counts is not None:
        values = [
            of_units(metric, _counts(targets, row, folds == fold, unit))
            for row in predictions
            for fold in np.unique(folds)
        ]
    elif metric.weighted is not None:
        by_clip = by_seed_and_fold(metric.weighted, targets, predictions, folds)
        values = [lambda weights, own=own: own(weights[:, unit]) for own in by_clip]  # type: ignore[misc]
    else:
        raise DataError("cannot compare", got=metric.name, expected="a metric with weights", where="compare")

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        each = np.stack([own(weights) for own in values], axis=1)
        defined = ~np.isnan(each)
        count = defined.sum(axis=1)
        return np.where(count > 0, np.where(defined, each, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)

    return value


def _of_means(per_clip: NDArray[np.float64], folds: NDArray[np.int64], unit: NDArray[np.int64]) -> Value:
    """The unweighted mean over folds of the mean over clips; a fold without a clip is left out."""
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


def _counts(targets: Any, row: Any, own: NDArray[np.bool_], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hits, false alarms and misses [2U, C, 3] of one fold."""
    found = segment_counts(targets[own], row[own], unit[own])
    return np.pad(found, ((0, int(unit.max()) + 1 - len(found)), (0, 0), (0, 0)))


def _differences(value: Value, weights: NDArray[np.int64], rest: int) -> NDArray[np.float64]:
    """Second minus first under weights [R, U]; ``rest`` 1 gives the other side what is left of each unit, 0 nothing."""
    size = max(1, BLOCK // (4 * weights.shape[1]))
    parts = []
    for start in range(0, len(weights), size):
        own = weights[start : start + size]
        left = rest * (1 - own)
        parts.append(value(np.concatenate([left, own], axis=1)) - value(np.concatenate([own, left], axis=1)))
    return np.concatenate(parts)


def _flips(units: int, count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Blocks [r, units] of 0 and 1, the same on every machine: the raw stream of PCG64, another than the resamples'."""
    bits = np.random.PCG64([seed, 1])
    size = max(1, BLOCK // units)
    for start in range(0, count, size):
        r = min(size, count - start)
        yield (bits.random_raw(r * units) >> np.uint64(63)).astype(np.int64).reshape(r, units)
