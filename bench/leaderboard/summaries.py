"""From scores to a leaderboard: sorted rows, and summaries that are complete or say what they lack.

Source of the summary S: X-ARES weighs the normalized score M = (m - worst) / (best - worst) of each public task by a
fixed n and takes S = sum n M / sum n, separately for each probe. X-ARES averages over whatever ran; here one missing
task makes the value ``None``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.types import DOMAINS, DataError, Failure, Leaderboard, Score, Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class CoveredTask:
    """A task that a summary covers, as far as leaderboards tell: nothing says the domain of one that never ran."""

    name: str
    domain: str | None


def build_board(
    *,
    suite: str,
    protocol: str,
    scores: Sequence[Score],
    failures: Sequence[Failure],
    encoders: Sequence[Mapping[str, Any]],
    tasks: Sequence[Task],
    private: bool = False,
    leakage: Sequence[Mapping[str, Any]] = (),
) -> Leaderboard:
    """Put rows in a fixed order and summarise them.

    ``encoders`` are the rows that describe encoders, each with a ``name``. ``tasks`` are all tasks of the suite,
    also those that did not run: a summary covers exactly the ones that have its probe, and only public ones unless
    ``private``. Raises DataError for a score of another suite or protocol and for two scores of one row.
    """
    rows: dict[tuple[str, str, str], Score] = {}
    for score in sorted(scores, key=get_row_key):
        got, expected = f"{score.suite}/{score.protocol}", f"{suite}/{protocol}"
        if got != expected:
            raise DataError(
                "scores do not rank together", got=got, expected=expected, where=" ".join(get_row_key(score))
            )
        if get_row_key(score) in rows:
            raise DataError("a row twice", got="2 scores", expected="1", where=" ".join(get_row_key(score)))
        rows[get_row_key(score)] = score
    names = sorted(
        {score.encoder for score in scores} | {failure.encoder for failure in failures} | {e["name"] for e in encoders}
    )
    asked = [task for task in tasks if private or not task.private]
    probes = sorted({probe.name for task in asked for probe in task.probes})
    summaries = [
        summarise_encoder(rows, encoder, probe, _select_tasks(asked, probe)) for encoder in names for probe in probes
    ]
    return Leaderboard(
        schema=SCHEMA,
        suite=suite,
        protocol=protocol,
        scores=tuple(rows.values()),
        failures=tuple(sorted(failures, key=lambda failure: (*get_row_key(failure), failure.error))),
        summaries=tuple(summaries),
        encoders=tuple(sorted(encoders, key=lambda encoder: str(encoder["name"]))),
        leakage=tuple(leakage),
    )


def summarise_encoder(
    rows: Mapping[tuple[str, str, str], Score], encoder: str, probe: str, tasks: Sequence[Task | CoveredTask]
) -> dict[str, Any]:
    """One encoder under one probe: means over ``tasks``, each ``None`` when a task it covers has no score in ``rows``.

    ``rows`` are scores by (task, encoder, probe). A task whose domain is None may be of any domain.
    """
    found = [rows.get((task.name, encoder, probe)) for task in tasks]
    domains = {
        domain: _compute_mean(
            [score for score, task in zip(found, tasks, strict=True) if task.domain in (domain, None)]
        )
        for domain in _order_domains(tasks)
    }
    return {
        "encoder": encoder,
        "probe": probe,
        "tasks": len(tasks),
        "weighted": _compute_mean(found, weighted=True),
        "mean": _compute_mean(found),
        "chance_corrected": _compute_mean(found, field="chance_corrected"),
        "domains": domains,
        "missing": sorted(task.name for task, score in zip(tasks, found, strict=True) if score is None),
    }


def _compute_mean(scores: Sequence[Score | None], *, field: str = "normalized", weighted: bool = False) -> float | None:
    complete = [score for score in scores if score is not None]
    weights = [score.weight if weighted else 1.0 for score in complete]
    if len(complete) < len(scores) or math.fsum(weights) == 0:
        return None
    total = math.fsum(weight * getattr(score, field) for weight, score in zip(weights, complete, strict=True))
    return total / math.fsum(weights)


def _order_domains(tasks: Sequence[Task | CoveredTask]) -> list[str]:
    """Return the domains that occur: those of the bundled tasks in their fixed order, then others by name."""
    occurring = {task.domain for task in tasks if task.domain is not None}
    return [*(domain for domain in DOMAINS if domain in occurring), *sorted(occurring.difference(DOMAINS))]


def _select_tasks(tasks: Sequence[Task], probe: str) -> list[Task]:
    return [task for task in tasks if any(own.name == probe for own in task.probes)]


def get_row_key(row: Score | Failure) -> tuple[str, str, str]:
    return row.task, row.encoder, row.probe
