"""The story of one score: shards -> clips -> batches -> embeddings -> probe -> metric -> Score."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import rows
from bench.data import Dataset
from bench.engine.local import Frozen
from bench.extract import Progress
from bench.gather import clusters, gather, labels, lost, problems, repeated
from bench.layer_curve import chosen, curve, on_layers
from bench.rows import Evaluated, Measured
from bench.scoring import by_fold, interval, secondary
from bench.types import Embeddings, Folds, Metric, Predictions, Probe, Problem, Settings, Targets, Task


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
    task = labelled.task
    n_classes = task.target.n_classes

    def quality(problem: Problem, row: Predictions) -> float:
        return task.metric.compute(labelled.targets[problem.test], row)

    results = on_layers(probe, frozen, quality, labelled.clusters).run(
        labelled.embeddings.vectors,
        labelled.targets,
        labelled.problems,
        n_classes=n_classes,
        seeds=settings.seeds if probe.seeded else (0,),
        device=frozen.device,
    )
    order = np.concatenate([problem.test for problem in labelled.problems])
    folds = np.concatenate([np.full(len(p.test), i) for i, p in enumerate(labelled.problems)])
    targets = labelled.targets[order]
    predictions = np.concatenate([result.predictions for result in results], axis=1)
    own_clusters = None if labelled.clusters is None else labelled.clusters[order]
    values = [by_fold(task.metric, targets, row, folds) for row in predictions]
    measured = Measured(
        value=float(np.mean([fold_values.mean() for fold_values in values])),
        ci95=interval(task.metric, targets, predictions, folds, own_clusters),
        n=len(targets),
        clusters=None if own_clusters is None else len(np.unique(own_clusters)),
        chance=_chance(task.metric, targets, folds, n_classes),
        majority=_majority(labelled),
        seed_values=tuple(float(fold_values.mean()) for fold_values in values),
        hours=float(labelled.embeddings.seconds.sum()) / 3600,
        n_classes=n_classes,
        secondary=secondary(task.metric, targets, predictions, folds) | chosen(results),
        rates={"missing": labelled.missing},
        subsets=subsets(task, values) | curve(results, lambda row: by_fold(task.metric, targets, row, folds).mean()),
    )
    return Evaluated(
        rows.score(task, labelled.data, frozen, probe, settings, measured),
        tuple(labelled.embeddings.keys[row] for row in order),
        targets,
        predictions,
        folds,
        own_clusters,
        tuple(map(str, getattr(task.target, "classes", range(n_classes)))),
    )


def _chance(metric: Metric, targets: Targets, folds: NDArray[np.int64], n_classes: int) -> float:
    """Mean over folds, exact so that equal ones give the same number."""
    return statistics.mean([float(metric.chance(targets[folds == fold], n_classes)) for fold in np.unique(folds)])


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


def subsets(task: Task, values: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """The mean over seeds of each fold's value, [F] each; nothing for a task without folds."""
    if not isinstance(task.split, Folds):
        return {}
    means = np.mean(values, axis=0)
    return {f"fold {name}": float(value) for name, value in zip(task.split.names, means, strict=True)}
