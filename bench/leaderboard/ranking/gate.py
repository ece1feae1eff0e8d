"""Is an encoder worse than a baseline by more than is allowed? Decided on the same clips, with few false alarms.

A drop is what the candidate lost of the normalized score M, or of the summary S; positive is worse. For each row the
hypothesis "the true drop is at most ``max_drop``" is tested, one-sided: t = (drop - max_drop) / error. The error is
that of other test clips (clustered bootstrap of the paired difference) and of other probe seeds; the degrees of freedom
are Satterthwaite's, of clusters less one and seeds less one. All tests of a family, tasks or summaries, share its alpha
evenly (Bonferroni), so that a row is decided without waiting for the others and the chance that a suite without a
forbidden drop fails is at most alpha.

Sources: Satterthwaite, "An approximate distribution of estimates of variance components", 1946; Dunn, "Multiple
comparisons among means", 1961; the bootstrap is ``bench.scoring.paired``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.files.metric_names import OwnMetrics
from bench.leaderboard.files.sources import Source
from bench.leaderboard.ranking.comparison import compute_scale, pair_rows
from bench.scoring.paired import PairedDifference, compute_seed_variance, compute_standard_error
from bench.types import Score

GATES = ("tasks", "summary", "both")
PASSED, REGRESSION, UNDETECTABLE = "passed", "regression", "undetectable"
MISSING, INCOMPARABLE = "missing", "incomparable"
FAILING = (REGRESSION, MISSING, INCOMPARABLE)
SUMMARY = "S"  # what stands for the task in a verdict on a summary
POWER, SURE = 0.8, 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed: ``max_drop`` of a normalized score, and how likely a suite may fail without having lost more."""

    max_drop: float = 0.01
    alpha: float = 0.05
    gate: str = "both"  # one of GATES

    @property
    def family(self) -> float:
        """The alpha of one family."""
        return self.alpha / 2 if self.gate == "both" else self.alpha

    @property
    def tasks(self) -> bool:
        return self.gate in ("tasks", "both")

    @property
    def summary(self) -> bool:
        return self.gate in ("summary", "both")


@dataclass(frozen=True, slots=True)
class Drop:
    """What a candidate lost, in normalized units."""

    value: float
    error: float  # standard error
    freedom: float  # degrees of freedom of ``error``
    equal: bool = False  # every clip counts alike for both


@dataclass(frozen=True, slots=True)
class Evidence:
    """One row of both sides."""

    base: Score
    score: Score
    paired: PairedDifference
    own_metrics: OwnMetrics = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """The change of the normalized score with the metric; negative where less is better."""
        return compute_scale(self.base, self.own_metrics)

    @property
    def drop(self) -> Drop:
        scale, own = abs(self.scale), self.paired
        clips = (
            scale * compute_standard_error(own.resampled, own.units, 1 / scale) * _compute_correction(own.units)
        ) ** 2
        seeds, known = compute_seed_variance([(scale, own.seeds)])
        freedom = _combine_degrees_of_freedom([(clips, own.units - 1), (seeds, known)])
        return Drop(-own.difference * self.scale, (clips + seeds) ** 0.5, freedom, own.equal)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of a row or, with task ``S``, of a summary; None where nothing could be compared."""

    task: str
    encoder: str
    against: str  # the baseline's encoder
    probe: str
    status: str
    drop: float | None = None
    ci95: tuple[float, float] | None = None
    p: float | None = None
    level: float | None = None  # p up to which it is a regression
    detectable: float | None = None  # smallest true drop that is found with power 0.8
    note: str = ""

    @property
    def fails(self) -> bool:
        return self.status in FAILING

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def said(self, limits: Limits) -> str:
        """One line, without the names."""
        if self.drop is None or self.ci95 is None:
            return f"{self.status}: {self.note}"
        lost = f"lost {self.drop:.3f} [{self.ci95[0]:.3f}, {self.ci95[1]:.3f}] against {self.against}"
        note = f", {self.note}" if self.note else ""
        if self.status == UNDETECTABLE:
            return f"cannot detect less than {self.detectable:.3f}: {lost}, allowed {limits.max_drop:g}{note}"
        return f"{self.status}: {lost}, allowed {limits.max_drop:g}, p {self.p:.2g}, limit {self.level:.2g}{note}"


def pair_evidence(first: Source, base: Score, second: Source, score: Score) -> Evidence:
    """Pair a row with its baseline.

    Raises:
        DataError: another task version, metric, data or other clips.
    """
    paired = pair_rows(first, base, second, score, resamples=RESAMPLES, flips=0)
    return Evidence(base, score, paired, first.own_metrics or second.own_metrics)


def judge_drop(drop: Drop, limits: Limits, tests: int) -> dict[str, Any]:
    """Compute status and numbers of one of ``tests`` tests of a family, as fields of a Verdict."""
    from scipy.stats import t

    level = limits.family / max(1, tests)
    if drop.equal:
        return {
            **{"status": PASSED, "drop": 0.0, "ci95": (0.0, 0.0), "p": 1.0, "level": level},
            "note": "every clip counts alike for both",
        }
    p = float(t.sf((drop.value - limits.max_drop) / drop.error, drop.freedom))
    reach = float(t.ppf(0.975, drop.freedom)) * drop.error
    bound = drop.value + float(t.ppf(SURE, drop.freedom)) * drop.error
    found = limits.max_drop + float(t.isf(level, drop.freedom) + t.ppf(POWER, drop.freedom)) * drop.error
    status = REGRESSION if p <= level else PASSED if bound <= limits.max_drop else UNDETECTABLE
    return {
        **{"status": status, "drop": drop.value, "ci95": (drop.value - reach, drop.value + reach), "p": p},
        **{"level": level, "detectable": min(1.0, found)},
    }


def judge_row(own: Evidence, limits: Limits, tests: int) -> Verdict:
    """Judge one row."""
    return Verdict(*_get_names(own), **judge_drop(own.drop, limits, tests))


def judge_summary(rows: Sequence[Evidence], limits: Limits, tests: int, lacking: int = 0) -> Verdict:
    """Judge S over ``rows`` of one encoder and probe, weighted as S is; plainly where none has a weight.

    Args:
        rows: the paired rows.
        limits: what is allowed.
        tests: how many tests share the family's alpha.
        lacking: how many tasks of the baseline are not among ``rows``.
    """
    _, encoder, against, probe = _get_names(rows[0])
    note = f"over {len(rows)} tasks" + (f", {lacking} of the baseline's not in this run" if lacking else "")
    found = judge_drop(combine_drops(rows), limits, tests)
    return Verdict(SUMMARY, encoder, against, probe, **{**found, "note": note})


def combine_drops(rows: Sequence[Evidence]) -> Drop:
    """Combine drops into that of S. Tasks on the same audio were resampled alike, so their spread is shared."""
    weights = np.array([row.base.weight for row in rows])
    weights = weights / weights.sum() if weights.sum() else np.full(len(rows), 1 / len(rows))
    drops = [row.drop for row in rows]
    scales = np.array([row.scale for row in rows])
    resampled: NDArray[np.float64] = (weights * scales) @ np.stack([row.paired.resampled for row in rows])
    units = max(1, int(1 / float(weights**2 @ np.array([1 / row.paired.units for row in rows]))))
    joint = (compute_standard_error(resampled, units, 1.0) * _compute_correction(units)) ** 2
    factors = [(float(w * s), row.paired) for w, s, row in zip(weights, scales, rows, strict=True)]
    seeds, known = compute_seed_variance([(factor, own.seeds) for factor, own in factors])
    clips = [(factor * float(np.nanstd(own.resampled))) ** 2 for factor, own in factors]
    whole = sum(clips) or 1.0
    parts = [(joint * own / whole, float(row.paired.units - 1)) for own, row in zip(clips, rows, strict=True)]
    error, parts = (joint + seeds) ** 0.5, [*parts, (seeds, known)]
    value = float(weights @ np.array([drop.value for drop in drops]))
    return Drop(value, error, _combine_degrees_of_freedom(parts), all(drop.equal for drop in drops))


def _get_names(own: Evidence) -> tuple[str, str, str, str]:
    return own.score.task, own.score.encoder, own.base.encoder, own.score.probe


def _compute_correction(units: int) -> float:
    """Compute the correction of a bootstrap of U units, which sees (U - 1) / U of the variance."""
    return float((units / (units - 1)) ** 0.5) if units > 1 else 1.0


def _combine_degrees_of_freedom(parts: Sequence[tuple[float, float]]) -> float:
    """Compute Satterthwaite's degrees of freedom of a sum of variances; at least 1."""
    below = sum(own**2 / max(1, freedom) for own, freedom in parts)
    return max(1.0, sum(own for own, _ in parts) ** 2 / below) if below else 1.0
