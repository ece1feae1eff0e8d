"""Every number of a leaderboard that its predictions determine, computed again and compared.

Not determined by them, and left alone: ``majority`` (it needs the training labels), the ceiling of event tasks (the
encoder's frames), ``rates``, ``weight`` and what describes data and encoder. The names of folds are not in the
predictions either, so their values are compared in order of size; the subsets of trials are, by name; those of hidden
layers, whose predictions are not kept, have to agree with the chosen layer and the row's value.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.evaluation.layer_curve import find_contradiction
from bench.leaderboard.files.metric_names import find_metric
from bench.leaderboard.files.sources import Source, read_answers
from bench.scoring.measure import compute_result
from bench.types import BenchError, Leaderboard, Score

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TOLERANCE = 1e-12  # sums of floats may differ in the last bits between machines


@dataclass(frozen=True, slots=True)
class Difference:
    """One number that is not what the predictions say, or a row that cannot be computed again."""

    where: str
    field: str
    stored: object
    found: object

    def __str__(self) -> str:
        return f"{self.where}: {self.field} is {self.stored}, computed again {self.found}"


def verify_board(source: Source) -> list[Difference]:
    """List what differs in a leaderboard, row by row and then in its summaries; empty when all of it holds."""
    rows = [difference for score in source.board.scores for difference in _verify_row(source, score)]
    return [*rows, *_verify_summaries(source.board)]


def _verify_row(source: Source, score: Score) -> Iterator[Difference]:
    where = f"{score.task}, {score.encoder}, {score.probe}"
    try:
        measured = compute_result(
            find_metric(score, source.own_metrics), read_answers(source, score), score.data.classes, where=score.task
        )
    except BenchError as error:
        yield Difference(where, "predictions", score.predictions, error)
        return
    found = asdict(measured)
    fold_values = sorted(found.pop("fold_values"))
    seeds = len(measured.seed_values)
    if seeds != max(1, len(score.seeds)):
        yield Difference(where, "seeds", list(score.seeds), f"{seeds} of them")
    stored = {name: getattr(score, name) for name in found}
    stored["secondary"] = {name: score.secondary.get(name) for name in found["secondary"]}
    if not score.seeds:
        found["seed_values"] = ()
    folds = [value for name, value in score.subsets.items() if name.startswith("fold ")]
    if folds:
        stored["subsets"], found["subsets"] = sorted(folds), fold_values
    elif found["subsets"]:
        stored["subsets"] = {name: score.subsets.get(name) for name in found["subsets"]}
    else:
        del found["subsets"]
    for name, value in found.items():
        if not is_same(stored[name], value):
            yield Difference(where, name, stored[name], value)
    wrong = find_contradiction(score.value, score.subsets, score.secondary)
    if wrong:
        yield Difference(where, "layers", *wrong)


def _verify_summaries(board: Leaderboard) -> Iterator[Difference]:
    seen = set()
    for stored in board.summaries:
        where = f"summary of {stored['encoder']}, {stored['probe']}"
        if (stored["encoder"], stored["probe"]) in seen:
            yield Difference(where, "row", "twice", "once")
        seen.add((stored["encoder"], stored["probe"]))
        own = [
            score
            for score in board.scores
            if (score.encoder, score.probe) == (stored["encoder"], stored["probe"]) and not score.private
        ]
        for field, value in _recompute_summary(stored, own).items():
            if not is_same(stored[field], value):
                yield Difference(where, field, stored[field], value)
    for encoder, probe in sorted({(score.encoder, score.probe) for score in board.scores if not score.private} - seen):
        yield Difference(f"summary of {encoder}, {probe}", "row", "absent", "present")


def _recompute_summary(stored: Mapping[str, Any], own: Sequence[Score]) -> dict[str, Any]:
    """Compute a summary from rows. The domain of a missing task is unknown: any domain may lack it."""
    scored = {score.task for score in own}
    missing = sorted(set(stored["missing"]) - scored)
    whole = not missing
    weights = [score.weight for score in own]
    domains = {}
    for domain in sorted({*stored["domains"], *(score.domain for score in own)}):
        known = _compute_mean([score.normalized for score in own if score.domain == domain])
        unknown = not whole and stored["domains"].get(domain) is None
        domains[domain] = None if unknown else known
    return {
        "tasks": len(scored) + len(missing),
        "missing": missing,
        "weighted": _compute_mean([score.normalized for score in own], weights) if whole else None,
        "mean": _compute_mean([score.normalized for score in own]) if whole else None,
        "chance_corrected": _compute_mean([score.chance_corrected for score in own]) if whole else None,
        "domains": domains,
    }


def _compute_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float | None:
    weights = [1.0] * len(values) if weights is None else weights
    total = math.fsum(weights)
    return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / total if total else None


def is_same(one: object, other: object) -> bool:
    """Tell whether two plain values are equal, their numbers to ``TOLERANCE``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=0.0, abs_tol=TOLERANCE)
    return one == other
