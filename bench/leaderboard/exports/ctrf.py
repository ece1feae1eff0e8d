"""A leaderboard as a test report in CTRF (ctrf-io/ctrf, schema/ctrf.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.leaderboard.exports.json_file import encode_json

if TYPE_CHECKING:
    from pathlib import Path

    from bench.leaderboard.files.sources import Source
    from bench.types import Leaderboard


CTRF_VERSION = "0.0.0"


def to_ctrf(source: Source) -> dict[str, bytes]:
    """Write a test report: a score has passed, unless the gate failed it; what was not scored has failed.

    Times are those of ``run.json`` beside the leaderboard, else 0: the leaderboard holds none.
    """
    board = source.board
    run = _read_run(source.path.parent / "run.json")
    seconds = {str(test["test"]).partition("[")[2][:-1]: test["seconds"] for test in run.get("tests", ())}
    failed = {(row.task, row.probe, row.encoder): row.error for row in board.failures}
    places = dict.fromkeys([*((row.task, row.probe, row.encoder) for row in board.scores), *failed])
    tests = [
        {
            "name": "-".join(place),
            "status": "failed" if place in failed else "passed",
            "duration": round(1000 * seconds.get(_build_test_id(place, board), 0.0)),
            "suite": [board.suite, board.protocol],
            **({"message": failed[place]} if place in failed else {}),
        }
        for place in places
    ]
    start, stop = (_to_milliseconds(run.get(name)) for name in ("started", "finished"))
    counts = {name: sum(test["status"] == name for test in tests) for name in ("passed", "failed")}
    summary = {"tests": len(tests), **counts, "skipped": 0, "pending": 0, "other": 0, "start": start, "stop": stop}
    results = {"tool": {"name": "otoscope"}, "summary": summary, "tests": tests}
    return {"": encode_json({"reportFormat": "CTRF", "specVersion": CTRF_VERSION, "results": results})}


def _build_test_id(place: tuple[str, str, str], board: Leaderboard) -> str:
    protocol = "" if board.protocol == "strict" else f"@{board.protocol}"
    return f"{place[0]}{protocol}-{place[1]}-{place[2]}"


def _read_run(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _to_milliseconds(moment: object) -> int:
    return round(1000 * datetime.fromisoformat(moment).timestamp()) if isinstance(moment, str) else 0
