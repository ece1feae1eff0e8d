"""The rows of a leaderboard as flat records, for formats with one line or column entry per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.leaderboard.terminal.cells import to_printable

if TYPE_CHECKING:
    from bench.types import Leaderboard


def build_records(board: Leaderboard) -> list[dict[str, Any]]:
    """Build a flat row for each score and each row that could not be scored, the latter with few fields."""
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
