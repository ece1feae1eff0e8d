"""A leaderboard as text for other programs. Names come from users: each form makes them inert in its own way."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from bench.leaderboard.terminal.cells import to_printable
from bench.leaderboard.terminal.tables import list_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.types import Leaderboard

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for one at the start of a text
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def to_csv(board: Leaderboard) -> str:
    """One line for each score and each row that could not be scored, floats in full. RFC 4180, but lines end in LF.

    A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = build_records(board)
    columns = [*rows[0]] if rows else ["task", "encoder", "probe", "error"]
    text = io.StringIO()
    lines = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    lines.writeheader()
    lines.writerows({name: _escape_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def build_records(board: Leaderboard) -> list[dict[str, Any]]:
    """A flat row for each score and each row that could not be scored, the latter with few fields."""
    rows = [
        {
            **dict(zip(("task", "encoder", "probe"), (s.task, s.encoder, s.probe), strict=True)),
            **{name: getattr(s, name) for name in ("suite", "protocol", "version", "domain", "metric", "value")},
            **{"ci95_low": s.ci95[0], "ci95_high": s.ci95[1], "normalized": s.normalized},
            **{
                name: getattr(s, name) for name in ("chance_corrected", "chance", "majority", "n", "clusters", "weight")
            },
            **{name: getattr(s, name) for name in ("device", "precision", "certified", "private", "fingerprint")},
            "data_sha256": s.data.sha256,
            "error": None,
        }
        for s in board.scores
    ]
    return rows + [
        {"task": f.task, "encoder": f.encoder, "probe": f.probe, "error": to_printable(f.error)} for f in board.failures
    ]


def _escape_cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = to_printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def to_markdown(board: Leaderboard) -> str:
    """The tables for a pull request or a README; every character that Markdown or HTML knows is an entity."""
    return "\n".join(_format_markdown_table(*table) for table in _build_tables(board) if table[1])


def _format_markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_escape_markdown(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escape_markdown(text: str) -> str:
    return re.sub(r"[^\w\s.,%+-]|_", lambda found: f"&#{ord(found[0])};", to_printable(text))


def to_latex(board: Leaderboard) -> str:
    """The tables as ``tabular`` with booktabs' rules."""
    return "\n".join(_format_latex_table(*table) for table in _build_tables(board) if table[1])


def _format_latex_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" & ".join(_escape_latex(cell) for cell in line) + r" \\" for line in (header, *rows)]
    body = "\n".join(["\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"])
    return f"\\begin{{tabular}}{{{'l' * len(header)}}}\n{body}\n\\end{{tabular}}\n"


def _escape_latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in to_printable(text))


def _build_tables(board: Leaderboard) -> list[tuple[list[str], list[list[str]]]]:
    """Header and cells of summaries, scores and failures."""
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


TEXT_FORMATS: Mapping[str, Callable[[Leaderboard], str]] = {"csv": to_csv, "latex": to_latex, "markdown": to_markdown}
