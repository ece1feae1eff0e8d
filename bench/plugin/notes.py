"""Typed notes: what a test tells the reporter, as a property of its report.

Properties travel from xdist's workers as plain values, so a note is written as JSON with its ``kind`` and read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.leaderboard.files import board_json
from bench.leaderboard.ranking.gate import Verdict
from bench.types import Score

if TYPE_CHECKING:
    import pytest

PROPERTY = "otoscope"


@dataclass(frozen=True, slots=True)
class EncoderNote:
    """An encoder's row of the leaderboard."""

    kind: ClassVar[str] = "encoder"
    row: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.row["name"])


@dataclass(frozen=True, slots=True)
class ScoreNote:
    """A score that was computed."""

    kind: ClassVar[str] = "score"
    score: Score


@dataclass(frozen=True, slots=True)
class VerdictNote:
    """What the gate says about a score."""

    kind: ClassVar[str] = "verdict"
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ThroughputNote:
    """The figures of one throughput test."""

    kind: ClassVar[str] = "throughput"
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpeedNote:
    """How an encoder's time compares with that of the baseline encoder."""

    kind: ClassVar[str] = "speed"
    figures: dict[str, Any]


Note = EncoderNote | ScoreNote | VerdictNote | ThroughputNote | SpeedNote


def write_note(note: Note) -> str:
    """Return a note as text. Raises ValueError or TypeError for a value that JSON cannot hold."""
    return json.dumps({"kind": note.kind, "value": _to_plain(note)}, allow_nan=False)


def read_notes(report: pytest.TestReport) -> Iterator[Note]:
    """Yield the notes that a report carries."""
    for name, text in report.user_properties:
        if name == PROPERTY:
            document = json.loads(str(text))
            yield _from_plain(document["kind"], document["value"])


def _to_plain(note: Note) -> dict[str, Any]:
    match note:
        case ScoreNote(score):
            return asdict(score)
        case VerdictNote(verdict):
            return verdict.plain()
        case EncoderNote(row):
            return row
        case ThroughputNote(figures) | SpeedNote(figures):
            return figures


def _from_plain(kind: str, value: dict[str, Any]) -> Note:
    match kind:
        case EncoderNote.kind:
            return EncoderNote(value)
        case ScoreNote.kind:
            return ScoreNote(board_json.parse_score(value))
        case VerdictNote.kind:
            return VerdictNote(Verdict(**value))
        case ThroughputNote.kind:
            return ThroughputNote(value)
        case SpeedNote.kind:
            return SpeedNote(value)
    raise ValueError(f"no note is called {kind!r}")
