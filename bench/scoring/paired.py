"""Two sets of predictions for the same clips: the difference of a metric, its interval and the smallest detectable one.

A bootstrap resample is a weight for each of U units (clips, or clusters of them), the same for both sides. For a
permutation, which exchanges the predictions of some units, both sets are put one below the other: its
difference is that between the metric under the weights (1 - s, s) and (s, 1 - s) of these 2U units. Rows are put in
the order of their keys, so that the order of a file does not matter.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 15; Phipson and Smyth,
"Permutation p-values should never be zero", 2010 ((1 + b) / (1 + R)); Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989 (approximate randomization, for metrics that are no means).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bench.scoring.alignment import align, match_seeds, number_units, stack_sides
from bench.scoring.bootstrap import BLOCK, TAIL, draw_weights
from bench.scoring.measure import ScoredPredictions
from bench.scoring.resampling import MetricBySeed, build_metric_by_seed, evaluate_weights
from bench.types import Metric, Statistic

RESAMPLES = 2000
FLIPS = 1999  # so that p is a multiple of 1 / 2000
NORMAL = 1.959963984540054  # standard errors to either side of 95%
DETECTED = NORMAL + 0.8416212335729143  # standard errors: alpha 0.05 two-sided, power 0.8
CAUTION = 0.8  # how likely the bound of a seeds' variance holds
CLOSE = 1e-12  # sums of floats: a permuted difference counts as reached up to here


@dataclass(frozen=True, slots=True)
class SeedNoise:
    """Variances that other probe seeds add to a difference, and how well they are known."""

    scatter: float = 0.0  # of the difference, from the values by seed; the seeds of both sides are independent
    shared: float = 0.0  # the part of it that is there because clips are few, and so in the resamples already
    freedom: int = 0  # degrees of freedom of ``scatter``: seeds less one, of both sides


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference between two sets of predictions, second minus first, in units of the metric."""

    difference: float
    ci95: tuple[float, float]
    p: float
    detectable: float  # smallest true difference found with power 0.8 at alpha 0.05
    units: int
    resampled: NDArray[np.float64]  # [R], NaN where the metric is undefined
    permuted: NDArray[np.float64]  # [FLIPS], or none without a test
    equal: bool  # every clip counts alike for both, under every seed
    seeds: SeedNoise


def compute_paired_difference(
    metric: Metric,
    first: ScoredPredictions,
    second: ScoredPredictions,
    *,
    where: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> PairedDifference:
    """Compare two predictions files of one task. Raises DataError for other clips, targets, folds or clusters.

    Without ``flips`` nothing is permuted and p is 1.
    """
    one, other = align(first, second, where)
    units = number_units(one)
    n_units = int(units.max()) + 1
    pair = match_seeds(one, other)
    whole = np.ones((1, n_units), dtype=np.int64)
    sides = [evaluate_weights(metric, own, chain([whole], draw_weights(n_units, resamples, seed))) for own in pair]
    by_seed, each = np.stack([side[0] for side in sides]), sides[1][1:] - sides[0][1:]
    low, high = by_seed.mean(axis=1).tolist()
    resampled = each.mean(axis=1)
    if metric.is_centred:
        resampled += (high - low) - np.nanmean(resampled)
    drawn = []
    if flips:
        both = stack_sides(*pair, as_ranks=not isinstance(metric.resampling, Statistic))
        value = build_metric_by_seed(metric, *both, np.concatenate([units, units + n_units]))
        drawn = [_exchange_units(value, own).mean(axis=1) for own in _draw_flips(n_units, flips, seed)]
    permuted = np.concatenate([np.empty(0), *drawn])
    scale = abs(metric.best - metric.worst)
    ci95, detectable = compute_spread(resampled, high - low, n_units, scale)
    equal = by_seed[0].tolist() == by_seed[1].tolist() and bool((np.abs(each) <= CLOSE).all())
    noise = compute_seed_noise(sides, (len(one.predictions), len(other.predictions)))
    p = compute_p_value(permuted, high - low)
    return PairedDifference(high - low, ci95, p, detectable, n_units, resampled, permuted, equal, noise)


def compute_seed_noise(sides: Sequence[NDArray[np.float64]], seeds: tuple[int, int]) -> SeedNoise:
    """Compute the noise of seeds from both sides' values [1 + R, S], the first row of all clips, the others resampled.

    ``seeds``: how many distinct ones either side has; the columns repeat them. A side with one seed adds nothing.
    """
    scatter = shared = 0.0
    for values, own in zip(sides, seeds, strict=True):
        if own > 1:
            scatter += values[0, :own].var(ddof=1) / own
            known = values[1:, :own][~np.isnan(values[1:]).any(axis=1)]
            shared += (known - known.mean(axis=1, keepdims=True)).var(axis=0).mean() / (own - 1)
    return SeedNoise(float(scatter), float(shared), sum(seeds) - 2)


def compute_seed_variance(parts: Sequence[tuple[float, SeedNoise]]) -> tuple[float, float]:
    """Compute the variance that seeds add to that of clips, and its degrees of freedom, of a sum of differences.

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


def compute_spread(
    resampled: NDArray[np.float64], difference: float, units: int, scale: float
) -> tuple[tuple[float, float], float]:
    """Compute the 95% interval and the smallest detectable difference of resampled differences [R].

    Where all of these are equal, resampling shows nothing of other units: the interval reaches as far
    as the exact binomial one (see ``bench.scoring.bootstrap``), of the whole range ``scale`` of the metric.
    """
    known = resampled[~np.isnan(resampled)]
    error = compute_standard_error(resampled, units, scale)
    if _is_uninformed(known):
        reach = _compute_reach(units, scale)
        low, high = difference - reach, difference + reach
    else:
        low, high = np.quantile(known, [TAIL, 1 - TAIL]).tolist()
    low, high = min(low, difference), max(high, difference)
    return (max(-scale, low), min(scale, high)), min(scale, DETECTED * error)


def compute_standard_error(resampled: NDArray[np.float64], units: int, scale: float) -> float:
    """Compute the standard error of a difference from its resamples [R], or the exact interval if all are equal."""
    known = resampled[~np.isnan(resampled)]
    if _is_uninformed(known):
        return _compute_reach(units, scale) / NORMAL
    return float(known.std(ddof=1))


def _compute_reach(units: int, scale: float) -> float:
    return scale * float(1 - TAIL ** (1 / units) if units > 1 else 1.0)


def _is_uninformed(known: NDArray[np.float64]) -> bool:
    return known.size < 2 or bool(np.ptp(known) <= CLOSE)


def compute_p_value(permuted: NDArray[np.float64], difference: float) -> float:
    """Compute the two-sided p: the share of permutations, the identity among them, that differ at least as much."""
    known = permuted[~np.isnan(permuted)]
    return float((1 + np.count_nonzero(np.abs(known) >= abs(difference) - CLOSE)) / (1 + known.size))


def adjust_p_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values [K] so that calling those up to q significant has a false discovery rate of at most q.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", 1995.
    """
    order = np.argsort(p)[::-1]
    raw = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(raw))
    return adjusted


def _exchange_units(value: MetricBySeed, own: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute second minus first by seed, [R, S], where ``own`` [R, U] is 0 for the units that are exchanged."""
    size = max(1, BLOCK // (4 * own.shape[1]))
    parts = []
    for block in (own[start : start + size] for start in range(0, len(own), size)):
        left = 1 - block
        parts.append(value(np.concatenate([left, block], axis=1)) - value(np.concatenate([block, left], axis=1)))
    return np.concatenate(parts)


def _draw_flips(units: int, count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield blocks [r, units] of 0 and 1 from a raw stream of PCG64, the same on every machine, not the resamples'."""
    bits = np.random.PCG64([seed, 1])
    size = max(1, BLOCK // units)
    for start in range(0, count, size):
        r = min(size, count - start)
        yield (bits.random_raw(r * units) >> np.uint64(63)).astype(np.int64).reshape(r, units)
