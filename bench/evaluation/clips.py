"""The story of one score: shards -> clips -> batches -> embeddings -> probe -> metric -> Score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.gather import clusters, gather, labels, lost, problems, repeated
from bench.evaluation.rows import Asked, Evaluated, answered, evaluated, stacked, tested
from bench.extraction.engine.local import Frozen
from bench.extraction.pooled import Progress
from bench.scoring.measure import Answers
from bench.types import Embeddings, Predictions, Probe, Problem, Settings, Targets, Task


@dataclass(frozen=True, slots=True)
class Labelled:
    """All clips of a task: what its probes work on."""

    task: Task
    data: Dataset
    embeddings: Embeddings
    targets: Targets
    problems: tuple[Problem, ...]
    clusters: NDArray[np.int64] | None
    missing: float = 0.0  # fraction of clips that were skipped


def embed(task: Task, data: Dataset, frozen: Frozen, settings: Settings, progress: Progress) -> Labelled:
    """Embeddings, targets and problems of a task. Raises DataError for labels that are missing, unknown or too few."""
    embeddings, of_split = gather(task, data, frozen, settings, progress)
    targets = task.target.stack(labels(task, of_split, embeddings.keys, embeddings.sidecars, task.target))
    groups = clusters(task, embeddings.sidecars)
    if groups is None:
        groups = repeated(task, of_split, embeddings.keys)
    missing = lost(task, data, of_split, embeddings.keys)
    return Labelled(task, data, embeddings, targets, problems(task, of_split), groups, missing)


def evaluate(labelled: Labelled, frozen: Frozen, probe: Probe, settings: Settings) -> Evaluated:
    """Fit ``probe`` on the embeddings of a task and score it."""
    task, embeddings, targets = labelled.task, labelled.embeddings, labelled.targets
    asked = Asked(task, labelled.data, frozen, probe, settings, float(embeddings.seconds.sum()) / 3600)

    def quality(problem: Problem, row: Predictions) -> float:
        return task.metric.compute(targets[problem.test], row)

    results = answered(asked, embeddings.vectors, targets, labelled.problems, quality, labelled.clusters)
    order, folds = tested(labelled.problems)
    answers = Answers(
        tuple(embeddings.keys[row] for row in order),
        targets[order],
        stacked(results),
        folds,
        None if labelled.clusters is None else labelled.clusters[order],
        tuple(map(str, getattr(task.target, "classes", range(task.target.n_classes)))),
    )
    return evaluated(asked, answers, results, {"missing": labelled.missing}, majority=_majority(labelled))


def _majority(labelled: Labelled) -> float:
    """The metric of one answer for all clips of a fold: what its training set says without listening."""
    values = []
    for problem in labelled.problems:
        train, test = labelled.targets[problem.train], labelled.targets[problem.test]
        if train.ndim == 1:
            answers = np.full(len(test), np.bincount(train).argmax())
        else:
            answers = np.tile(train.mean(axis=0).astype(np.float32), (len(test), 1))
        values.append(labelled.task.metric.compute(test, answers))
    return float(np.mean(values))
