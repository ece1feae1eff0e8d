"""Detection with one score per trial, at every threshold: EER, detection cost, Cllr, DET points.

Conventions: ``labels`` [n] are 1 for targets, which are to be accepted, and 0 for the rest; ``scores`` [n] are higher
for "accept". Equal scores pass a threshold together, so nothing depends on the order of trials. Operating points run
from the threshold above every score, where all targets are missed, to the one below, where all are accepted.

- EER: where misses and false alarms are equally frequent, see ``bench.metrics.verification``.
- minDCF(p) = min over thresholds of [p P_miss + (1 - p) P_fa] / min(p, 1 - p), p the prior of a target; both errors
  cost 1. At most 1, the cost of accepting all trials or none.
- Cllr = 1 / (2 ln 2) [mean over targets of ln(1 + exp(-s)) + mean over non-targets of ln(1 + exp(s))]: the cost, in
  bits, of scores as natural log-likelihood ratios; scores of 0 cost 1.
- minCllr: Cllr after the best non-decreasing map of the scores, found by pooling adjacent violators.

Sources: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997; NIST, "Speaker
recognition evaluation plan", 2016 (normalised cost); Brümmer and du Preez, "Application-independent evaluation of
speaker detection", Computer Speech and Language 2006 (Cllr).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.k_hot import check_scores, check_shapes
from bench.types import DataError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Labels = NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.bool_]

WHERE = "detection"
FEWEST_TRIALS = 5000  # with fewer, minDCF is noise
MOST_EXCESS = 0.25  # of minDCF, above that of normal scores with the same EER


@dataclass(frozen=True, slots=True)
class Ranking:
    """Trials by falling score; ``last`` are the indices of the last trials of the K groups of equal scores."""

    accept: NDArray[np.bool_]  # [n] whether a target
    scores: Floats  # [n]
    last: NDArray[np.int64]  # [K]
    order: NDArray[np.int64]  # [n] index of each before sorting

    @property
    def targets(self) -> int:
        """Number of targets."""
        return int(np.count_nonzero(self.accept))

    def select(self, members: NDArray[np.bool_]) -> Ranking:
        """Return the ranking of the ``members`` [n], a mask in the order of the ranking."""
        return _build_ranking(self.accept[members], self.scores[members], self.order[members])

    def count(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count targets and non-targets at or above each of the K + 1 thresholds, the first of which is above all."""
        hits = np.pad(np.cumsum(self.accept, dtype=np.int64)[self.last], (1, 0))
        return hits, np.pad(self.last + 1, (1, 0)) - hits


def rank_trials(labels: Labels, scores: Floats) -> Ranking:
    """Sort trials by falling score.

    Args:
        labels: 1 for targets and 0 for non-targets, [n].
        scores: floats [n], higher for "accept".

    Raises:
        DataError: for labels other than 0 and 1 or one of them only, scores that are not finite, unequal lengths.

    >>> ranking = rank_trials(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    >>> ranking.order.tolist(), ranking.targets
    ([0, 1, 2, 3], 2)
    """
    check_shapes(labels, scores, WHERE)
    check_scores(scores, WHERE)
    if labels.ndim != 1 or not ((labels == 0) | (labels == 1)).all():
        got = f"{labels.dtype} {list(labels.shape)}"
        raise DataError("labels of trials", got=got, expected="0 or 1, [n]", where=WHERE)
    targets = int(np.count_nonzero(labels))
    if not 0 < targets < len(labels):
        got = f"{targets} targets of {len(labels)} trials"
        raise DataError("one kind of trial only", got=got, expected="targets and non-targets", where=WHERE)
    order = np.argsort(-scores, kind="stable")
    return _build_ranking(labels[order] == 1, scores[order], order)


def _build_ranking(accept: NDArray[np.bool_], scores: Floats, order: NDArray[np.int64]) -> Ranking:
    return Ranking(accept, scores, np.flatnonzero(np.append(scores[:-1] != scores[1:], True)), order)


def compute_eer(ranking: Ranking) -> float:
    """Return the equal error rate, a fraction in [0, 1], lower is better.

    >>> compute_eer(rank_trials(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])))
    0.5
    """
    return float(compute_crossing(*ranking.count()))


def compute_crossing(hits: NDArray[np.int64], alarms: NDArray[np.int64]) -> float:
    """Return the EER of counts of accepted targets and non-targets [K + 1] at falling thresholds, from none to all."""
    ones, zeros = int(hits[-1]), int(alarms[-1])
    surplus = alarms * ones - (ones - hits) * zeros  # (false alarms - misses) x ones x zeros: whole, so exact
    after = int(np.argmax(surplus >= 0))
    low, high = int(surplus[after - 1]), int(surplus[after])
    share = -low / (high - low)
    return float((alarms[after - 1] + share * (alarms[after] - alarms[after - 1])) / zeros)


def compute_min_dcf(ranking: Ranking, prior: float) -> float:
    """Return the normalised detection cost at the best threshold, in [0, 1]; lower is better.

    Args:
        ranking: trials by falling score.
        prior: assumed probability of a target; both errors cost 1.

    Raises:
        DataError: for a prior outside (0, 1).

    Source: NIST, "Speaker recognition evaluation plan", 2016, normalised cost.

    >>> compute_min_dcf(rank_trials(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])), prior=0.05)
    0.5
    """
    if not 0 < prior < 1:
        raise DataError("no prior", got=prior, expected="0 < prior < 1", where=WHERE)
    misses, alarms = compute_det(ranking)
    return float((prior * misses + (1 - prior) * alarms).min() / min(prior, 1 - prior))


def compute_det(ranking: Ranking, n_points: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return miss and false alarm rates [K + 1] from the highest threshold to the lowest.

    With ``n_points`` at most so many of them, evenly by rank. Source: Martin et al., Eurospeech 1997.

    >>> misses, false_alarms = compute_det(rank_trials(np.array([1, 0]), np.array([0.9, 0.1])))
    >>> misses.tolist(), false_alarms.tolist()
    ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    """
    hits, alarms = ranking.count()
    misses, false = 1 - hits / hits[-1], alarms / alarms[-1]
    if n_points is None or len(misses) <= n_points:
        return misses, false
    kept = np.linspace(0, len(misses) - 1, n_points).round().astype(np.int64)
    return misses[kept], false[kept]


def compute_cllr(ranking: Ranking) -> float:
    """Return the cost of the scores as natural log-likelihood ratios, in bits, 0 or more; lower is better.

    Source: Brümmer and du Preez, 2006.

    >>> compute_cllr(rank_trials(np.array([1, 0]), np.array([0.0, 0.0])))
    1.0
    """
    scores = ranking.scores.astype(np.float64)
    targets, others = scores[ranking.accept], scores[~ranking.accept]
    return float((np.logaddexp(0, -targets).mean() + np.logaddexp(0, others).mean()) / (2 * np.log(2)))


def compute_min_cllr(ranking: Ranking) -> float:
    """Return Cllr after the best calibration that keeps the order of the scores, in bits, in [0, 1].

    Source: Brümmer and du Preez, 2006; the calibration pools adjacent violators.

    >>> compute_min_cllr(rank_trials(np.array([1, 0]), np.array([0.2, 0.1])))
    0.0
    """
    from scipy.optimize import isotonic_regression

    hits, alarms = (np.diff(counts)[::-1].astype(np.float64) for counts in ranking.count())  # by rising score
    share = isotonic_regression(hits / (hits + alarms), weights=hits + alarms).x
    odds = hits.sum() / alarms.sum()
    some, rest = hits > 0, alarms > 0  # a share of 0 has no target and one of 1 no other
    miss = hits[some] @ np.log1p((1 - share[some]) / share[some] * odds) / hits.sum()
    false = alarms[rest] @ np.log1p(share[rest] / (1 - share[rest]) / odds) / alarms.sum()
    return float((miss + false) / (2 * np.log(2)))


def compute_expected_min_dcf(rate: float, prior: float) -> float:
    """Return the minDCF of targets and non-targets with normal scores of one variance and the EER ``rate``."""
    from scipy.special import log_ndtr, ndtr, ndtri

    if not 0 < rate < 0.5:
        return float(rate >= 0.5)
    apart = -2 * ndtri(rate)
    threshold = np.log((1 - prior) / prior) / apart + apart / 2  # where the log-likelihood ratio is that of the prior
    cost = prior * ndtr(threshold - apart) + (1 - prior) * np.exp(log_ndtr(-threshold))
    return float(min(1.0, cost / min(prior, 1 - prior)))


def is_cost_implausible(rate: float, cost: float, prior: float, n: int) -> bool:
    """Return whether minDCF and EER of ``n`` trials do not fit: the cost is far above that of normal scores.

    A few non-targets that are really targets do this, as does a heavy tail of non-target scores.
    """
    return n >= FEWEST_TRIALS and cost > compute_expected_min_dcf(rate, prior) + MOST_EXCESS
