"""Multi-label classification: mean average precision (mAP).

Conventions: ``targets`` k-hot [N, C], ``predictions`` float scores [N, C] of which only the order within a class
counts; the value is a fraction in [0, 1], higher is better.

- Average precision of a class: the sum over thresholds of (increase of recall) x precision, without interpolation.
  Clips with equal scores fall under one threshold, so their order never matters and constant scores give exactly the
  class's share of clips.
- mAP: the unweighted mean over the classes that have a positive clip. A class without one has no average precision:
  it is left out, where scikit-learn, and X-ARES with it, counts it as 0. In a bootstrap the classes of each resample
  count.
- Chance: the expectation for a random order, which in small test sets is well above the share of positives:
  (H + (N - H) (P - 1) / (N - 1)) / N for P positives of N clips, H = 1 + 1/2 + ... + 1/N.

Sources: scikit-learn's ``average_precision_score``; the expectation is derived in Bestgen, "Exact expected average
precision of the random baseline for system evaluation", Prague Bulletin of Mathematical Linguistics 103, 2015.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.metrics.k_hot import check_k_hot, check_scores, check_shapes
from bench.types import DataError, Metric, Weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

NAN = float("nan")
WHERE = "mean average precision"
BLOCK = 1 << 22  # numbers held at a time: 32 MiB


def weight_average_precisions(targets: Targets, predictions: Predictions) -> WeightedMetric:
    """Return the average precision of each class as a function of clip weights [R, N]: [R, C], NaN without a positive.

    Scores are sorted here, once. Precision at a positive needs the number of clips ranked before it: a sparse matrix
    product counts those between one positive and the next for many resamples at a time. Raises DataError for targets
    that are not k-hot, scores that are not finite and unequal shapes.
    """
    check_k_hot("targets", targets, WHERE)
    check_shapes(targets, predictions, WHERE)
    check_scores(predictions, WHERE)
    n, n_classes = targets.shape
    order = np.argsort(-predictions.T, axis=1, kind="stable")  # [C, N], best first
    ranked = np.take_along_axis(predictions.T, order, axis=1)
    is_last = np.ones((n_classes, n), dtype=bool)  # of its threshold
    is_last[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    lasts = np.where(is_last, np.arange(n), n)
    lasts = np.minimum.accumulate(lasts[:, ::-1], axis=1)[:, ::-1]
    # Precision matters at positives only. They are P (class, place) pairs, sorted; ``hits_until`` counts in that list.
    classes, places = np.nonzero(np.take_along_axis(targets.T, order, axis=1))
    n_positives = len(classes)
    lasts = lasts[classes, places]
    before = _count_between(order, classes * n + lasts)
    hits_until = np.searchsorted(classes * n + places, classes * n + lasts, side="right")
    first = np.searchsorted(classes, np.arange(n_classes))
    clips = order[classes, places]

    def weighted(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        values = np.full((len(weights), n_classes), np.nan)
        size = max(1, BLOCK // max(1, n_positives))
        for start in range(0, len(weights), size):
            block = weights[start : start + size]
            # [P + 1, r]: how many clips stand up to each positive, counting on from one class to the next
            until = np.zeros((n_positives + 1, len(block)))
            np.cumsum(before @ block.T.astype(np.float32), axis=0, dtype=np.float64, out=until[1:])
            seen = (until[1:] - until[first[classes]]).T
            for row, counts in enumerate(block, start):
                own = counts[clips].astype(np.float64)
                hits = np.concatenate([[0.0], np.cumsum(own)])
                precision = (hits[hits_until] - hits[first[classes]]) / np.maximum(seen[row - start], 1)
                positives = np.bincount(classes, weights=own, minlength=n_classes)
                sums = np.bincount(classes, weights=own * precision, minlength=n_classes)
                np.divide(sums, positives, out=values[row], where=positives > 0)
        return values

    return weighted


def _count_between(order: NDArray[np.int64], lasts: NDArray[np.int64]) -> Any:
    """Return a sparse [P, N]: 1 for the clips of a class after the previous positive, up to this one and its ties.

    ``order`` [C, N]: clips, best first; ``lasts`` [P]: class * N + place, ascending.
    """
    from scipy.sparse import csr_array

    n_classes, n = order.shape
    rows = np.searchsorted(lasts, np.arange(n_classes * n), side="left")
    known = rows < len(lasts)
    known[known] = lasts[rows[known]] // n == np.flatnonzero(known) // n  # clips after the last positive do not count
    ones = np.ones(np.count_nonzero(known), dtype=np.float32)
    return csr_array((ones, (rows[known], order.ravel()[known])), shape=(len(lasts), n))


def weight_mean_average_precision(targets: Targets, predictions: Predictions, absent: float = NAN) -> WeightedMetric:
    """Return mAP as a function of clip weights [R, N]: [R], NaN where no class has a positive.

    A class without a positive is left out, or counts as ``absent`` where that is a number. Raises as
    ``weight_average_precisions`` does.
    """
    by_class = weight_average_precisions(targets, predictions)

    def weighted(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        values = by_class(weights)
        defined = (~np.isnan(values)).any(axis=1)
        values = np.where(np.isnan(values), absent, values)
        present = ~np.isnan(values)
        sums = np.where(present, values, 0.0).sum(axis=1)
        # A mean of ones may come out a rounding above 1.
        return np.where(defined, np.minimum(1.0, sums / np.maximum(present.sum(axis=1), 1)), np.nan)

    return weighted


def compute_mean_average_precision(targets: Targets, predictions: Predictions, absent: float = NAN) -> float:
    """Return the mean average precision of the classes with a positive clip.

    Args:
        targets: k-hot [N, C].
        predictions: float scores [N, C].
        absent: average precision of a class without a positive; NaN leaves it out.

    Raises:
        DataError: for targets that are not k-hot or without any positive, scores that are not finite, unequal shapes.

    >>> targets = np.array([[1, 0], [0, 1], [1, 1]])
    >>> compute_mean_average_precision(targets, np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.9]]))
    1.0
    """
    weighted = weight_mean_average_precision(targets, predictions, absent)
    _check_positive(targets)
    return float(weighted(np.ones((1, len(targets)), dtype=np.int64))[0])


def compute_random_order_chance(targets: Targets, n_classes: int, absent: float = NAN) -> float:
    """Return the expected mAP of scores without information: a random order of the clips, without ties.

    Source: Bestgen, 2015. ``absent`` as in ``compute_mean_average_precision``.

    Raises:
        DataError: for targets that are not k-hot [N, ``n_classes``] or without any positive.

    >>> compute_random_order_chance(np.array([[1], [0]]), n_classes=1)  # AP 1 or 1/2
    0.75
    """
    check_k_hot("targets", targets, WHERE)
    if targets.shape[1] != n_classes:
        raise DataError("targets do not fit", got=f"{targets.shape[1]} classes", expected=n_classes, where=WHERE)
    _check_positive(targets)
    n = len(targets)
    positives = targets.sum(axis=0, dtype=np.float64)
    positives = positives[positives > 0]
    harmonic = float((1.0 / np.arange(1, n + 1)).sum())
    expected = (harmonic + (n - harmonic) * (positives - 1) / max(n - 1, 1)) / n
    if np.isnan(absent):
        return float(expected.mean())
    return float((expected.sum() + absent * (n_classes - len(expected))) / n_classes)


def _check_positive(targets: Targets) -> None:
    if not targets.any():
        got = f"none in {len(targets)} clips"
        raise DataError("no class has a positive clip", got=got, expected="at least one", where=WHERE)


mean_average_precision = Metric(
    name="mAP",
    compute=compute_mean_average_precision,
    chance=compute_random_order_chance,
    resampling=Weighted(weight_mean_average_precision, centred=True),  # a repeated positive raises precision
    xares=Metric(
        name="mAP",
        compute=functools.partial(compute_mean_average_precision, absent=0.0),
        chance=functools.partial(compute_random_order_chance, absent=0.0),
        resampling=Weighted(functools.partial(weight_mean_average_precision, absent=0.0), centred=True),
    ),
)
