"""The pipeline of event detection: shards -> clips -> frames -> probe -> segments -> F1 -> score.

A row of the result is a segment: targets [M, C] and predictions [S, M, C] of 0 and 1, keys
``<clip>@<segment>``. Segments of a clip are not independent, so clips are the clusters that are resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.class_checks import check_event_classes
from bench.evaluation.inputs import FramedClips, TaskRows, collect_frames
from bench.evaluation.labelled import LabelledTask
from bench.evaluation.leakage import compute_leak_rate
from bench.evaluation.scores import Evaluation, build_score, concat_folds, list_held_out_rows, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import ScoredPredictions, compute_by_fold
from bench.scoring.segments import EventTargets, select_audible
from bench.types import DataError, Events, FitSplit, OfCounts, Predictions, Probe, ProbeResult, Settings, Task
from bench.xares.rules import get_rules
from bench.xares.segments import XaresEventTargets, pad_to_batches

CountsMetric = Callable[[NDArray[Any]], NDArray[np.float64]]
CEILING = "ceiling"  # the score of perfect answers for each of this encoder's frames: the price of a long hop


@dataclass(frozen=True, slots=True)
class LabelledEvents(LabelledTask):
    """The frames and events of an event task."""

    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D], views of memory maps
    targets: EventTargets | XaresEventTargets


def embed_events(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledEvents:
    """Return the frames, targets and fits of an event task.

    Raises:
        DataError: If events are missing, unknown or malformed, or the metric is none of counts.
    """
    check_event_task(task)  # before anything is encoded
    clips, rows = collect_frames(task, data, loaded, settings, progress)
    splits = rows.build_fit_splits()
    rates = rows.rates
    targets: EventTargets | XaresEventTargets
    if get_rules(task.protocol).declares_hop:
        hop_in_ms = float(loaded.encoder.hop_size_in_ms)
        targets, rates["events left out"] = _build_xares_targets(clips, rows, splits, hop_in_ms)
    else:
        targets, rates["late events"] = _build_strict_targets(clips, rows)
    rates |= dict(clips.wide) | compute_leak_rate(rows, splits)
    rates |= check_event_classes(task, _list_classes(targets.events, task.target.n_classes), splits)
    return LabelledEvents(rows, splits, None, clips.seconds, rates, clips.frames, targets)


def _list_classes(events: Sequence[Sequence[Any] | NDArray[Any]], n_classes: int) -> NDArray[np.uint8]:
    """Return the classes that sound in each clip, k-hot [N, C]; an event is onset, offset and class."""
    stacked = np.zeros((len(events), n_classes), dtype=np.uint8)
    for clip, of_clip in enumerate(events):
        stacked[clip, [int(event[2]) for event in of_clip]] = 1
    return stacked


def _build_strict_targets(clips: FramedClips, rows: TaskRows) -> tuple[EventTargets, float]:
    """Return the targets, and the fraction of clips with an event that begins after their audio."""
    task = rows.task
    labels = rows.read_labels(task.target)
    in_audio = [select_audible(events, float(seconds)) for events, seconds in zip(labels, clips.seconds, strict=True)]
    targets = EventTargets(
        events=[events for events, _ in in_audio],
        spans=list(clips.spans),
        seconds=clips.seconds,
        segment_in_s=_require_events(task).segment_in_s,
        n_classes=task.target.n_classes,
        score=task.metric.compute,
    )
    return targets, sum(n_late > 0 for _, n_late in in_audio) / len(in_audio)


def _build_xares_targets(
    clips: FramedClips, rows: TaskRows, splits: Sequence[FitSplit], hop_in_ms: float
) -> tuple[XaresEventTargets, float]:
    """Return the targets of protocol xares, and the fraction of clips with an event of a class that is left out.

    Where a clip is validated or tested it is in a batch with its neighbours, filled up to the longest of them.
    """
    task, target = rows.task, _require_events(rows.task)
    labels = rows.read_labels(replace(target, classes=(*target.classes, *task.xares.left_out)))
    events = [np.array([tuple(event) for event in of_clip], dtype=np.float64).reshape(-1, 3) for of_clip in labels]
    lengths = np.array([len(frames) for frames in clips.frames])
    batch_size = max(int(getattr(probe, "batch_size", 1)) for probe in task.probes)
    for batched in [part for split in splits for part in (split.valid, split.test) if part is not None]:
        lengths[batched] = pad_to_batches(np.array([len(clips.frames[row]) for row in batched]), batch_size)
    targets = XaresEventTargets(
        events=[of_clip[of_clip[:, 2] < target.n_classes] for of_clip in events],
        lengths=lengths,
        seconds=clips.seconds,
        hop_in_ms=hop_in_ms,
        segment_in_s=target.segment_in_s,
        n_classes=target.n_classes,
        score=task.metric.compute,
        labels_in_s=task.xares.labels_in_s,
    )
    return targets, sum(bool((of_clip[:, 2] >= target.n_classes).any()) for of_clip in events) / len(events)


def check_event_task(task: Task) -> None:
    """Raise DataError for a task whose target is not events or whose metric is not one of counts."""
    _require_events(task)
    _require_counts_metric(task)


def _require_events(task: Task) -> Events:
    """Return the target of an event task."""
    if not isinstance(task.target, Events):
        raise DataError("no event task", got=type(task.target).__name__, expected="Events", where=task.name)
    return task.target


def _require_counts_metric(task: Task) -> CountsMetric:
    """Return the metric of an event task as a function of counts."""
    if not isinstance(task.metric.resampling, OfCounts):
        raise DataError("metric of events", got=task.metric.name, expected="a metric of counts", where=task.name)
    return task.metric.resampling.compute


def evaluate_events(labelled: LabelledEvents, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Fit ``probe`` on the frames of a task and score it on segments. ``n`` counts segments, ``clusters`` clips."""
    task, metric, targets = labelled.task, labelled.task.metric, labelled.targets
    context = labelled.build_context(loaded, probe, settings)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return metric.compute(np.concatenate([targets.label_segments(clip) for clip in problem.test.tolist()]), row)

    results = run_probe(context, labelled.frames, targets, labelled.problems, quality, None)
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
    return build_score(context, answers, results, labelled.rates, majority=majority, further={CEILING: ceiling})


def _collect_answers(labelled: LabelledEvents, results: Sequence[ProbeResult]) -> ScoredPredictions:
    """Return the segments of all test clips, one clip after another."""
    clips, folds = list_held_out_rows(labelled.problems)
    truths = [labelled.targets.label_segments(clip) for clip in clips.tolist()]
    sizes = [len(truth) for truth in truths]
    with_rows = [size for size in sizes if size]  # in protocol xares a clip may be too short for a segment
    return ScoredPredictions(
        tuple(f"{labelled.rows.keys[clip]}@{k}" for clip, size in zip(clips, sizes, strict=True) for k in range(size)),
        np.concatenate(truths),
        concat_folds(results),
        np.repeat(folds, sizes),
        np.repeat(np.arange(len(with_rows)), with_rows),
        tuple(map(str, _require_events(labelled.task).classes)),
    )


def _compute_majority(labelled: LabelledEvents, of_counts: CountsMetric) -> float:
    """Return the metric of the constant answer (the same classes in every segment) that does best in training."""
    values = []
    for problem in labelled.problems:
        train, test = (_count_constant_answers(labelled.targets, clips) for clips in (problem.train, problem.test))
        order = np.argsort(-train[:, 0, 0], kind="stable")
        yes = np.zeros((len(order), len(order)), dtype=np.int64)  # the most frequent class, the two most frequent, ...
        yes[:, order] = np.tri(len(order), dtype=np.int64)
        classes = np.arange(len(order))
        best = int(np.argmax(np.nan_to_num(of_counts(train[classes, 1 - yes]))))
        values.append(float(of_counts(test[classes, 1 - yes[best]])))
    return float(np.mean(values))


def _count_constant_answers(targets: EventTargets | XaresEventTargets, clips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [C, 2, 3] hits, false alarms and misses of always answering yes (0) or no (1) for a class."""
    truths = [targets.label_segments(clip) for clip in clips.tolist()]
    active = np.sum([truth.sum(axis=0, dtype=np.int64) for truth in truths], axis=0)
    silent, none = sum(map(len, truths)) - active, np.zeros_like(active)
    return np.stack([np.stack([active, silent, none], axis=1), np.stack([none, none, active], axis=1)], axis=1)
