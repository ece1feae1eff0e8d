"""Two answers to the same clips: a metric's difference, how sure it is and how small one could be seen.

A bootstrap resample is a weight for each of U units (clips, or clusters of them), the same for both sides. For a
permutation, which exchanges the answers of some units, both sets of answers are put one below the other: its
difference is that between the metric under the weights (1 - s, s) and (s, 1 - s) of these 2U units. Rows are put in
the order of their keys, so that the order of a file does not matter.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 15; Phipson and Smyth,
"Permutation p-values should never be zero", 2010 ((1 + b) / (1 + R)); Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989 (approximate randomization, for metrics that are no means).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.segments import segment_counts
from bench.scoring import Answers, of_units
from bench.stats import BLOCK, TAIL, bootstrap_weights, by_seed_and_fold
from bench.types import DataError, Metric, Weighted

RESAMPLES = 2000
FLIPS = 1999  # so that p is a multiple of 1 / 2000
NORMAL = 1.959963984540054  # standard errors to either side of 95%
DETECTED = NORMAL + 0.8416212335729143  # standard errors: alpha 0.05 two-sided, power 0.8
CAUTION = 0.8  # how likely the bound of a seeds' variance holds
CLOSE = 1e-12  # sums of floats: a permuted difference counts as reached up to here
Value = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class SeedNoise:
    """What other probe seeds would do to a difference, as variances, and how well that is known."""

    scatter: float = 0.0  # of the difference, from the values by seed; the seeds of both sides are independent
    shared: float = 0.0  # the part of it that is there because clips are few, and so in the resamples already
    freedom: int = 0  # degrees of freedom of ``scatter``: seeds less one, of both sides


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference between two sets of answers, second minus first, in units of the metric."""

    difference: float
    ci95: tuple[float, float]
    p: float
    detectable: float  # smallest true difference found with power 0.8 at alpha 0.05
    units: int
    resampled: NDArray[np.float64]  # [R], NaN where the metric is undefined
    permuted: NDArray[np.float64]  # [FLIPS], or none where no test was asked for
    equal: bool  # every clip counts alike for both, under every seed
    seeds: SeedNoise


def paired(
    metric: Metric,
    first: Answers,
    second: Answers,
    *,
    where: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Paired:
    """Compare two predictions files of one task. Raises DataError for other clips, targets, folds or clusters.

    Without ``flips`` nothing is permuted and p is 1.
    """
    one, other = aligned(first, second, where)
    units = _units(one)
    n_units = int(units.max()) + 1
    pair = matched(one, other)
    whole = np.ones((1, n_units), dtype=np.int64)
    sides = [of_weights(metric, own, chain([whole], bootstrap_weights(n_units, resamples, seed))) for own in pair]
    by_seed, each = np.stack([side[0] for side in sides]), sides[1][1:] - sides[0][1:]
    low, high = by_seed.mean(axis=1).tolist()
    resampled = each.mean(axis=1)
    if metric.centred:
        resampled += (high - low) - np.nanmean(resampled)
    drawn = []
    if flips:
        value = _value(metric, *stacked(*pair), np.concatenate([units, units + n_units]))
        drawn = [_flipped(value, own).mean(axis=1) for own in _flips(n_units, flips, seed)]
    permuted = np.concatenate([np.empty(0), *drawn])
    scale = abs(metric.best - metric.worst)
    ci95, detectable = spread(resampled, high - low, n_units, scale)
    equal = by_seed[0].tolist() == by_seed[1].tolist() and bool((np.abs(each) <= CLOSE).all())
    noise = seed_noise(sides, (len(one.predictions), len(other.predictions)))
    p = p_value(permuted, high - low)
    return Paired(high - low, ci95, p, detectable, n_units, resampled, permuted, equal, noise)


def seed_noise(sides: Sequence[NDArray[np.float64]], seeds: tuple[int, int]) -> SeedNoise:
    """From both sides' values by seed [1 + R, S], the first row of all clips, the others resampled.

    ``seeds``: how many either side really has; the columns repeat them. A side with one seed says nothing.
    """
    scatter = shared = 0.0
    for values, own in zip(sides, seeds, strict=True):
        if own > 1:
            scatter += values[0, :own].var(ddof=1) / own
            known = values[1:, :own][~np.isnan(values[1:]).any(axis=1)]
            shared += (known - known.mean(axis=1, keepdims=True)).var(axis=0).mean() / (own - 1)
    return SeedNoise(float(scatter), float(shared), sum(seeds) - 2)


def beyond_clips(parts: Sequence[tuple[float, SeedNoise]]) -> tuple[float, float]:
    """Variance that seeds add to that of clips, and its degrees of freedom, of a sum of differences with factors.

    Few seeds often look alike by chance, and a variance that is too small makes false alarms: this is its upper
    bound (80%), less what the resamples show.
    """
    from scipy.stats import chi2

    own = [(factor**2 * noise.scatter, noise.freedom) for factor, noise in parts if noise.scatter > 0]
    scatter = sum(variance for variance, _ in own)
    if not scatter:
        return 0.0, 1.0
    freedom = scatter**2 / sum(variance**2 / known for variance, known in own)
    upper = freedom * scatter / float(chi2.ppf(1 - CAUTION, freedom))
    return max(0.0, upper - sum(factor**2 * noise.shared for factor, noise in parts)), freedom


def spread(
    resampled: NDArray[np.float64], difference: float, units: int, scale: float
) -> tuple[tuple[float, float], float]:
    """95% interval and smallest detectable difference, of resampled differences [R].

    Where all of these are equal, resampling knows nothing of what other units would show: the interval reaches as far
    as the exact binomial one (see ``bench.stats``), of the whole range ``scale`` of the metric.
    """
    known = resampled[~np.isnan(resampled)]
    error = standard_error(resampled, units, scale)
    if _uninformed(known):
        reach = _reach(units, scale)
        low, high = difference - reach, difference + reach
    else:
        low, high = np.quantile(known, [TAIL, 1 - TAIL]).tolist()
    low, high = min(low, difference), max(high, difference)
    return (max(-scale, low), min(scale, high)), min(scale, DETECTED * error)


def standard_error(resampled: NDArray[np.float64], units: int, scale: float) -> float:
    """Of a difference, from its resamples [R]; where these are all equal, what makes the interval of ``spread``."""
    known = resampled[~np.isnan(resampled)]
    if _uninformed(known):
        return _reach(units, scale) / NORMAL
    return float(known.std(ddof=1))


def _reach(units: int, scale: float) -> float:
    return scale * float(1 - TAIL ** (1 / units) if units > 1 else 1.0)


def _uninformed(known: NDArray[np.float64]) -> bool:
    return known.size < 2 or bool(np.ptp(known) <= CLOSE)


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


def of_weights(metric: Metric, own: Answers, weights: Iterable[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The metric by seed, [R, S], of answers in the order of their keys, under blocks of weights of their units."""
    value = _value(metric, own.targets, own.predictions, own.folds, _units(own))
    return np.concatenate([value(block) for block in weights])


def matched(one: Answers, other: Answers) -> tuple[Answers, Answers]:
    """Both with as many seeds, S: what makes whole numbers of either's."""
    seeds = int(np.lcm(len(one.predictions), len(other.predictions)))
    rows = [np.concatenate([own.predictions] * (seeds // len(own.predictions))) for own in (one, other)]
    return replace(one, predictions=rows[0]), replace(other, predictions=rows[1])


def stacked(one: Answers, other: Answers) -> tuple[Any, Any, NDArray[np.int64]]:
    """Targets [2N], predictions [S, 2N] and folds [2N] of both, which have as many seeds.

    Of scores only the order within a class and fold counts. They become ranks, so that a mixture of both answers
    is not ordered by whose scores are larger.
    """
    rows = [own.predictions for own in (one, other)]
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


def _value(metric: Metric, targets: Any, predictions: Any, folds: NDArray[np.int64], unit: NDArray[np.int64]) -> Value:
    """The metric by seed, its mean over folds, as a function of the weights of the units: [R, U] -> [R, S]."""
    if metric.per_clip is not None:
        values = [[_of_means(metric.per_clip(targets, row), folds, unit)] for row in predictions]
    elif metric.of_counts is not None:
        values = [
            [of_units(metric, _counts(targets, row, folds == fold, unit)) for fold in np.unique(folds)]
            for row in predictions
        ]
    elif metric.weighted is not None:
        values = [
            [_of_units(own, unit) for own in by_seed_and_fold(metric.weighted, targets, row[None], folds)]
            for row in predictions
        ]
    else:
        raise DataError("cannot compare", got=metric.name, expected="a metric with weights", where="compare")

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([_defined_mean([own(weights) for own in of_seed]) for of_seed in values], axis=1)

    return value


def _of_units(of_rows: Weighted, unit: NDArray[np.int64]) -> Value:
    return lambda weights: of_rows(weights[:, unit])


def _defined_mean(each: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """[R] means over the folds, leaving out those whose value is NaN."""
    stacked_folds = np.stack(each, axis=1)
    defined = ~np.isnan(stacked_folds)
    count = defined.sum(axis=1)
    total = np.where(defined, stacked_folds, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


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


def _flipped(value: Value, own: NDArray[np.int64]) -> NDArray[np.float64]:
    """Second minus first by seed, [R, S], where ``own`` [R, U] is 0 for the units that are exchanged."""
    size = max(1, BLOCK // (4 * own.shape[1]))
    parts = []
    for block in (own[start : start + size] for start in range(0, len(own), size)):
        left = 1 - block
        parts.append(value(np.concatenate([left, block], axis=1)) - value(np.concatenate([block, left], axis=1)))
    return np.concatenate(parts)


def _flips(units: int, count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Blocks [r, units] of 0 and 1, the same on every machine: the raw stream of PCG64, another than the resamples'."""
    bits = np.random.PCG64([seed, 1])
    size = max(1, BLOCK // units)
    for start in range(0, count, size):
        r = min(size, count - start)
        yield (bits.random_raw(r * units) >> np.uint64(63)).astype(np.int64).reshape(r, units)
