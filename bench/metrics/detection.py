"""What the scores of targets and non-targets say at every threshold: EER, detection cost, Cllr, DET points.

Conventions: ``labels`` [n] are 1 for targets, which are to be accepted, and 0 for the rest; ``scores`` [n] are higher
for "accept". Equal scores pass a threshold together, so nothing depends on the order of trials. Operating points run
from the threshold above every score, where all targets are missed, to the one below, where all are accepted.

- EER: where misses and false alarms are equally frequent, see ``bench.metrics.verification``.
- minDCF(p) = min over thresholds of [p P_miss + (1 - p) P_fa] / min(p, 1 - p), p the prior of a target; both errors
  cost 1. At most 1: saying always or never the same.
- Cllr = 1 / (2 ln 2) [mean over targets of ln(1 + exp(-s)) + mean over non-targets of ln(1 + exp(s))]: what scores cost
  that are taken for natural log-likelihood ratios, in bits; 1 is what saying nothing costs.
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
FLOOR = 5000  # trials: with fewer, minDCF is noise
UNLIKE = 0.25  # minDCF above what normal scores of the same EER have


@dataclass(frozen=True, slots=True)
class Ranking:
    """Trials by falling score; ``last`` are the places of the last trials of the K groups of equal scores."""

    accept: NDArray[np.bool_]  # [n] whether a target
    scores: Floats  # [n]
    last: NDArray[np.int64]  # [K]
    order: NDArray[np.int64]  # [n] where each was before

    @property
    def targets(self) -> int:
        return int(np.count_nonzero(self.accept))

    def part(self, wanted: NDArray[np.bool_]) -> Ranking:
        """The ranking of the trials that are ``wanted`` [n], told in the order of the ranking."""
        return _build_ranking(self.accept[wanted], self.scores[wanted], self.order[wanted])

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Targets and non-targets at or above each of the K + 1 thresholds, the first of which is above all."""
        hits = np.pad(np.cumsum(self.accept, dtype=np.int64)[self.last], (1, 0))
        return hits, np.pad(self.last + 1, (1, 0)) - hits


def rank_trials(labels: Labels, scores: Floats) -> Ranking:
    """Sort trials. Raises DataError for labels but 0 and 1 or only one of them, scores not finite, unequal lengths."""
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
    """The equal error rate."""
    return float(compute_crossing(*ranking.counts()))


def compute_crossing(hits: NDArray[np.int64], alarms: NDArray[np.int64]) -> float:
    """The EER of counts [K + 1] at falling thresholds, of the first of which both are 0 and the last all."""
    ones, zeros = int(hits[-1]), int(alarms[-1])
    surplus = alarms * ones - (ones - hits) * zeros  # (false alarms - misses) x ones x zeros: whole, so exact
    after = int(np.argmax(surplus >= 0))
    low, high = int(surplus[after - 1]), int(surplus[after])
    share = -low / (high - low)
    return float((alarms[after - 1] + share * (alarms[after] - alarms[after - 1])) / zeros)


def compute_min_dcf(ranking: Ranking, prior: float) -> float:
    """The normalised detection cost at the best threshold. Raises DataError for a prior that is no probability."""
    if not 0 < prior < 1:
        raise DataError("no prior", got=prior, expected="0 < prior < 1", where=WHERE)
    misses, alarms = compute_det(ranking)
    return float((prior * misses + (1 - prior) * alarms).min() / min(prior, 1 - prior))


def compute_det(ranking: Ranking, most: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Miss and false alarm rates [K + 1] from the highest threshold to the lowest; ``most`` of them, evenly by rank."""
    hits, alarms = ranking.counts()
    misses, false = 1 - hits / hits[-1], alarms / alarms[-1]
    if most is None or len(misses) <= most:
        return misses, false
    kept = np.linspace(0, len(misses) - 1, most).round().astype(np.int64)
    return misses[kept], false[kept]


def compute_cllr(ranking: Ranking) -> float:
    """The cost of the scores as natural log-likelihood ratios, in bits."""
    scores = ranking.scores.astype(np.float64)
    targets, others = scores[ranking.accept], scores[~ranking.accept]
    return float((np.logaddexp(0, -targets).mean() + np.logaddexp(0, others).mean()) / (2 * np.log(2)))


def compute_min_cllr(ranking: Ranking) -> float:
    """Cllr after the best calibration that keeps the order of the scores."""
    from scipy.optimize import isotonic_regression

    hits, alarms = (np.diff(counts)[::-1].astype(np.float64) for counts in ranking.counts())  # by rising score
    share = isotonic_regression(hits / (hits + alarms), weights=hits + alarms).x
    odds = hits.sum() / alarms.sum()
    some, rest = hits > 0, alarms > 0  # a share of 0 has no target and one of 1 no other
    miss = hits[some] @ np.log1p((1 - share[some]) / share[some] * odds) / hits.sum()
    false = alarms[rest] @ np.log1p(share[rest] / (1 - share[rest]) / odds) / alarms.sum()
    return float((miss + false) / (2 * np.log(2)))


def compute_expected_min_dcf(rate: float, prior: float) -> float:
    """minDCF where targets and non-targets have normal scores of one variance and the EER ``rate``."""
    from scipy.special import log_ndtr, ndtr, ndtri

    if not 0 < rate < 0.5:
        return float(rate >= 0.5)
    apart = -2 * ndtri(rate)
    threshold = np.log((1 - prior) / prior) / apart + apart / 2  # where the log-likelihood ratio is that of the prior
    cost = prior * ndtr(threshold - apart) + (1 - prior) * np.exp(log_ndtr(-threshold))
    return float(min(1.0, cost / min(prior, 1 - prior)))


def is_cost_implausible(rate: float, cost: float, prior: float, n: int) -> bool:
    """Whether minDCF and EER of ``n`` trials do not fit one another: the cost is far above that of normal scores.

    A few non-targets that are targets in truth do this, as does a heavy tail of non-target scores.
    """
    return n >= FLOOR and cost > compute_expected_min_dcf(rate, prior) + UNLIKE
