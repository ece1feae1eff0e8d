"""Which leaderboards and predictions a path on the command line stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.leaderboard.files import board_json, predictions
from bench.leaderboard.files.metric_names import NO_METRICS, OwnMetrics
from bench.scoring.measure import ScoredPredictions, convert_trials
from bench.scoring.trials import TrialPredictions
from bench.types import DataError, Leaderboard, Score


@dataclass(frozen=True, slots=True)
class Source:
    """A leaderboard and the file that it came from, beside which its predictions lie."""

    path: Path
    board: Leaderboard
    own_metrics: OwnMetrics = field(default_factory=dict)  # of tasks that define their metric themselves


def read_sources(path: Path, own_metrics: OwnMetrics = NO_METRICS) -> list[Source]:
    """Read the leaderboard in a file, or those of a run's folder: one for each protocol.

    Args:
        path: a leaderboard, or the folder of a run.
        own_metrics: metrics that tasks define themselves; see ``metric_names``.

    Raises:
        DataError: the folder has none, or a file is no leaderboard.
    """
    found = [path]
    if path.is_dir():
        found = sorted([*path.glob("leaderboard.json"), *path.glob("leaderboard.*.json")])
        if not found:
            raise DataError("no leaderboard", got="a folder without one", expected="leaderboard.json", where=path)
    return [Source(own, board_json.read_board(own), own_metrics) for own in found]


def read_source(path: Path, own_metrics: OwnMetrics = NO_METRICS) -> Source:
    """Read the only leaderboard that ``path`` stands for.

    Raises:
        DataError: there are several; names them.
    """
    found = read_sources(path, own_metrics)
    if len(found) > 1:
        got = ", ".join(source.path.name for source in found)
        raise DataError("several leaderboards", got=got, expected="one; name the file", where=path)
    return found[0]


def locate_predictions(source: Source, score: Score) -> Path:
    """Return the path of the predictions of a row.

    Raises:
        DataError: the path leads out of the leaderboard's folder.
    """
    inner = PurePosixPath(score.predictions)
    if inner.is_absolute() or ".." in inner.parts or "\\" in score.predictions or "\0" in score.predictions:
        expected = "a path below the leaderboard's folder"
        raise DataError("predictions elsewhere", got=repr(score.predictions), expected=expected, where=source.path)
    return source.path.parent / inner


def read_answers(source: Source, score: Score) -> ScoredPredictions | TrialPredictions:
    """Read the predictions of a row.

    Raises:
        DataError: they cannot be read, or are not as many as the row says.
    """
    path = locate_predictions(source, score)
    found = predictions.read_predictions(path)
    if len(found.targets) != score.n:
        got = f"{len(found.targets)} answers"
        raise DataError("predictions of another row", got=got, expected=score.n, where=path)
    return found


def read_pairable_answers(source: Source, score: Score) -> ScoredPredictions:
    """Read the predictions of a row in the form in which two rows are paired; see ``read_answers``."""
    found = read_answers(source, score)
    return convert_trials(found, score.task) if isinstance(found, TrialPredictions) else found
