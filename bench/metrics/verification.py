"""Detection with one score per trial: the equal error rate (EER).

Conventions: ``targets`` are integers [N], 1 for what is to be accepted and 0 for the rest; ``predictions`` float
scores [N], higher for "accept". At a threshold, the false rejection rate is the share of 1s below it and the false
acceptance rate the share of 0s at or above it. The EER is where the two are equal: a fraction in [0, 1], lower is
better; 0.5 is guessing and 1 the perfect answer upside down.

Trials with equal scores pass a threshold together. Between two neighbouring thresholds both rates are taken as
linear, i.e. the EER is where the ROC curve, its points joined by straight lines, meets the diagonal of equal errors.
It therefore depends on the order of scores only, not on the order of trials, and constant scores give exactly 0.5.

Source: Brümmer and de Villiers, "The BOSARIS Toolkit", 2013 (without its convex hull).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.detection import compute_eer, rank_trials
from bench.metrics.k_hot import check_scores, check_shapes
from bench.types import DataError, Metric, Weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

WHERE = "equal error rate"


def weight_equal_error_rate(targets: Targets, predictions: Predictions) -> WeightedMetric:
    """Return the EER as a function of trial weights [R, N]: [R], NaN where a resample lacks 0s or 1s.

    Raises DataError for targets that are not 0 or 1, scores that are not finite, unequal lengths and no trials.
    """
    _check_trials(targets, predictions)
    order = np.argsort(-predictions, kind="stable")
    ranked, accept = predictions[order], targets[order] == 1
    last = np.flatnonzero(np.append(ranked[:-1] != ranked[1:], True))  # of its threshold

    def weighted(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = weights[:, order]
        # Column 0 is the threshold above every score. All are whole numbers, so that the crossing is found exactly.
        alarms, hits = (
            np.pad(np.cumsum(np.where(chosen, counts, 0), axis=1)[:, last], ((0, 0), (1, 0)))
            for chosen in (~accept, accept)
        )
        zeros, ones = alarms[:, -1:], hits[:, -1:]
        surplus = alarms * ones - (ones - hits) * zeros  # (false acceptance - false rejection) x zeros x ones
        after = np.argmax(surplus >= 0, axis=1)[:, None]
        before = np.maximum(after - 1, 0)
        low, high = (np.take_along_axis(surplus, at, axis=1) for at in (before, after))
        start, end = (np.take_along_axis(alarms, at, axis=1) for at in (before, after))
        defined = (zeros > 0) & (ones > 0)
        share = -low / np.where(high > low, high - low, 1)
        return np.where(defined, (start + share * (end - start)) / np.maximum(zeros, 1), np.nan)[:, 0]

    return weighted


def compute_equal_error_rate(targets: Targets, predictions: Predictions) -> float:
    """Return the error rate at which false acceptances and false rejections are equally frequent.

    Args:
        targets: integers [N], 1 for trials to be accepted, 0 for the rest.
        predictions: float scores [N], higher for "accept".

    Raises:
        DataError: for targets that are not 0 or 1 or lack one of them, scores that are not finite, unequal lengths and
            no trials.

    >>> compute_equal_error_rate(np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.1]))
    0.5
    """
    _check_trials(targets, predictions)
    return compute_eer(rank_trials(targets, predictions))


def get_even_chance(targets: Targets, n_classes: int) -> float:
    """Return 0.5, the EER of scores without information."""
    return 0.5


def _check_trials(targets: Targets, predictions: Predictions) -> None:
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer) or not np.isin(targets, (0, 1)).all():
        got = f"{targets.dtype} {list(targets.shape)}, {np.unique(targets)[:5]}"
        raise DataError("targets are no trials", got=got, expected="0 or 1, [N]", where=WHERE)
    check_shapes(targets, predictions, WHERE)
    check_scores(predictions, WHERE)
    if len(targets) == 0:
        raise DataError("nothing to score", got="0 trials", expected="at least 1", where=WHERE)


equal_error_rate = Metric(
    name="EER",
    compute=compute_equal_error_rate,
    chance=get_even_chance,
    best=0.0,
    worst=1.0,
    resampling=Weighted(weight_equal_error_rate),
)
