"""The story of one score of a retrieval task: shards -> clips -> embeddings -> two towers -> ranks -> recall -> Score.

A row of the result is a query: first the test clips, whose right answers are their captions, then the captions, whose
right answers are their clips; keys ``<clip>`` and ``<clip>@<number of the caption>``. A clip and its captions are one
cluster, since they stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import (
    build_fit_splits,
    collect_embeddings,
    compute_missing_rate,
    read_clusters,
    read_labels,
)
from bench.evaluation.scores import EvalContext, Evaluation, build_score, concat_folds, run_probe
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
class LabelledCaptions:
    """All clips of a retrieval task: what its probes work on."""

    task: Task
    data: Dataset
    embeddings: Embeddings
    captions: Targets  # N tuples of texts
    problems: tuple[FitSplit, ...]
    clusters: NDArray[np.int64]  # [N]
    missing: float  # fraction of clips that were skipped


def embed_captions(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledCaptions:
    """Embeddings, captions and problems of a task. Raises DataError for captions that are missing or no texts."""
    if not isinstance(task.target, Captions):
        raise DataError("no retrieval task", got=type(task.target).__name__, expected="Captions", where=task.name)
    embeddings, of_split = collect_embeddings(task, data, loaded, settings, progress)
    captions = task.target.stack(read_labels(task, of_split, embeddings.keys, embeddings.sidecars, task.target))
    groups = read_clusters(task, embeddings.sidecars)
    own = np.arange(len(captions)) if groups is None else groups
    missing = compute_missing_rate(task, data, of_split, embeddings.keys)
    return LabelledCaptions(task, data, embeddings, captions, build_fit_splits(task, of_split), own, missing)


def evaluate_captions(
    labelled: LabelledCaptions, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> Evaluation:
    """Fit ``probe`` on the clips and captions of a task and score it. ``n`` counts queries, ``clusters`` clips."""
    task, embeddings = labelled.task, labelled.embeddings
    asked = EvalContext(task, labelled.data, loaded, probe, settings, float(embeddings.seconds.sum()) / 3600)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(list_kinds(len(problem.test), len(row) - len(problem.test)), row)

    results = run_probe(asked, embeddings.vectors, labelled.captions, labelled.problems, quality, labelled.clusters)
    # One order of answers for all queries is as good as any, each clip comes first once: the majority is chance.
    return build_score(asked, _collect_answers(labelled, results), results, {"missing": labelled.missing})


def _collect_answers(labelled: LabelledCaptions, results: Sequence[ProbeResult]) -> ScoredPredictions:
    """All queries, one fold after another."""
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
        labelled.clusters[np.concatenate(owners)],
        KINDS,
        ranks=True,
    )
