"""A leaderboard as CSV for spreadsheets and statistics programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bench.leaderboard.exports.records import build_records
from bench.leaderboard.terminal.cells import to_printable

if TYPE_CHECKING:
    from bench.types import Leaderboard


FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for one at the start of a text


def to_csv(board: Leaderboard) -> str:
    """Write one line for each score and each row that could not be scored, floats in full.

    RFC 4180, but lines end in LF. A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = build_records(board)
    columns = [*rows[0]] if rows else ["task", "encoder", "probe", "error"]
    text = io.StringIO()
    lines = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    lines.writeheader()
    lines.writerows({name: _escape_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _escape_cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = to_printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
