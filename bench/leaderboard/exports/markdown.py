"""A leaderboard as Markdown tables. Names come from users: characters with a meaning become entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.leaderboard.exports.tables import build_tables
from bench.leaderboard.terminal.cells import to_printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.types import Leaderboard


def to_markdown(board: Leaderboard) -> str:
    """Format the tables for a pull request; every character that Markdown or HTML knows is an entity."""
    return "\n".join(_format_markdown_table(*table) for table in build_tables(board) if table[1])


def _format_markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_escape_markdown(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escape_markdown(text: str) -> str:
    return re.sub(r"[^\w\s.,%+-]|_", lambda match: f"&#{ord(match[0])};", to_printable(text))
