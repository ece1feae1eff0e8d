"""Several leaderboards into one, where all of them measured the same.

The same is: suite, protocol, schema; of each task version, bytes (``data.sha256``) and metric; under one name one
encoder. A row that several boards hold must be equal in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.leaderboard.files import board_json
from bench.leaderboard.files.sources import Source, locate_predictions
from bench.leaderboard.summaries import SCHEMA, CoveredTask, summarise_encoder
from bench.store.files import write_atomically
from bench.types import DataError, Failure, Leaderboard, Score

RowKey = tuple[str, str, str]


def merge_boards(sources: Sequence[Source]) -> Leaderboard:
    """Merge all rows of ``sources``; their order does not matter.

    A failure of a row that another board scored is left out.

    Raises:
        DataError: boards of different suites, protocols, task versions, data or metrics, different encoders of one
            name, or unequal scores of one row.
    """
    boards = [source.board for source in sources]
    for what in ("suite", "protocol"):
        _check_agreement(what, ((getattr(source.board, what), source) for source in sources))
    by_task: dict[str, list[tuple[Score, Source]]] = {}
    for source in sources:
        for score in source.board.scores:
            by_task.setdefault(score.task, []).append((score, source))
    for task, own in sorted(by_task.items()):
        _check_agreement(f"version of {task}", ((score.version, source) for score, source in own))
        _check_agreement(f"data (sha256) of {task}", ((score.data.sha256, source) for score, source in own))
        _check_agreement(f"metric of {task}", ((score.metric, source) for score, source in own))
    encoders = _collect_distinct(
        "encoder", [(own["name"], own, source) for source in sources for own in source.board.encoders]
    )
    rows: dict[RowKey, Score] = _collect_distinct(
        "row", [((s.task, s.encoder, s.probe), s, source) for source in sources for s in source.board.scores]
    )
    leakage = _collect_distinct(
        "leakage", [(_get_pair(pair), pair, source) for source in sources for pair in source.board.leakage]
    )
    failures = {failure for board in boards for failure in board.failures if _get_row_key(failure) not in rows}
    return Leaderboard(
        schema=SCHEMA,
        suite=boards[0].suite,
        protocol=boards[0].protocol,
        scores=tuple(rows[place] for place in sorted(rows)),
        failures=tuple(sorted(failures, key=lambda failure: (*_get_row_key(failure), failure.error))),
        summaries=tuple(_merge_summaries(sources, rows, sorted(encoders))),
        encoders=tuple(encoders[name] for name in sorted(encoders)),
        leakage=tuple(leakage[pair] for pair in sorted(leakage)),
    )


def check_mergeable(sources: Sequence[Source]) -> None:
    """Raise DataError for boards that ``merge_boards`` refuses."""
    merge_boards(sources)


def write_merged(folder: Path, sources: Sequence[Source]) -> tuple[Leaderboard, list[str]]:
    """Merge into ``folder``/leaderboard.json and copy the predictions beside it; the board is written last.

    Returns:
        The board, and the names of predictions files that are absent.

    Raises:
        DataError: as ``merge_boards`` does, and for equal rows with different predictions.
    """
    board = merge_boards(sources)
    contents: dict[str, bytes] = {}
    for source in sources:
        for score in source.board.scores:
            path = locate_predictions(source, score)
            if not path.is_file():
                continue
            content = path.read_bytes()
            if contents.setdefault(score.predictions, content) != content:
                raise DataError("predictions differ", got=path, expected="those of the equal row", where=source.path)
    for name in sorted(contents):
        with write_atomically(folder / name) as temporary:
            temporary.write_bytes(contents[name])
    board_json.write_board(folder / "leaderboard.json", board)
    return board, sorted({score.predictions for score in board.scores} - contents.keys())


def _check_agreement(what: str, found: Iterable[tuple[object, Source]]) -> None:
    first: tuple[object, Source] | None = None
    for value, source in found:
        first = first or (value, source)
        if value != first[0]:
            expected = f"{first[0]} as in {first[1].path}"
            raise DataError(f"{what} differs: no common ranking", got=value, expected=expected, where=source.path)


def _collect_distinct(what: str, found: Sequence[tuple[Any, Any, Source]]) -> dict[Any, Any]:
    """Collect values by key.

    Raises:
        DataError: one key has unequal values; names their fields.
    """
    kept: dict[Any, tuple[Any, Source]] = {}
    for place, value, source in found:
        other, of = kept.setdefault(place, (value, source))
        if value != other:
            name = place if isinstance(place, str) else ", ".join(place)
            one, two = board_json.to_plain(value, name), board_json.to_plain(other, name)
            fields = ", ".join(field for field in sorted({*one, *two}) if one.get(field) != two.get(field))
            got = f"other {fields}"
            raise DataError(f"{what} {name} twice", got=got, expected=f"as in {of.path}", where=source.path)
    return {place: value for place, (value, _) in kept.items()}


def _merge_summaries(
    sources: Sequence[Source], rows: Mapping[RowKey, Score], encoders: Sequence[str]
) -> list[dict[str, Any]]:
    """Summarise all rows; every board must cover the same tasks under each probe."""
    domains = {score.task: score.domain for score in rows.values()}
    stored = [(own, source) for source in sources for own in source.board.summaries]
    covered: dict[str, set[str]] = {}
    for own, source in stored:
        tasks = set(own["missing"]) | {
            score.task
            for score in source.board.scores
            if (score.encoder, score.probe) == (own["encoder"], own["probe"]) and not score.private
        }
        known = covered.setdefault(own["probe"], tasks)
        if tasks != known:
            got = ", ".join(sorted(tasks ^ known))
            expected = "the same tasks in every board"
            raise DataError(f"tasks of the suite differ, {own['probe']}", got=got, expected=expected, where=source.path)
    found = []
    for encoder in encoders:
        for probe in sorted(covered):
            whole = summarise_encoder(
                rows, encoder, probe, [CoveredTask(name, domains.get(name)) for name in sorted(covered[probe])]
            )
            for own, _ in stored:
                if (own["encoder"], own["probe"]) == (encoder, probe):  # it knew the domains of the missing tasks
                    for domain, value in own["domains"].items():
                        whole["domains"][domain] = whole["domains"].get(domain, value)
                        if whole["domains"][domain] is None:
                            whole["domains"][domain] = value
            found.append(whole)
    return found


def _get_pair(pair: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(pair[name]) for name in ("task", "split", "other_task", "other_split"))


def _get_row_key(row: Score | Failure) -> RowKey:
    return row.task, row.encoder, row.probe
