"""The story of one score: shards -> clips -> batches -> embeddings -> probe -> metric -> Score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import (
    build_fit_splits,
    collect_embeddings,
    compute_missing_rate,
    group_crops_by_clip,
    read_clusters,
    read_labels,
)
from bench.evaluation.scores import EvalContext, Evaluation, build_score, concat_folds, held_out_rows, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import ScoredPredictions
from bench.types import Embeddings, FitSplit, Predictions, Probe, Settings, Targets, Task


@dataclass(frozen=True, slots=True)
class LabelledClips:
    """All clips of a task: what its probes work on."""

    task: Task
    data: Dataset
    embeddings: Embeddings
    targets: Targets
    problems: tuple[FitSplit, ...]
    clusters: NDArray[np.int64] | None
    missing: float = 0.0  # fraction of clips that were skipped


def embed_clips(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledClips:
    """Embeddings, targets and problems of a task. Raises DataError for labels that are missing, unknown or too few."""
    embeddings, of_split = collect_embeddings(task, data, loaded, settings, progress)
    targets = task.target.stack(read_labels(task, of_split, embeddings.keys, embeddings.sidecars, task.target))
    groups = read_clusters(task, embeddings.sidecars)
    if groups is None:
        groups = group_crops_by_clip(task, of_split, embeddings.keys)
    missing = compute_missing_rate(task, data, of_split, embeddings.keys)
    return LabelledClips(task, data, embeddings, targets, build_fit_splits(task, of_split), groups, missing)


def evaluate_clips(labelled: LabelledClips, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Fit ``probe`` on the embeddings of a task and score it."""
    task, embeddings, targets = labelled.task, labelled.embeddings, labelled.targets
    asked = EvalContext(task, labelled.data, loaded, probe, settings, float(embeddings.seconds.sum()) / 3600)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(targets[problem.test], row)

    results = run_probe(asked, embeddings.vectors, targets, labelled.problems, quality, labelled.clusters)
    order, folds = held_out_rows(labelled.problems)
    answers = ScoredPredictions(
        tuple(embeddings.keys[row] for row in order),
        targets[order],
        concat_folds(results),
        folds,
        None if labelled.clusters is None else labelled.clusters[order],
        tuple(map(str, getattr(task.target, "classes", range(task.target.n_classes)))),
    )
    return build_score(asked, answers, results, {"missing": labelled.missing}, majority=_compute_majority(labelled))


def _compute_majority(labelled: LabelledClips) -> float:
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
