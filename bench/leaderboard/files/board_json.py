"""``leaderboard.json``: the same bytes for the same leaderboard, valid against ``docs/leaderboard.schema.json``."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.summaries import SCHEMA
from bench.store.files import write_atomically
from bench.types import Data, DataError, Failure, Leaderboard, Score

MOST_DIGITS = 18  # of an integer: more would fit neither int64 nor a float
SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "leaderboard.schema.json"


def to_json(board: Leaderboard) -> str:
    """Convert a leaderboard to the text of ``leaderboard.json``.

    Keys are sorted, floats in their shortest exact form; no time, path or version is in it.

    Raises:
        DataError: the leaderboard breaks the schema, or a value has no form in JSON (NaN, infinity, an object); names
            the row and field.
    """
    document = {
        "schema": board.schema,
        "suite": board.suite,
        "protocol": board.protocol,
        "scores": [to_plain(score, _describe_row("score", score)) for score in board.scores],
        "failures": [to_plain(failure, _describe_row("failure", failure)) for failure in board.failures],
        "summaries": [
            to_plain(summary, f"summary of {summary.get('encoder')}, {summary.get('probe')}")
            for summary in board.summaries
        ],
        "encoders": [to_plain(encoder, f"encoder {encoder.get('name')}") for encoder in board.encoders],
        "leakage": [to_plain(pair, f"leakage of {pair.get('task')}") for pair in board.leakage],
    }
    _validate(document, "the leaderboard to be written")
    return json.dumps(document, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def from_json(text: str, where: object = "leaderboard") -> Leaderboard:
    """Parse the text of ``leaderboard.json``.

    Args:
        text: the whole file.
        where: what to name in errors, e.g. the path.

    Raises:
        DataError: the text is cut short, of another schema version or invalid.
    """
    try:
        document = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_parse_finite, parse_int=_parse_integer
        )
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise DataError("no readable JSON", got=error, expected="a whole leaderboard", where=where) from error
    if not isinstance(document, dict) or "schema" not in document:
        got = f"keys {sorted(document)[:8]}" if isinstance(document, dict) else type(document).__name__
        raise DataError("no leaderboard", got=got, expected="an object with a key 'schema'", where=where)
    if document["schema"] != SCHEMA:
        raise DataError("leaderboard of another schema", got=document["schema"], expected=SCHEMA, where=where)
    _validate(document, where)
    board = Leaderboard(
        schema=document["schema"],
        suite=document["suite"],
        protocol=document["protocol"],
        scores=tuple(parse_score(row) for row in document["scores"]),
        failures=tuple(Failure(**row) for row in document["failures"]),
        summaries=tuple(document["summaries"]),
        encoders=tuple(document["encoders"]),
        leakage=tuple(document.get("leakage", ())),
    )
    check_rows(board, where)
    return board


def check_rows(board: Leaderboard, where: object) -> None:
    """Raise DataError for a score of another suite or protocol than the leaderboard's, and for one row twice."""
    seen = set()
    for score in board.scores:
        own, whole = f"{score.suite}/{score.protocol}", f"{board.suite}/{board.protocol}"
        place = (score.task, score.encoder, score.probe)
        if own != whole:
            raise DataError("a score of another ranking", got=own, expected=whole, where=f"{where}, {place}")
        if place in seen:
            raise DataError("a row twice", got="2 scores", expected="1", where=f"{where}, {place}")
        seen.add(place)


def write_board(path: Path, board: Leaderboard) -> None:
    """Replace ``path`` by ``board`` in one step: a reader sees the old file or the new one.

    The caller sees to it that no other process writes ``path``.

    Raises:
        DataError: as ``to_json`` does.
        BenchError: the disk is full.
    """
    text = to_json(board)
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_board(path: Path) -> Leaderboard:
    """Read the leaderboard at ``path``.

    Raises:
        DataError: there is none, or ``from_json`` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read", got=error, expected="a leaderboard.json", where=path) from error
    return from_json(text, path)


def parse_score(row: Mapping[str, Any]) -> Score:
    """Build the Score whose ``to_plain`` or ``dataclasses.asdict`` form, or JSON of it, is ``row``."""
    low, high = row["ci95"]
    return Score(
        **{
            **row,
            "ci95": (low, high),
            "seeds": tuple(row["seeds"]),
            "seed_values": tuple(row["seed_values"]),
            "data": Data(**row["data"]),
        }
    )


def to_plain(value: object, where: str, field: str = "") -> Any:
    """Convert to JSON's types: dataclasses and mappings to dict, sequences to list, numpy's scalars to Python's.

    Args:
        value: what to convert.
        where: the row, for errors.
        field: the path of fields to ``value``, for errors.

    Raises:
        DataError: JSON cannot hold the value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise DataError(f"{field} is not finite", got=value, expected="a number", where=where)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {own.name: getattr(value, own.name) for own in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(own, where, f"{field}.{key}".lstrip(".")) for key, own in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [to_plain(own, where, f"{field}[{index}]") for index, own in enumerate(value)]
    raise DataError(f"{field} is no plain value", got=type(value).__name__, expected="JSON's types", where=where)


def _describe_row(kind: str, row: Score | Failure) -> str:
    return f"{kind} of {row.task}, {row.encoder}, {row.probe}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _parse_finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is beyond every number that is stored")
    return value


def _parse_integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{digits[:40]}... has {len(digits)} digits")
    return int(digits)


def _validate(document: Mapping[str, Any], where: object) -> None:
    from jsonschema.exceptions import best_match

    error = best_match(_load_validator().iter_errors(document))
    if error is not None:
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
        got = error.message if len(error.message) <= 200 else f"{error.message[:200]}..."
        raise DataError(f"invalid at {at or 'top'}", got=got, expected=f"schema {SCHEMA}", where=where)


@functools.cache
def _load_validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
