"""The story of one score: shards -> clips -> batches -> embeddings -> probe -> metric -> Score."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import Dataset, check_complete, names
from bench.engine.local import Frozen
from bench.extract import Progress, extract
from bench.metrics import balanced_accuracy
from bench.stats import bootstrap_ci, bootstrap_statistic, bootstrap_weighted, by_seed_and_fold
from bench.store import Store
from bench.types import (
    DataError,
    Embeddings,
    Folds,
    Metric,
    Predictions,
    Probe,
    Problem,
    Score,
    Settings,
    Targets,
    Task,
)

RESAMPLES = 2000
FEWER_RESAMPLES = 1000  # of a metric that is no mean over clips, and slower to resample


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A score and the per-clip proof of it, in the order of the test clips."""

    score: Score
    keys: tuple[str, ...]
    targets: Targets  # [n], or k-hot [n, C]
    predictions: Predictions  # [S, n] class indices, or [S, n, C] scores
    folds: NDArray[np.int64]  # [n] which problem tested the clip
    clusters: NDArray[np.int64] | None  # [n]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """All clips of a task: what its probes work on."""

    task: Task
    data: Dataset
    embeddings: Embeddings
    targets: Targets
    problems: tuple[Problem, ...]
    clusters: NDArray[np.int64] | None


def embed(task: Task, data: Dataset, frozen: Frozen, settings: Settings, progress: Progress) -> Labelled:
    """Embeddings, targets and problems of a task. Raises DataError for labels that are missing, unknown or too few."""
    store = Store(settings.cache)
    parts: dict[str, Embeddings] = {}
    for name in names(task):
        parts[name] = extract(
            data.splits[name],
            frozen,
            crop_in_s=task.crop_in_s,
            store=store,
            threads=settings.threads,
            progress=progress,
        )
        check_complete(task, data, name, len(parts[name].keys), settings.suite)
    targets = np.concatenate([_targets(task, name, part) for name, part in parts.items()])
    sidecars = [sidecar for part in parts.values() for sidecar in part.sidecars]
    everything = Embeddings(
        np.concatenate([part.vectors for part in parts.values()]),
        tuple(key for part in parts.values() for key in part.keys),
        np.concatenate([part.seconds for part in parts.values()]),
        tuple(sidecars),
    )
    rows, start = {}, 0
    for name, part in parts.items():
        rows[name] = np.arange(start, start + len(part.keys))
        start += len(part.keys)
    return Labelled(task, data, everything, targets, problems(task, rows), _clusters(task, sidecars))


def problems(task: Task, rows: Mapping[str, NDArray[np.int64]]) -> tuple[Problem, ...]:
    """The fits of a task. A validation split that is also the test split is not used for selection."""
    if isinstance(task.split, Folds):
        return tuple(
            Problem(np.concatenate([rows[other] for other in rows if other != name]), None, rows[name]) for name in rows
        )
    split = task.split
    selectable = split.valid is not None and task.shards.patterns[split.valid] != task.shards.patterns[split.test]
    return (Problem(rows[split.train], rows[split.valid] if selectable and split.valid else None, rows[split.test]),)


def _targets(task: Task, split: str, part: Embeddings) -> Targets:
    return task.target.stack(
        [
            task.target(sidecar, f"{task.name}/{split}:{key}")
            for key, sidecar in zip(part.keys, part.sidecars, strict=True)
        ]
    )


def _clusters(task: Task, sidecars: Sequence[Mapping[str, Any]]) -> NDArray[np.int64] | None:
    if task.cluster is None or not any(task.cluster in sidecar for sidecar in sidecars):
        return None
    missing = sum(task.cluster not in sidecar for sidecar in sidecars)
    if missing:
        got = f"{missing} of {len(sidecars)} sidecars without it"
        raise DataError(f"cluster key {task.cluster!r}", got=got, expected="all or none", where=task.name)
    values = [str(sidecar[task.cluster]) for sidecar in sidecars]
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def evaluate(labelled: Labelled, frozen: Frozen, probe: Probe, settings: Settings) -> Evaluated:
    """Fit ``probe`` on the embeddings of a task and score it."""
    task = labelled.task
    seeds = settings.seeds if probe.seeded else ()
    n_classes = task.target.n_classes
    results = probe.run(
        labelled.embeddings.vectors,
        labelled.targets,
        labelled.problems,
        n_classes=n_classes,
        seeds=seeds or (0,),
        device=frozen.device,
    )
    order = np.concatenate([problem.test for problem in labelled.problems])
    folds = np.concatenate([np.full(len(p.test), i) for i, p in enumerate(labelled.problems)])
    targets = labelled.targets[order]
    predictions = np.concatenate([result.predictions for result in results], axis=1)
    clusters = None if labelled.clusters is None else labelled.clusters[order]
    values = [by_fold(task.metric, targets, row, folds) for row in predictions]
    value = float(np.mean([fold_values.mean() for fold_values in values]))
    metric, chance = task.metric, _chance(task.metric, targets, folds, n_classes)
    score = Score(
        task=task.name,
        version=task.version,
        domain=task.domain,
        encoder=frozen.name,
        fingerprint=frozen.fingerprint,
        suite=settings.suite,
        protocol=settings.protocol,
        probe=probe.name,
        metric=metric.name,
        value=value,
        normalized=(value - metric.worst) / (metric.best - metric.worst),
        chance_corrected=(value - chance) / (metric.best - chance),
        ci95=interval(metric, targets, predictions, folds, clusters),
        n=len(targets),
        clusters=None if clusters is None else len(np.unique(clusters)),
        weight=float(task.weight),
        chance=chance,
        majority=_majority(labelled),
        seeds=seeds,
        seed_values=tuple(float(fold_values.mean()) for fold_values in values) if seeds else (),
        secondary=_secondary(metric, targets, predictions, folds),
        data=labelled.data.described(round(float(labelled.embeddings.seconds.sum()) / 3600, 6), n_classes),
        rates={"missing": 0.0},
        subsets=subsets(task, values),
        predictions=f"predictions/{safe(task.name)}.{safe(frozen.name)}.{safe(probe.name)}.safetensors",
        device=frozen.device.partition(":")[0],
        precision=frozen.precision,
        policy=frozen.policy,
        certified=frozen.certificate.passed,
        private=task.private,
    )
    keys = tuple(labelled.embeddings.keys[row] for row in order)
    classes = tuple(map(str, getattr(task.target, "classes", range(n_classes))))
    return Evaluated(score, keys, targets, predictions, folds, clusters, classes)


def by_fold(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The metric in each fold, [F]; a score is their unweighted mean."""
    return np.array([metric.compute(targets[folds == fold], predictions[folds == fold]) for fold in np.unique(folds)])


def interval(
    metric: Metric,
    targets: Targets,
    predictions: Predictions,
    folds: NDArray[np.int64],
    clusters: NDArray[np.int64] | None,
) -> tuple[float, float]:
    """95% bootstrap interval of the mean over seeds of the metric, resampling clips or whole clusters."""
    bounds = (min(metric.worst, metric.best), max(metric.worst, metric.best))
    how: dict[str, Any] = {"clusters": clusters, "seed": 0, "bounds": bounds}
    if metric.per_clip is not None:
        per_clip = np.mean([metric.per_clip(targets, row) for row in predictions], axis=0)
        low, high = bootstrap_ci(per_clip, folds=folds, resamples=RESAMPLES, **how)
    else:
        how |= {"resamples": FEWER_RESAMPLES, "centred": metric.centred}
        if metric.weighted is not None:
            values = by_seed_and_fold(metric.weighted, targets, predictions, folds)
            low, high = bootstrap_weighted(values, len(targets), **how)
        else:
            low, high = bootstrap_statistic(metric.compute, targets, predictions, folds=folds, **how)
    return float(low), float(high)


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


def _secondary(
    metric: Metric, targets: Targets, predictions: Predictions, folds: NDArray[np.int64]
) -> dict[str, float]:
    if metric.name != "accuracy":
        return {}
    values = [by_fold(balanced_accuracy, targets, row, folds).mean() for row in predictions]
    return {balanced_accuracy.name: float(np.mean(values))}


def subsets(task: Task, values: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """The mean over seeds of each fold's value, [F] each; nothing for a task without folds."""
    if not isinstance(task.split, Folds):
        return {}
    means = np.mean(values, axis=0)
    return {f"fold {name}": float(value) for name, value in zip(task.split.names, means, strict=True)}


def safe(name: str) -> str:
    """A name as part of a file name; two different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
