"""Linear calibration: a score becomes a log-likelihood ratio, a x + b, by logistic regression.

The line minimises Cllr of the calibration trials, i.e. the cross-entropy with equal weights of targets and non-targets.
A small ridge on the slope keeps it finite where scores separate the two. The slope is positive, so that the order of
scores, and with it EER and minDCF, do not change.

Source: Brümmer and du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language
2006; Pigeon, Druyts and Verlinde, "Applying logistic regression to the fusion of the NIST'99 1-speaker submissions",
Digital Signal Processing 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError
from bench.verification.pair_scores import score_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.verification.pair_scores import ScoringParts

MOST_UTTERANCES = 1500  # about a million pairs
RIDGE = 1e-4  # on the slope of standardised scores
LEAST_SLOPE = 1e-3  # of standardised scores
STEPS = 50
WHERE = "calibration"


@dataclass(frozen=True, slots=True)
class CalibrationLine:
    """A linear map from scores to log-likelihood ratios.

    Example:
        >>> CalibrationLine(scale=2.0, offset=-1.0)(np.array([0.5, 1.0], dtype=np.float32)).tolist()
        [0.0, 1.0]
    """

    scale: float
    offset: float

    def __call__(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if (self.scale, self.offset) == (1.0, 0.0):
            return scores
        return (scores.astype(np.float64) * self.scale + self.offset).astype(np.float32)


def fit_calibration(parts: ScoringParts, rows: NDArray[np.int64], speakers: NDArray[np.int64]) -> CalibrationLine:
    """Fit a line to the scores of all pairs of some utterances.

    Args:
        parts: The utterances, ready for scoring.
        rows: [M] utterances to pair; of more than ``MOST_UTTERANCES``, evenly spaced ones are used.
        speakers: [N] speaker of every utterance.

    Raises:
        DataError: There are no pairs of one speaker, or only such.
    """
    rows = rows[np.argsort(speakers[rows], kind="stable")]
    if len(rows) > MOST_UTTERANCES:  # in runs of two, so that target pairs remain
        starts = np.linspace(0, len(rows) - 2, MOST_UTTERANCES // 2).astype(np.int64)
        rows = rows[np.unique([starts, starts + 1])]
    first, second = np.triu_indices(len(rows), k=1)
    same = speakers[rows[first]] == speakers[rows[second]]
    if not same.any() or same.all():
        got = f"{np.count_nonzero(same)} of {len(same)} pairs of one speaker"
        raise DataError("nothing to calibrate on", got=got, expected="some, not all", where=WHERE)
    return fit_line(score_pairs(parts, rows[first].astype(np.int32), rows[second].astype(np.int32)), same)


def fit_line(scores: NDArray[np.float32], same: NDArray[np.bool_]) -> CalibrationLine:
    """Fit a line to scores [n], of which ``same`` [n] are targets, by Newton's method."""
    mean, spread = float(scores.mean(dtype=np.float64)), float(scores.std(dtype=np.float64))
    if spread == 0:
        return CalibrationLine(1.0, -mean)
    x = (scores.astype(np.float64) - mean) / spread
    weight = np.where(same, 0.5 / np.count_nonzero(same), 0.5 / np.count_nonzero(~same))
    slope, offset = 1.0, 0.0
    for _ in range(STEPS):
        p = 0.5 * (1 + np.tanh((slope * x + offset) / 2))
        wrong, curve = weight * (p - same), weight * p * (1 - p)
        gradient = np.array([wrong @ x + RIDGE * slope, wrong.sum()])
        mixed = curve @ x
        hessian = np.array([[curve @ (x * x) + RIDGE, mixed], [mixed, curve.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / float(np.abs(step).max() + 1e-12))  # far from the minimum a full step may overshoot
        slope, offset = slope - float(step[0]), offset - float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    if slope < LEAST_SLOPE:
        slope, offset = LEAST_SLOPE, 0.0
    return CalibrationLine(slope / spread, offset - slope * mean / spread)
