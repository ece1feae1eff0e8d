"""The pipeline of retrieval: shards -> clips -> embeddings -> two towers -> ranks -> recall -> score.

A row of the result is a query: first the test clips, whose right answers are their captions, then the captions, whose
right answers are their clips; keys ``<clip>`` and ``<clip>@<number of the caption>``. A clip and its captions are one
cluster, since they stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import collect_embeddings
from bench.evaluation.labelled import LabelledTask
from bench.evaluation.leakage import compute_leak_rate
from bench.evaluation.scores import Evaluation, build_score, concat_folds, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.metrics.retrieval import KINDS, list_kinds
from bench.scoring.measure import ScoredPredictions
from bench.types import (
    Captions,
    DataError,
    Embeddings,
    FitSplit,
    Predictions,
    Probe,
    ProbeResult,
    Settings,
    Targets,
    Task,
)


@dataclass(frozen=True, slots=True)
class LabelledCaptions(LabelledTask):
    """The embeddings and captions of a retrieval task."""

    embeddings: Embeddings
    captions: Targets  # N tuples of texts


def embed_captions(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledCaptions:
    """Return the embeddings, captions and fits of a task.

    Raises:
        DataError: If captions are missing or are no texts.
    """
    if not isinstance(task.target, Captions):
        raise DataError("no retrieval task", got=type(task.target).__name__, expected="Captions", where=task.name)
    embeddings, rows = collect_embeddings(task, data, loaded, settings, progress)
    captions = task.target.stack(rows.read_labels(task.target))
    clusters = rows.read_clusters()
    if clusters is None:
        clusters = np.arange(len(captions))
    splits = rows.build_fit_splits()
    rates = rows.rates | compute_leak_rate(rows, splits)
    return LabelledCaptions(rows, splits, clusters, embeddings.seconds, rates, embeddings, captions)


def evaluate_captions(
    labelled: LabelledCaptions, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> Evaluation:
    """Fit ``probe`` on the clips and captions of a task and score it. ``n`` counts queries, ``clusters`` clips."""
    task = labelled.task
    context = labelled.build_context(loaded, probe, settings)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(list_kinds(len(problem.test), len(row) - len(problem.test)), row)

    results = run_probe(
        context, labelled.embeddings.vectors, labelled.captions, labelled.problems, quality, labelled.clusters
    )
    # One order of answers for all queries is as good as any, each clip comes first once: the majority is chance.
    return build_score(context, _collect_answers(labelled, results), results, labelled.rates)


def _collect_answers(labelled: LabelledCaptions, results: Sequence[ProbeResult]) -> ScoredPredictions:
    """Return the ranks of all queries, one fold after another."""
    clusters = np.arange(len(labelled.captions)) if labelled.clusters is None else labelled.clusters
    keys, targets, folds, owners = [], [], [], []
    for fold, problem in enumerate(labelled.problems):
        counts = [len(labelled.captions[clip]) for clip in problem.test]
        names = [labelled.embeddings.keys[clip] for clip in problem.test]
        keys += names + [f"{name}@{k}" for name, count in zip(names, counts, strict=True) for k in range(count)]
        targets.append(list_kinds(len(counts), sum(counts)))
        folds.append(np.full(len(targets[-1]), fold))
        owners += [problem.test, np.repeat(problem.test, counts)]
    return ScoredPredictions(
        tuple(keys),
        np.concatenate(targets),
        concat_folds(results),
        np.concatenate(folds),
        clusters[np.concatenate(owners)],
        KINDS,
        ranks=True,
    )
