"""Tables that others published, to be shown beside one's own rows: reported by them, never ranked here.

``tasks/published.json``: ``{"tables": [{"name", "source", "note", "systems": {system: {head: {task: value}}}}]}`` with
the heads ``mlp`` (X-ARES's name for whatever is trained) and ``knn``. Values are fractions in [0, 1], as printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.types import DataError

HEADS = ("mlp", "knn")


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One published table."""

    name: str
    source: str
    note: str
    systems: Mapping[str, Mapping[str, Mapping[str, float]]]  # system -> head -> task -> value

    def value(self, system: str, task: str, probe: str) -> float | None:
        """Return the value of a system on a task under the head that a probe stands for; None where there is none."""
        return self.systems[system].get(map_probe_to_head(probe), {}).get(task)


def map_probe_to_head(probe: str) -> str:
    """Return the published head that a probe here compares with; nobody published ridge."""
    return {"knn": "knn", "ridge": ""}.get(probe, "mlp")


def read_published_tables(path: Path) -> tuple[PublishedTable, ...]:
    """Read the tables in ``path``.

    Raises:
        DataError: the file is not as described above.
    """
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
        found = tuple(PublishedTable(**table) for table in tables)
        for table in found:
            _check_table(table, path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("published tables", got=repr(error), expected='{"tables": [...]}', where=path) from error
    return found


def _check_table(table: PublishedTable, path: Path) -> None:
    for system, heads in table.systems.items():
        for head, values in heads.items():
            if head not in HEADS:
                raise DataError("published head", got=head, expected=" or ".join(HEADS), where=f"{path}, {system}")
            for task, value in values.items():
                if not 0 <= value <= 1:
                    raise DataError("published value", got=value, expected="0 to 1", where=f"{path}, {system}, {task}")
