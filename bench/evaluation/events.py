"""The story of one score of an event task: shards -> clips -> frames -> probe -> segments -> F1 -> Score.

A row of the result is a segment: targets [M, C] and predictions [S, M, C] of 0 and 1, keys
``<clip>@<segment>``. Segments of a clip are not independent, so clips are the clusters that are resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import FramedClips, build_fit_splits, collect_frames, compute_missing_rate, read_labels
from bench.evaluation.inputs import SplitRows as OfSplit
from bench.evaluation.scores import EvalContext, Evaluation, build_score, concat_folds, held_out_rows, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import ScoredPredictions, compute_by_fold
from bench.scoring.segments import EventTargets, select_audible
from bench.types import DataError, Events, FitSplit, OfCounts, Predictions, Probe, ProbeResult, Settings, Task
from bench.xares.segments import XaresEventTargets, pad_to_batches

CountsMetric = Callable[[NDArray[Any]], NDArray[np.float64]]
CEILING = "ceiling"  # what this encoder's frames, each answered perfectly, would score: the price of a long hop


@dataclass(frozen=True, slots=True)
class LabelledEvents:
    """All clips of an event task: what its probes work on."""

    task: Task
    data: Dataset
    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D], views of memory maps
    targets: EventTargets | XaresEventTargets
    keys: tuple[str, ...]
    problems: tuple[FitSplit, ...]
    rates: Mapping[str, float]


def embed_events(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledEvents:
    """Frames, targets and problems of an event task. Raises DataError for events that are not what they should be."""
    _require_events(task), _require_counts_metric(task)  # raise before anything is encoded
    clips, of_split = collect_frames(task, data, loaded, settings, progress)
    parts = build_fit_splits(task, of_split)
    rates = {"missing": compute_missing_rate(task, data, of_split, clips.keys)}
    targets: EventTargets | XaresEventTargets
    if task.protocol == "strict":
        targets, rates["late events"] = _build_strict_targets(task, clips, of_split)
        rates |= clips.wide
    else:
        hop_in_ms = float(loaded.encoder.hop_size_in_ms)
        targets, rates["events left out"] = _build_xares_targets(task, clips, of_split, parts, hop_in_ms)
    return LabelledEvents(task, data, clips.frames, targets, clips.keys, parts, rates)


def _build_strict_targets(task: Task, clips: FramedClips, of_split: OfSplit) -> tuple[EventTargets, float]:
    """The targets, and the fraction of clips with an event that begins after their audio."""
    told = read_labels(task, of_split, clips.keys, clips.sidecars, task.target)
    heard = [select_audible(events, float(seconds)) for events, seconds in zip(told, clips.seconds, strict=True)]
    targets = EventTargets(
        events=[events for events, _ in heard],
        spans=list(clips.spans),
        seconds=clips.seconds,
        segment_in_s=_require_events(task).segment_in_s,
        n_classes=task.target.n_classes,
        score=task.metric.compute,
    )
    return targets, sum(count > 0 for _, count in heard) / len(heard)


def _build_xares_targets(
    task: Task, clips: FramedClips, of_split: OfSplit, parts: Sequence[FitSplit], hop_in_ms: float
) -> tuple[XaresEventTargets, float]:
    """The targets of protocol xares, and the fraction of clips with an event of a class that is left out.

    Where a clip is validated or tested it is in a batch with its neighbours, filled up to the longest of them.
    """
    known = _require_events(task)
    told = read_labels(
        task,
        of_split,
        clips.keys,
        clips.sidecars,
        replace(known, classes=(*known.classes, *task.xares.left_out)),
    )
    rows = [np.array([tuple(event) for event in events], dtype=np.float64).reshape(-1, 3) for events in told]
    lengths = np.array([len(frames) for frames in clips.frames])
    batch_size = max(int(getattr(probe, "batch_size", 1)) for probe in task.probes)
    for own in [own for part in parts for own in (part.valid, part.test) if own is not None]:
        lengths[own] = pad_to_batches(np.array([len(clips.frames[row]) for row in own]), batch_size)
    targets = XaresEventTargets(
        events=[events[events[:, 2] < known.n_classes] for events in rows],
        lengths=lengths,
        seconds=clips.seconds,
        hop_in_ms=hop_in_ms,
        segment_in_s=known.segment_in_s,
        n_classes=known.n_classes,
        score=task.metric.compute,
        labels_in_s=task.xares.labels_in_s,
    )
    return targets, sum(bool((events[:, 2] >= known.n_classes).any()) for events in rows) / len(rows)


def _require_events(task: Task) -> Events:
    if not isinstance(task.target, Events):
        raise DataError("no event task", got=type(task.target).__name__, expected="Events", where=task.name)
    return task.target


def _require_counts_metric(task: Task) -> CountsMetric:
    if not isinstance(task.metric.resampling, OfCounts):
        raise DataError("metric of events", got=task.metric.name, expected="a metric of counts", where=task.name)
    return task.metric.resampling.compute


def evaluate_events(labelled: LabelledEvents, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Fit ``probe`` on the frames of a task and score it on segments. ``n`` counts segments, ``clusters`` clips."""
    task, metric, targets = labelled.task, labelled.task.metric, labelled.targets
    asked = EvalContext(task, labelled.data, loaded, probe, settings, float(targets.seconds.sum()) / 3600)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return metric.compute(np.concatenate([targets.label_segments(clip) for clip in problem.test.tolist()]), row)

    results = run_probe(asked, labelled.frames, targets, labelled.problems, quality, None)
    answers = _collect_answers(labelled, results)
    perfect = np.concatenate(
        [
            targets.pool_answers(clip, targets.label_frames(clip))
            for problem in labelled.problems
            for clip in problem.test.tolist()
        ]
    )
    ceiling = compute_by_fold(metric, answers.targets, perfect, answers.folds).mean().item()
    majority = _compute_majority(labelled, _require_counts_metric(task))
    return build_score(asked, answers, results, labelled.rates, majority=majority, further={CEILING: ceiling})


def _collect_answers(labelled: LabelledEvents, results: Sequence[ProbeResult]) -> ScoredPredictions:
    """The segments of all test clips, one clip after another."""
    clips, folds = held_out_rows(labelled.problems)
    truths = [labelled.targets.label_segments(clip) for clip in clips.tolist()]
    sizes = [len(truth) for truth in truths]
    with_rows = [size for size in sizes if size]  # in protocol xares a clip may be too short for a segment
    return ScoredPredictions(
        tuple(f"{labelled.keys[clip]}@{k}" for clip, size in zip(clips, sizes, strict=True) for k in range(size)),
        np.concatenate(truths),
        concat_folds(results),
        np.repeat(folds, sizes),
        np.repeat(np.arange(len(with_rows)), with_rows),
        tuple(map(str, _require_events(labelled.task).classes)),
    )


def _compute_majority(labelled: LabelledEvents, of_counts: CountsMetric) -> float:
    """The metric of the constant answer (the same classes in every segment) that does best in training."""
    values = []
    for problem in labelled.problems:
        train, test = (_count_constant_answers(labelled.targets, clips) for clips in (problem.train, problem.test))
        order = np.argsort(-train[:, 0, 0], kind="stable")
        said = np.zeros((len(order), len(order)), dtype=np.int64)  # the most frequent class, the two most frequent, ...
        said[:, order] = np.tri(len(order), dtype=np.int64)
        classes = np.arange(len(order))
        best = int(np.argmax(np.nan_to_num(of_counts(train[classes, 1 - said]))))
        values.append(float(of_counts(test[classes, 1 - said[best]])))
    return float(np.mean(values))


def _count_constant_answers(targets: EventTargets | XaresEventTargets, clips: NDArray[np.int64]) -> NDArray[np.int64]:
    """[C, 2, 3] hits, false alarms and misses of always answering yes (0) or no (1) for a class."""
    truths = [targets.label_segments(clip) for clip in clips.tolist()]
    active = np.sum([truth.sum(axis=0, dtype=np.int64) for truth in truths], axis=0)
    silent, none = sum(map(len, truths)) - active, np.zeros_like(active)
    return np.stack([np.stack([active, silent, none], axis=1), np.stack([none, none, active], axis=1)], axis=1)
