"""Intervals of scores: percentile bootstrap over clips, or over clusters of clips that share a speaker or recording.

The units of resampling are those that were drawn independently: clips, or whole clusters of them. With folds a score
is the unweighted mean of the folds' values; resampling runs over all folds together, so that folds made of a few
clusters each vary too, and a fold that a resample leaves empty is left out of that resample's mean.

Two cases in which every resample looks alike, so that resampling shows nothing:

- one unit only (one clip, one cluster): the interval is the whole range of the metric;
- every unit has the same value, e.g. all clips right: the interval reaches towards the bounds as far as the exact
  binomial (Clopper-Pearson) interval does, which for u of u right is [0.025 ** (1 / u), 1].

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13; Davison and Hinkley,
"Bootstrap Methods and their Application", 1997, section 3.8 (clusters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

TAIL = 0.025  # left out on each side of a 95% interval
BLOCK = 1 << 22  # drawn units held at a time: 32 MiB
WHERE = "bootstrap"


def draw_weights(
    n: int, resamples: int, seed: int, clusters: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of ``n`` clips occurs in each resample: blocks [r, n] whose r add up to ``resamples``.

    ``clusters`` [n] (any values): equal ones are drawn together. The same arguments give the same weights on every
    machine, so that two encoders scored on the same clips can be compared resample by resample. Raises DataError for
    no clips, no resamples or clusters of another length.
    """
    unit = _number_units(n, clusters)
    for counts in _draw_counts(int(unit.max()) + 1, resamples, seed, width=n):
        yield counts[:, unit]


def bootstrap_mean(
    per_clip: NDArray[np.float64],
    *,
    folds: NDArray[np.int64] | None = None,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Compute the 95% interval (low, high) of the mean of ``per_clip`` [N], or of the mean of its fold means.

    ``folds`` and ``clusters`` [N] hold any values, equal for clips that belong together; ``bounds`` are the lowest
    and highest value that the metric can have. The interval contains the estimate and stays within ``bounds``.
    Raises DataError for empty or unequal input and for values that are not finite or outside ``bounds``.
    """
    values = np.asarray(per_clip, dtype=np.float64)
    if values.ndim != 1 or not (np.isfinite(values).all() and bounds[0] <= bounds[1]):
        raise DataError("cannot resample", got=f"{list(values.shape)} {bounds}", expected="finite [N]", where=WHERE)
    unit = _number_units(len(values), clusters)
    if values.min() < bounds[0] or values.max() > bounds[1]:
        got = f"{values.min()} to {values.max()}"
        raise DataError("value out of range", got=got, expected=f"{bounds[0]} to {bounds[1]}", where=WHERE)
    fold = np.zeros(len(values), dtype=np.int64) if folds is None else _number_units(len(values), folds)
    n_units, n_folds = int(unit.max()) + 1, int(fold.max()) + 1
    # A resample's mean needs the sum and the size of each unit in each fold only: [U, F].
    cell, cells = unit * n_folds + fold, n_units * n_folds
    sums = np.bincount(cell, weights=values, minlength=cells).reshape(n_units, n_folds)
    sizes = np.bincount(cell, minlength=cells).reshape(n_units, n_folds).astype(np.float64)
    estimate = float(_average_folds(sums.sum(axis=0), sizes.sum(axis=0)))
    if n_units == 1 or values.min() == values.max():
        return _compute_uninformed_interval(estimate, n_units, bounds)
    blocks = _draw_counts(n_units, resamples, seed, width=n_units)
    means = [_average_folds(counts @ sums, counts @ sizes) for counts in (block.astype(np.float64) for block in blocks)]
    return _compute_percentiles(np.concatenate(means), estimate, bounds)


def bootstrap_weighted(
    values: Sequence[WeightedMetric],
    n: int,
    *,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
    centred: bool = False,
) -> tuple[float, float]:
    """Compute the 95% interval of the mean of ``values``, metrics of ``n`` clips by clip weights: [R, n] -> [R].

    There is one of them for each probe seed and fold. A value that is NaN, because nothing or too little of its fold
    was drawn, is left out of that resample's mean, and a resample without any value is left out. Resamples are those
    of ``bootstrap_mean``; ``centred`` moves their values so that the mean is the estimate, for a metric that repeated
    clips bias. Raises DataError for no values, no clips, clusters of another length, a value outside ``bounds`` and
    one that is NaN with every clip counted once.
    """
    if not values:
        raise DataError("nothing to resample", got="no metric", expected="at least 1", where=WHERE)

    def means(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        each = np.stack([value(weights) for value in values], axis=1)  # [R, S x F]
        defined = ~np.isnan(each)
        count = defined.sum(axis=1)
        return np.where(count > 0, np.where(defined, each, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)

    n_units = int(_number_units(n, clusters).max()) + 1
    whole = np.ones((1, n), dtype=np.int64)
    _check_range(np.concatenate([value(whole) for value in values]), bounds)
    estimate = float(means(whole)[0])
    if n_units == 1:
        return bounds
    drawn = np.concatenate([means(block) for block in draw_weights(n, resamples, seed, clusters)])
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return bounds
    _check_range(drawn, bounds)
    if drawn.min() == drawn.max() == estimate:
        return _compute_uninformed_interval(estimate, n_units, bounds)
    if centred:
        drawn = np.clip(drawn + (estimate - drawn.mean()), *bounds)
    return _compute_percentiles(drawn, estimate, bounds)


def bootstrap_statistic(
    statistic: Callable[[Targets, Predictions], float],
    targets: Targets,
    predictions: Predictions,
    *,
    folds: NDArray[np.int64] | None = None,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
    centred: bool = False,
) -> tuple[float, float]:
    """Compute the 95% interval of any metric: ``statistic(targets, predictions)`` of each resample.

    ``targets`` [N] or [N, C]; ``predictions`` as one seed's, or [S, ...], over whose S rows the statistic is averaged,
    as over folds. Resamples are those of ``bootstrap_mean``. Raises DataError for empty or unequal input and for a
    statistic that is not finite or outside ``bounds``.
    """

    values = split_by_seed_and_fold(repeat_clips(statistic, bounds), targets, predictions, folds)
    return bootstrap_weighted(
        values, len(targets), clusters=clusters, resamples=resamples, seed=seed, bounds=bounds, centred=centred
    )


def repeat_clips(
    statistic: Callable[[Targets, Predictions], float], bounds: tuple[float, float]
) -> Callable[[Targets, Predictions], WeightedMetric]:
    """Return a function that makes any statistic one of clip weights, by repeating each clip as often as it counts.

    The statistic of no clip is NaN. Raises DataError for a statistic that is not finite or outside ``bounds``.
    """

    def prepare(targets: Targets, predictions: Predictions) -> WeightedMetric:
        def evaluate(weights: NDArray[np.int64]) -> NDArray[np.float64]:
            drawn = [np.repeat(np.arange(len(targets)), counts) for counts in weights]
            defined = np.array([statistic(targets[clips], predictions[clips]) for clips in drawn if clips.size])
            _check_range(defined, bounds)
            values = np.full(len(weights), np.nan)
            values[[clips.size > 0 for clips in drawn]] = defined
            return values

        return evaluate

    return prepare


def split_by_seed_and_fold(
    prepare: Callable[[Targets, Predictions], WeightedMetric],
    targets: Targets,
    predictions: Predictions,
    folds: NDArray[np.int64] | None = None,
) -> list[WeightedMetric]:
    """Apply ``prepare`` to each seed and fold, as functions of the weights of all clips.

    Shapes as for ``bootstrap_statistic``. Raises DataError for unequal lengths.
    """
    rows = predictions if predictions.ndim > targets.ndim else predictions[None]
    if len(targets) != rows.shape[1]:
        raise DataError("lengths differ", got=list(rows.shape), expected=[len(rows), *targets.shape], where=WHERE)
    fold = np.zeros(len(targets), dtype=np.int64) if folds is None else _number_units(len(targets), folds)
    members = [np.flatnonzero(fold == value) for value in np.unique(fold)]
    return [_restrict_to_members(prepare(targets[own], row[own]), own) for row in rows for own in members]


def _restrict_to_members(value: WeightedMetric, own: NDArray[np.int64]) -> WeightedMetric:
    return lambda weights: value(weights[:, own])


def _check_range(values: NDArray[np.float64], bounds: tuple[float, float]) -> None:
    outside = ~((values >= bounds[0]) & (values <= bounds[1]))
    if outside.any():
        got = values[outside][0]
        raise DataError("value out of range", got=got, expected=f"{bounds[0]} to {bounds[1]}", where=WHERE)


def _number_units(n: int, labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the indices [n] 0, 1, ... of the distinct labels, or of the clips themselves."""
    if n == 0:
        raise DataError("nothing to resample", got="0 clips", expected="at least 1", where=WHERE)
    if labels is None:
        return np.arange(n)
    if np.shape(labels) != (n,):
        raise DataError("lengths differ", got=list(np.shape(labels)), expected=[n], where=WHERE)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _draw_counts(units: int, resamples: int, seed: int, width: int) -> Iterator[NDArray[np.int64]]:
    """Yield blocks [r, units] of multinomial counts; ``width`` is the row length that the caller makes of them.

    Drawn from PCG64's raw stream, row by row: neither the block size nor numpy's version changes the resamples.
    """
    if resamples < 1:
        raise DataError("no resamples", got=resamples, expected="at least 1", where=WHERE)
    bits = np.random.PCG64(seed)
    block = max(1, BLOCK // max(units, width))
    for start in range(0, resamples, block):
        r = min(block, resamples - start)
        drawn = (bits.random_raw(r * units) % np.uint64(units)).astype(np.int64).reshape(r, units)
        drawn += np.arange(r)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=r * units).reshape(r, units)


def _average_folds(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean [...] of the means of the folds that are not empty, of sums and sizes [..., F]."""
    filled = sizes > 0
    means = np.divide(sums, sizes, out=np.zeros_like(sums), where=filled)
    return np.asarray(means.sum(axis=-1) / filled.sum(axis=-1))


def _compute_uninformed_interval(estimate: float, units: int, bounds: tuple[float, float]) -> tuple[float, float]:
    if units == 1:
        return bounds
    reach = TAIL ** (1 / units)
    return bounds[0] + (estimate - bounds[0]) * reach, bounds[1] - (bounds[1] - estimate) * reach


def _compute_percentiles(
    values: NDArray[np.float64], estimate: float, bounds: tuple[float, float]
) -> tuple[float, float]:
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return max(bounds[0], min(float(low), estimate)), min(bounds[1], max(float(high), estimate))
