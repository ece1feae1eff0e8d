"""Header and cells of the tables that Markdown and LaTeX show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.terminal.tables import list_flags

if TYPE_CHECKING:
    from bench.types import Leaderboard


def build_tables(board: Leaderboard) -> list[tuple[list[str], list[list[str]]]]:
    """Build header and cells of summaries, scores and failures."""
    trained_on = {encoder["name"]: encoder["trained_on"] for encoder in board.encoders}
    begun = {(s.encoder, s.probe) for s in board.scores} | {(f.encoder, f.probe) for f in board.failures}
    summaries = [
        [
            own["encoder"],
            own["probe"],
            _format_number(own["weighted"]),
            _format_number(own["mean"]),
            f"{done}/{own['tasks']}",
        ]
        for own in board.summaries
        if (own["encoder"], own["probe"]) in begun
        for done in [own["tasks"] - len(own["missing"])]
    ]
    scores = [
        [
            *(s.task, s.encoder, s.probe, s.metric, _format_number(s.value)),
            f"{s.ci95[0]:.3f} to {s.ci95[1]:.3f}",
            str(s.n),
            note,
        ]
        for s in board.scores
        for note in [", ".join(list_flags(s, trained_on.get(s.encoder, ())))]
    ]
    failures = [[f.task, f.encoder, f.probe, f.error] for f in board.failures]
    return [
        (["summary", "probe", "S", "mean", "tasks"], summaries),
        (["task", "encoder", "probe", "metric", "score", "95% CI", "n", "flags"], scores),
        (["not scored", "encoder", "probe", "why"], failures),
    ]


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
