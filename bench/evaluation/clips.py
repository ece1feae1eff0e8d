"""The pipeline of classification: shards -> clips -> batches -> embeddings -> probe -> metric -> score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.datasets.dataset import Dataset
from bench.evaluation.class_checks import check_classes, compute_contradiction_rate
from bench.evaluation.inputs import collect_embeddings
from bench.evaluation.labelled import LabelledTask, collect_answers
from bench.evaluation.leakage import compute_leak_rate
from bench.evaluation.scores import Evaluation, build_score, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.types import Embeddings, FitSplit, Predictions, Probe, Settings, Targets, Task


@dataclass(frozen=True, slots=True)
class LabelledClips(LabelledTask):
    """The embeddings and labels of a classification task."""

    embeddings: Embeddings
    targets: Targets


def embed_clips(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledClips:
    """Return the embeddings, targets and fits of a task.

    Raises:
        DataError: If labels are missing, unknown, or all the same in training or test.
    """
    embeddings, rows = collect_embeddings(task, data, loaded, settings, progress)
    targets = task.target.stack(rows.read_labels(task.target))
    clusters = rows.read_clusters()
    if clusters is None:
        clusters = rows.group_crops_by_clip()
    splits = rows.build_fit_splits()
    rates = rows.rates | check_classes(task, targets, splits) | compute_leak_rate(rows, splits)
    rates |= compute_contradiction_rate(rows.digests, targets)
    return LabelledClips(rows, splits, clusters, embeddings.seconds, rates, embeddings, targets)


def evaluate_clips(labelled: LabelledClips, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Fit ``probe`` on the embeddings of a task and score it."""
    task, targets = labelled.task, labelled.targets
    context = labelled.build_context(loaded, probe, settings)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(targets[problem.test], row)

    results = run_probe(context, labelled.embeddings.vectors, targets, labelled.problems, quality, labelled.clusters)
    classes = tuple(map(str, getattr(task.target, "classes", range(task.target.n_classes))))
    answers = collect_answers(labelled, targets, results, classes)
    return build_score(context, answers, results, labelled.rates, majority=_compute_majority(labelled))


def _compute_majority(labelled: LabelledClips) -> float:
    """Return the metric of one answer for all clips of a fold, the best guess from its training labels."""
    values = []
    for problem in labelled.problems:
        train, test = labelled.targets[problem.train], labelled.targets[problem.test]
        if train.ndim == 1:
            answers = np.full(len(test), np.bincount(train).argmax())
        else:
            answers = np.tile(train.mean(axis=0).astype(np.float32), (len(test), 1))
        values.append(labelled.task.metric.compute(test, answers))
    return float(np.mean(values))
