"""Everything a page shows, as one JSON document: what leaderboards, their runs and their predictions say.

Columns instead of rows, and each repeated value once, keep 50 encoders on 60 rows each well below 3 MB. Numbers are
rounded to ``DIGITS`` decimals, which is more than a page shows; ``leaderboard.json`` keeps them whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.leaderboard.files.sources import Source, locate_predictions, read_answers
from bench.leaderboard.page.mistakes import TextTable, compute_row_budget, describe_task
from bench.leaderboard.terminal.cells import to_printable
from bench.leaderboard.terminal.tables import list_flags
from bench.types import BenchError, Failure, Score

if TYPE_CHECKING:
    from bench.scoring.measure import ScoredPredictions
    from bench.scoring.trials import TrialPredictions

DIGITS = 5
MOST_ERROR = 400  # characters of a failure
SPEED = ("batch_size", "seconds", "audio_seconds_per_second", "clips_per_second")
PredictionReader = Callable[[Source, Score], "ScoredPredictions | TrialPredictions | None"]


def build_contents(
    sources: Sequence[Source], problems: Sequence[str] = (), read: PredictionReader | None = None
) -> dict[str, Any]:
    """Build the document of the page of ``sources``, in JSON's types; equal input gives equal documents.

    Args:
        sources: the leaderboards.
        problems: shown at the top of the page, e.g. files that could not be used.
        read: gives the predictions of a row, None where there are none; by default read beside the leaderboard.
    """
    room = compute_row_budget(sum(len(source.board.scores) for source in sources))
    named = zip(sources, label_boards(sources), strict=True)
    boards = [_build_board(source, label, room, read or read_stored_answers) for source, label in named]
    return {"boards": boards, "problems": [to_printable(problem) for problem in problems]}


def read_stored_answers(source: Source, score: Score) -> ScoredPredictions | TrialPredictions | None:
    """Read the predictions of a row; None where their file is absent.

    Raises:
        DataError: the file is damaged.
    """
    return read_answers(source, score) if locate_predictions(source, score).is_file() else None


def label_boards(sources: Sequence[Source]) -> list[str]:
    """Name each board: its run's folder and, where that is not enough, the file or a number."""
    found: list[str] = []
    for source in sources:
        name = source.path.resolve().parent.name or "run"
        if source.path.name != "leaderboard.json":
            name = f"{name}/{source.path.name}"
        name = to_printable(name)
        same = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({same + 1})" if same else name)
    return found


def _build_board(source: Source, label: str, room: int, read: PredictionReader) -> dict[str, Any]:
    board = source.board
    texts = TextTable()
    rows: list[Score | Failure] = [*board.scores, *board.failures]
    tasks = sorted({row.task for row in rows})
    number = {name: index for index, name in enumerate(tasks)}
    encoders = [dict(encoder) for encoder in board.encoders]
    known = {encoder["name"] for encoder in encoders}
    others = sorted({*(row.encoder for row in rows), *(own["encoder"] for own in board.summaries)} - known)
    encoders += [{"name": name} for name in others]
    place = {encoder["name"]: index for index, encoder in enumerate(encoders)}
    mistakes, hard = _collect_mistakes(source, room, read, texts)
    whole = {
        "label": label,
        "suite": board.suite,
        "protocol": board.protocol,
        "tasks": tasks,
        "encoders": encoders,
        "scores": _build_score_columns(board.scores, number, place, encoders),
        "failures": [
            [number[own.task], place[own.encoder], own.probe, own.error[:MOST_ERROR]] for own in board.failures
        ],
        "summaries": [{**own, "encoder": place[own["encoder"]]} for own in board.summaries],
        "leakage": [dict(pair) for pair in board.leakage],
        "run": _read_run(source),
    }
    found: dict[str, Any] = _round_numbers(whole)
    found |= {"mistakes": mistakes, "hard": [hard.get(task, []) for task in tasks], "texts": texts.listed()}
    return found


def _build_score_columns(
    scores: Sequence[Score], tasks: Mapping[str, int], place: Mapping[str, int], encoders: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Build a column of each field of the scores; see ``encode_column``."""
    rows = []
    for score in scores:
        row = {own.name: getattr(score, own.name) for own in dataclasses.fields(score)}
        row["data"] = dataclasses.asdict(score.data)
        row["flags"] = list_flags(score, encoders[place[score.encoder]].get("trained_on", ()))
        row |= {"task": tasks[score.task], "encoder": place[score.encoder]}
        for mapping in ("secondary", "rates", "subsets"):
            row[f"{mapping}_of"], row[mapping] = list(row[mapping]), list(row[mapping].values())
        row["seeds"] = list(row["seeds"])
        del row["suite"], row["protocol"]
        rows.append(row)
    return {name: encode_column([row[name] for row in rows]) for name in rows[0]} if rows else {}


def encode_column(values: Sequence[Any]) -> dict[str, Any]:
    """Encode ``values`` as {"all": values}, or {"of": distinct values, "at": indices} where few are distinct."""
    places: dict[str, int] = {}
    texts = [json.dumps(_round_numbers(value), sort_keys=True) for value in values]
    at = [places.setdefault(text, len(places)) for text in texts]
    if 2 * len(places) > len(values) and len(values) > 1:
        return {"all": [_round_numbers(value) for value in values]}
    return {"of": [json.loads(text) for text in places], "at": at}


def _collect_mistakes(
    source: Source, room: int, read: PredictionReader, texts: TextTable
) -> tuple[list[dict[str, Any] | None], dict[str, list[list[Any]]]]:
    """Describe the predictions of each score (``error``, or None without any) and each task's hard clips."""
    rows: list[dict[str, Any] | None] = [None] * len(source.board.scores)
    hard = {}
    by_task: dict[str, list[int]] = {}
    for index, score in enumerate(source.board.scores):
        by_task.setdefault(score.task, []).append(index)
    for task, indices in by_task.items():
        found = {}
        for index in indices:
            score = source.board.scores[index]
            try:
                own = read(source, score)
            except BenchError as error:
                rows[index] = {"error": to_printable(f"{error.what}: got {error.got}")}
                continue
            if own is not None:
                found[index] = own
        try:
            of_rows, hard[task] = describe_task(list(found.values()), room, texts)
        except BenchError as error:  # one row of another shape must not hide the page
            of_rows = [{"error": to_printable(str(error))}] * len(found)
        for index, row in zip(found, of_rows, strict=True):
            rows[index] = row
    return rows, hard


def _read_run(source: Source) -> dict[str, Any]:
    """Read time, machine and speed from ``run.json``: ``error`` for one that is unreadable, empty without one."""
    path = source.path.parent / "run.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        speeds = [own for own in found["throughput"] if all(isinstance(own[name], int | float) for name in SPEED)]
        return {
            "started": str(found["started"]),
            "seconds": float(found["seconds"]),
            "machine": {str(name): _to_word(value) for name, value in found["machine"].items()},
            "versions": {str(name): str(value) for name, value in found["versions"].items() if value is not None},
            "throughput": [{name: own[name] for name in SPEED} | _describe_speed(own) for own in speeds],
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"error": f"run.json cannot be read: {error!r}"}


def _to_word(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _describe_speed(own: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(own[name]) for name in ("encoder", "device", "precision")}


def _round_numbers(value: Any) -> Any:
    """Convert to what a page shows: printable text, rounded numbers."""
    if isinstance(value, str):
        return to_printable(value)
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {to_printable(str(key)): _round_numbers(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_round_numbers(own) for own in value]
    return value
