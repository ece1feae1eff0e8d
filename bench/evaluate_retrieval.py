"""The story of one score of a retrieval task: shards -> clips -> embeddings -> two towers -> ranks -> recall -> Score.

A row of the result is a query: first the test clips, whose right answers are their captions, then the captions, whose
right answers are their clips; keys ``<clip>`` and ``<clip>@<number of the caption>``. A clip and its captions are one
cluster, since they stand or fall together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import rows
from bench.data import Dataset
from bench.engine.local import Frozen
from bench.evaluate import subsets
from bench.extract import Progress
from bench.gather import clusters, gather, labels, lost, problems
from bench.layer_curve import chosen, curve, on_layers
from bench.metrics.retrieval import KINDS, kinds
from bench.rows import Evaluated, Measured
from bench.scoring import by_fold, interval, secondary
from bench.types import (
    Captions,
    DataError,
    Embeddings,
    Predictions,
    Probe,
    ProbeResult,
    Problem,
    Settings,
    Targets,
    Task,
)


@dataclass(frozen=True, slots=True)
class LabelledCaptions:
    """All clips of a retrieval task: what its probes work on."""

    task: Task
    data: Dataset
    embeddings: Embeddings
    captions: Targets  # N tuples of texts
    problems: tuple[Problem, ...]
    clusters: NDArray[np.int64]  # [N]
    missing: float  # fraction of clips that were skipped


def embed_captions(
    task: Task, data: Dataset, frozen: Frozen, settings: Settings, progress: Progress
) -> LabelledCaptions:
    """Embeddings, captions and problems of a task. Raises DataError for captions that are missing or no texts."""
    if not isinstance(task.target, Captions):
        raise DataError("no retrieval task", got=type(task.target).__name__, expected="Captions", where=task.name)
    embeddings, of_split = gather(task, data, frozen, settings, progress)
    captions = task.target.stack(labels(task, of_split, embeddings.keys, embeddings.sidecars, task.target))
    groups = clusters(task, embeddings.sidecars)
    own = np.arange(len(captions)) if groups is None else groups
    missing = lost(task, data, of_split, embeddings.keys)
    return LabelledCaptions(task, data, embeddings, captions, problems(task, of_split), own, missing)


def evaluate_captions(labelled: LabelledCaptions, frozen: Frozen, probe: Probe, settings: Settings) -> Evaluated:
    """Fit ``probe`` on the clips and captions of a task and score it. ``n`` counts queries, ``clusters`` clips."""
    task, metric = labelled.task, labelled.task.metric

    def quality(problem: Problem, row: Predictions) -> float:
        return metric.compute(kinds(len(problem.test), len(row) - len(problem.test)), row)

    results = on_layers(probe, frozen, quality, labelled.clusters).run(
        labelled.embeddings.vectors,
        labelled.captions,
        labelled.problems,
        n_classes=task.target.n_classes,
        seeds=settings.seeds if probe.seeded else (0,),
        device=frozen.device,
    )
    found = _queries(labelled, results)
    values = [by_fold(metric, found.targets, row, found.folds) for row in found.predictions]
    chance = float(np.mean([metric.chance(found.targets[found.folds == fold], 0) for fold in np.unique(found.folds)]))
    measured = Measured(
        value=float(np.mean([fold_values.mean() for fold_values in values])),
        ci95=interval(metric, found.targets, found.predictions, found.folds, found.clusters),
        n=len(found.targets),
        clusters=len(np.unique(found.clusters)),
        chance=chance,
        majority=chance,  # one order of answers for all queries is as good as any: each clip comes first once
        seed_values=tuple(float(fold_values.mean()) for fold_values in values),
        hours=float(labelled.embeddings.seconds.sum()) / 3600,
        n_classes=task.target.n_classes,
        secondary=secondary(metric, found.targets, found.predictions, found.folds) | chosen(results),
        rates={"missing": labelled.missing},
        subsets=subsets(task, values)
        | curve(results, lambda row: by_fold(metric, found.targets, row, found.folds).mean()),
    )
    return Evaluated(
        rows.score(task, labelled.data, frozen, probe, settings, measured),
        found.keys,
        found.targets,
        found.predictions,
        found.folds,
        found.clusters,
        KINDS,
        ranks=True,
    )


@dataclass(frozen=True, slots=True)
class Queries:
    """All queries, one fold after another."""

    keys: tuple[str, ...]
    targets: NDArray[np.int64]  # [Q] kinds
    predictions: NDArray[np.int64]  # [S, Q] ranks
    folds: NDArray[np.int64]  # [Q]
    clusters: NDArray[np.int64]  # [Q]


def _queries(labelled: LabelledCaptions, results: list[ProbeResult]) -> Queries:
    keys, targets, folds, owners = [], [], [], []
    for fold, problem in enumerate(labelled.problems):
        counts = [len(labelled.captions[clip]) for clip in problem.test]
        names = [labelled.embeddings.keys[clip] for clip in problem.test]
        keys += names + [f"{name}@{k}" for name, count in zip(names, counts, strict=True) for k in range(count)]
        targets.append(kinds(len(counts), sum(counts)))
        folds.append(np.full(len(targets[-1]), fold))
        owners += [problem.test, np.repeat(problem.test, counts)]
    return Queries(
        tuple(keys),
        np.concatenate(targets),
        np.concatenate([result.predictions for result in results], axis=1),
        np.concatenate(folds),
        labelled.clusters[np.concatenate(owners)],
    )
