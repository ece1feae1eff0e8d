"""The part that labelled tasks of all kinds share, and how rows of clips become scored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.inputs import TaskRows
from bench.evaluation.scores import EvalContext, concat_folds, list_held_out_rows
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import ScoredPredictions
from bench.types import FitSplit, Probe, ProbeResult, Settings, Task


@dataclass(frozen=True, slots=True)
class LabelledTask:
    """The N rows of a task and the fits on them. Each kind of question adds its embeddings or frames and targets."""

    rows: TaskRows
    problems: tuple[FitSplit, ...]
    clusters: NDArray[np.int64] | None  # [N] rows that are resampled together
    seconds: NDArray[np.float64]  # [N]
    rates: Mapping[str, float]  # fractions of clips that were skipped, cut, ...

    @property
    def task(self) -> Task:
        return self.rows.task

    def build_context(self, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> EvalContext:
        """Return the case of a probe on this task."""
        hours = float(self.seconds.sum()) / 3600
        return EvalContext(self.task, self.rows.data, loaded, probe, settings, hours)


def collect_answers(
    labelled: LabelledTask, targets: NDArray[Any], results: Sequence[ProbeResult], classes: tuple[str, ...]
) -> ScoredPredictions:
    """Return the predictions for all test rows, one fold after another, with their ``targets`` of [N, ...]."""
    order, folds = list_held_out_rows(labelled.problems)
    return ScoredPredictions(
        tuple(labelled.rows.keys[row] for row in order),
        targets[order],
        concat_folds(results),
        folds,
        None if labelled.clusters is None else labelled.clusters[order],
        classes,
    )
