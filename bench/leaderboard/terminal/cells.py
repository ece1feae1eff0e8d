"""Cells and tables for a terminal: plain text from users, never rich's markup, in colour or as plain ASCII."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


def to_printable(text: str) -> str:
    """Return ``text`` on one line and without the characters that control a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def make_text(value: object, style: str = "") -> Text:
    """Make a cell of ``value`` that rich shows as it is."""
    return Text(to_printable(str(value)), style=style)


def make_table(*columns: str) -> Table:
    """Make a table without lines. Columns of numbers (``>``) and of short words (``=``) are never broken."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold underline")
    for column in columns:
        table.add_column(
            Text(column.lstrip(">=")),
            justify="right" if column.startswith(">") else "left",
            no_wrap=column.startswith((">", "=")),
            overflow="fold",
        )
    return table


def render_parts(parts: Sequence[RenderableType], width: int, colour: bool) -> str:
    """Render tables and lines one below the other."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def render_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    *,
    width: int = 120,
    colour: bool = False,
    total: bool = True,
) -> str:
    """Render a table of plain cells and lines below it, ending with a newline.

    Args:
        columns: headings, with the prefixes of ``make_table``.
        rows: the cells of each row.
        notes: lines below the table.
        width: of the terminal, in characters.
        colour: whether to use colour and bold type.
        total: whether the last row is a total, shown in bold.
    """
    table = make_table(*columns)
    for index, row in enumerate(rows):
        table.add_row(*(make_text(cell, "bold" if total and index == len(rows) - 1 else "") for cell in row))
    return render_parts([table, "", *map(make_text, notes)], width, colour)


def render_lines(lines: Sequence[tuple[str, str]], width: int, colour: bool) -> str:
    """Render lines with a style each, ending with a newline."""
    return render_parts([*(make_text(line, style) for line, style in lines), ""], width, colour)
