"""A leaderboard as LaTeX tables. Names come from users: characters with a meaning become commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.exports.tables import build_tables
from bench.leaderboard.terminal.cells import to_printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.types import Leaderboard


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def to_latex(board: Leaderboard) -> str:
    """Format the tables as ``tabular`` with the rules of booktabs."""
    return "\n".join(_format_latex_table(*table) for table in build_tables(board) if table[1])


def _format_latex_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" & ".join(_escape_latex(cell) for cell in line) + r" \\" for line in (header, *rows)]
    body = "\n".join(["\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"])
    return f"\\begin{{tabular}}{{{'l' * len(header)}}}\n{body}\n\\end{{tabular}}\n"


def _escape_latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in to_printable(text))
