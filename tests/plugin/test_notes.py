"""Notes: what a test tells the reporter survives the way through xdist."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bench.leaderboard.ranking.gate import PASSED, Verdict
from bench.plugin.notes import (
    PROPERTY,
    EncoderNote,
    Note,
    ScoreNote,
    SpeedNote,
    ThroughputNote,
    VerdictNote,
    read_notes,
    write_note,
)
from tests.leaderboard.test_board_json import score

NOTES: tuple[Note, ...] = (
    EncoderNote({"name": "ear", "certified": True}),
    ScoreNote(score()),
    VerdictNote(Verdict("tones", "ear", "ear", "knn", PASSED, drop=0.0)),
    ThroughputNote({"encoder": "ear", "seconds": 2.0}),
    SpeedNote({"encoder": "ear", "value": 1.0}),
)


def report(*properties: tuple[str, object]) -> Any:
    return SimpleNamespace(user_properties=list(properties))


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.kind)
def test_a_note_is_read_as_it_was_written(note: Note) -> None:
    text = write_note(note)
    assert json.loads(text)["kind"] == note.kind
    assert list(read_notes(report(("other", 1), (PROPERTY, text)))) == [note]


def test_kinds_are_distinct() -> None:
    assert len({note.kind for note in NOTES}) == len(NOTES)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_note(ThroughputNote({"seconds": float("nan")}))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'rumour'"):
        list(read_notes(report((PROPERTY, json.dumps({"kind": "rumour", "value": {}})))))
