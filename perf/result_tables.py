"""A table on the terminal and the same figures as JSON, with the machine and the date that they are of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.discovery.environment import collect_versions, describe_machine

Row = Mapping[str, Any]


def render_table(rows: Sequence[Row]) -> str:
    """Rows with the same keys as a Markdown table; three digits are kept of numbers."""
    names = list(rows[0])
    cells = [names, *([_format_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _format_cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_and_save(name: str, rows: Sequence[Row], path: Path | None) -> None:
    """Print the table and, if asked, write the JSON."""
    date, here = datetime.now(UTC).isoformat(timespec="seconds"), describe_machine()
    print(f"\n{here['processor']}, {here['cores']} cores, {date[:10]}")
    print(render_table(rows), flush=True)
    if path is not None:
        about = {"benchmark": name, "date": date, "machine": here}
        path.write_text(json.dumps({**about, "versions": collect_versions(), "rows": list(rows)}, indent=1))
