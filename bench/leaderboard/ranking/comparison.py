"""Two leaderboards, or two encoders of one, row by row on the same clips, and what that says of the summary S."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.files.metric_names import NO_METRICS, OwnMetrics, find_metric
from bench.leaderboard.files.sources import Source, read_pairable_answers
from bench.leaderboard.files.verify import TOLERANCE
from bench.scoring.measure import compute_by_fold
from bench.scoring.paired import (
    FLIPS,
    RESAMPLES,
    PairedDifference,
    adjust_p_values,
    compute_p_value,
    compute_paired_difference,
    compute_spread,
)
from bench.types import ChoiceError, DataError, Score

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One task and probe that both sides have."""

    first: Score
    second: Score
    paired: PairedDifference
    adjusted: float  # p, Benjamini-Hochberg over all rows
    scale: float  # see ``compute_scale``
    gain: float  # the difference as normalized: positive is better, whichever way the metric goes

    @property
    def verdict(self) -> str:
        return "tie" if self.adjusted > ALPHA or self.gain == 0 else "win" if self.gain > 0 else "loss"


@dataclass(frozen=True, slots=True)
class SummaryDifference:
    """The difference of S over the public tasks that both sides have under one probe, in normalized units."""

    probe: str
    tasks: int
    lacking: int  # tasks of the suite under this probe that one side or both have no score for
    difference: float
    ci95: tuple[float, float]
    p: float
    detectable: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Second minus first."""

    encoders: tuple[str, str]
    rows: tuple[ComparedRow, ...]
    summaries: tuple[SummaryDifference, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]  # "task, probe" that one side has


def compare_encoders(
    first: Source, second: Source, encoders: tuple[str | None, str | None] = (None, None), resamples: int = RESAMPLES
) -> Comparison:
    """Compare one encoder of each side.

    Args:
        first: the side that is subtracted.
        second: the other side.
        encoders: which encoder of each side; None for the only one.
        resamples: of the bootstrap.

    Raises:
        DataError: boards, tasks, data or clips do not compare.
        ChoiceError: a side has several encoders, or not the one that is named.
    """
    for what in ("suite", "protocol"):
        _check_equal(what, getattr(first.board, what), getattr(second.board, what), str(second.path))
    names = _choose_encoder(first, encoders[0]), _choose_encoder(second, encoders[1])
    sides = [
        {(score.task, score.probe): score for score in source.board.scores if score.encoder == name}
        for source, name in zip((first, second), names, strict=True)
    ]
    both = sorted(sides[0].keys() & sides[1].keys())
    if not both:
        raise DataError("nothing to compare", got="no common row", expected="one task and probe", where=second.path)
    found = [pair_rows(first, sides[0][at], second, sides[1][at], resamples=resamples) for at in both]
    adjusted = adjust_p_values(np.array([own.p for own in found])).tolist()
    scales = [compute_scale(sides[0][at], first.own_metrics or second.own_metrics) for at in both]
    rows = tuple(
        ComparedRow(sides[0][at], sides[1][at], own, q, scale, own.difference * scale)
        for at, own, q, scale in zip(both, found, adjusted, scales, strict=True)
    )
    only = [tuple(", ".join(at) for at in sorted(a.keys() - b.keys())) for a, b in (sides, sides[::-1])]
    return Comparison(names, rows, _compare_summaries(first, second, names, rows), (only[0], only[1]))


def pair_rows(
    first: Source, one: Score, second: Source, other: Score, *, resamples: int = RESAMPLES, flips: int = FLIPS
) -> PairedDifference:
    """Compare the answers of two rows of one task and probe.

    Raises:
        DataError: another task version, metric or data, or answers that are not the rows'.
    """
    where = f"{one.task}, {one.probe}"
    for what in ("version", "metric"):
        _check_equal(f"{what} of the task", getattr(one, what), getattr(other, what), where)
    _check_equal("data (sha256)", one.data.sha256, other.data.sha256, where)
    metric = find_metric(one, first.own_metrics or second.own_metrics)
    answers = []
    for source, score in ((first, one), (second, other)):
        own = read_pairable_answers(source, score)
        value = np.mean([compute_by_fold(metric, own.targets, row, own.folds).mean() for row in own.predictions])
        if abs(value - score.value) > TOLERANCE:
            expected = f"{score.value} as in the row (see verify)"
            raise DataError("predictions of another row", got=value, expected=expected, where=f"{source.path}, {where}")
        answers.append(own)
    # Tasks on the same clips are resampled alike, others independently: their differences add up in the summary.
    seed = int(hashlib.sha256(one.data.sha256.encode()).hexdigest()[:8], 16)
    return compute_paired_difference(
        metric, answers[0], answers[1], where=where, seed=seed, resamples=resamples, flips=flips
    )


def _compare_summaries(
    first: Source, second: Source, names: tuple[str, str], rows: Sequence[ComparedRow]
) -> tuple[SummaryDifference, ...]:
    public = [row for row in rows if not row.first.private]
    covered: dict[str, int] = {}
    for source, name in zip((first, second), names, strict=True):
        for own in source.board.summaries:
            if own["encoder"] == name:
                covered[own["probe"]] = max(covered.get(own["probe"], 0), own["tasks"])
    by_probe: Mapping[str, list[ComparedRow]] = {
        probe: [row for row in public if row.first.probe == probe] for probe in sorted({r.first.probe for r in public})
    }
    return tuple(_compare_summary(probe, own, covered.get(probe, len(own))) for probe, own in by_probe.items())


def _compare_summary(probe: str, rows: Sequence[ComparedRow], covered: int) -> SummaryDifference:
    """Compare S, weighted as S is; plainly where no task has a weight."""
    weights = np.array([row.first.weight for row in rows])
    weights = weights / weights.sum() if weights.sum() else np.full(len(rows), 1 / len(rows))

    def total(each: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(weights @ np.stack(each))

    resampled = total([row.paired.resampled * row.scale for row in rows])
    permuted = total([row.paired.permuted * row.scale for row in rows])
    difference = float(weights @ np.array([row.gain for row in rows]))
    units = 1 / float(weights**2 @ np.array([1 / row.paired.units for row in rows]))  # as if all had equal weight
    ci95, detectable = compute_spread(resampled, difference, max(1, int(units)), 1.0)
    p = compute_p_value(permuted, difference)
    return SummaryDifference(probe, len(rows), max(0, covered - len(rows)), difference, ci95, p, detectable)


def compute_scale(score: Score, own_metrics: OwnMetrics = NO_METRICS) -> float:
    """Compute the change of the normalized score per unit of the metric; negative where less is better."""
    metric = find_metric(score, own_metrics)
    return 1 / (metric.best - metric.worst)


def _choose_encoder(source: Source, name: str | None) -> str:
    known = sorted({score.encoder for score in source.board.scores})
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        got = "several encoders, none named" if name is None else repr(name)
        raise ChoiceError("which encoder", got=got, expected=" or ".join(known) or "any scores", where=source.path)
    return name


def _check_equal(what: str, one: object, other: object, where: str) -> None:
    if one != other:
        raise DataError(f"{what} differs: no comparison", got=other, expected=one, where=where)
