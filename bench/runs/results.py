"""Scores in Python: the leaderboards of a run, the answers that prove them and the embeddings behind them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.captions import LabelledCaptions
from bench.evaluation.clips import LabelledClips
from bench.evaluation.events import LabelledEvents
from bench.evaluation.labelled import LabelledTask
from bench.evaluation.transcripts import LabelledTranscripts
from bench.evaluation.trials import LabelledTrials
from bench.leaderboard.files import predictions
from bench.leaderboard.terminal import tables
from bench.runs.boards import write_boards
from bench.runs.plan import Plan
from bench.runs.session import Session
from bench.runs.threads import limit_threads
from bench.scoring.measure import ScoredPredictions
from bench.scoring.trials import TrialPredictions
from bench.types import BenchError, ChoiceError, Failure, Leaderboard, Pairs, Score, Task


@dataclass(frozen=True, eq=False)
class Results:
    """Leaderboards by protocol, and how to read the answers that prove a score."""

    boards: Mapping[str, Leaderboard]
    read_answers: Callable[[Score], ScoredPredictions | TrialPredictions]

    @property
    def scores(self) -> tuple[Score, ...]:
        """All rows, those of protocol strict first."""
        return tuple(score for board in self.boards.values() for score in board.scores)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Cases that could not be scored, each with its error."""
        return tuple(failure for board in self.boards.values() for failure in board.failures)

    @property
    def summaries(self) -> tuple[Mapping[str, Any], ...]:
        """Weighted means over the suite, None where a task lacks a score."""
        return tuple(summary for board in self.boards.values() for summary in board.summaries)

    def to_pandas(self) -> Any:
        """Return the scores as a DataFrame, one row each; what is nested gets columns such as ``secondary.eer``.

        Raises BenchError where pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            expected = "pandas: pip install pandas"
            raise BenchError("no pandas", got=error, expected=expected, where="to_pandas()") from error
        return pandas.DataFrame([flatten_score(score) for score in self.scores])

    def __str__(self) -> str:
        return tables.render_boards(dict(self.boards), width=120, colour=False)


@dataclass(frozen=True, eq=False)
class TaskEmbeddings:
    """What the probes of a task work on.

    Attributes:
        keys: N names of clips; of crops in protocol xares, of utterances where trials are asked.
        vectors: float32 [N, D] pooled embeddings; of events and transcripts N arrays [T, D] of frames.
        targets: int64 [N] indices into the classes; k-hot uint8 [N, C]; N tuples of captions; N arrays [E, 3] of events
            (onset and offset in s, class); N transcripts; of trials uint8 [n], 1 for the same speaker, or None.
        pairs: Of trials: the rows of ``vectors`` that each compares.
    """

    keys: tuple[str, ...]
    vectors: NDArray[np.float32] | tuple[NDArray[np.floating[Any]], ...]
    targets: Any
    pairs: Pairs | None = None


@dataclass(frozen=True, eq=False)
class Run(Results):
    """Results that were computed here and now, with the session that did."""

    plan: Plan
    session: Session

    def embeddings(self, task: str | Task, protocol: str | None = None) -> TaskEmbeddings:
        """Return the embeddings of a task of this run, read from the store or made now.

        Args:
            task: One of the run, or its name.
            protocol: Where the run has both; None: strict, or the only one.

        Raises:
            ChoiceError: For a task that the run does not have.
        """
        wanted = protocol or self.plan.protocols[0]
        tasks = {own.name: own for own in self.plan.tasks if own.protocol == wanted}
        name = task.name if isinstance(task, Task) else task
        if name not in tasks:
            raise ChoiceError("no such task in this run", got=name, expected=", ".join(tasks), where="embeddings()")
        with limit_threads():
            return _read_embeddings(self.session.embed(tasks[name], self.plan.specs[0]).labelled)

    def save(self, folder: str | Path) -> None:
        """Write ``leaderboard.json`` and the predictions into a folder, as ``pytest bench`` does into its run's."""
        root = Path(folder).expanduser()
        for score in self.scores:
            predictions.write_predictions(root / score.predictions, self.read_answers(score))
        write_boards(root, self.boards)


def flatten_score(score: Score) -> dict[str, Any]:
    """Return a score as one flat row: intervals as two columns, mappings as one column for each key."""
    row: dict[str, Any] = {}
    for name, value in asdict(score).items():
        if name == "ci95":
            row["ci95_low"], row["ci95_high"] = value
        elif isinstance(value, Mapping):
            row |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            row[name] = value
    return row


def _read_embeddings(inputs: LabelledTask) -> TaskEmbeddings:
    if isinstance(inputs, LabelledClips):
        return TaskEmbeddings(inputs.embeddings.keys, inputs.embeddings.vectors, inputs.targets)
    if isinstance(inputs, LabelledCaptions):
        return TaskEmbeddings(inputs.embeddings.keys, inputs.embeddings.vectors, inputs.captions)
    if isinstance(inputs, LabelledEvents):
        return TaskEmbeddings(inputs.rows.keys, inputs.frames, tuple(inputs.targets.events))
    if isinstance(inputs, LabelledTranscripts):
        return TaskEmbeddings(inputs.rows.keys, inputs.frames, inputs.targets.texts)
    if isinstance(inputs, LabelledTrials):
        return TaskEmbeddings(inputs.ids, inputs.embeddings.vectors, inputs.targets, inputs.pairs)
    raise TypeError(f"no embeddings in {type(inputs).__name__}")
