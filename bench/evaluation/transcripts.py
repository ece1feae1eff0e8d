"""The story of one score of a transcription task: shards -> clips -> frames -> probe -> transcripts -> iWER -> Score.

A row of the result is a clip: targets [N] and predictions [S, N] are object arrays of str.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import build_fit_splits, collect_frames, compute_missing_rate, read_clusters, read_labels
from bench.evaluation.scores import EvalContext, Evaluation, build_score, concat_folds, held_out_rows, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import ScoredPredictions
from bench.types import FitSplit, Metric, Predictions, Probe, Settings, Task

CUT = "cut off"  # fraction of test transcripts that did not end by themselves
CONSTANTS, CLIPS, WORDS = 32, 200, 12  # transcripts, clips and words tried for the best constant answer


@dataclass(frozen=True, slots=True)
class TranscriptTargets:
    """Transcripts, and what chooses between epochs."""

    texts: NDArray[Any]  # [N] str
    score: Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, slots=True)
class LabelledTranscripts:
    """All clips of a transcription task: what its probes work on."""

    task: Task
    data: Dataset
    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D], views of memory maps
    targets: TranscriptTargets
    keys: tuple[str, ...]
    problems: tuple[FitSplit, ...]
    clusters: NDArray[np.int64] | None
    hours: float
    rates: Mapping[str, float]


def embed_transcripts(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledTranscripts:
    """Frames, transcripts and problems of a task. Raises DataError for transcripts that are missing or empty."""
    clips, of_split = collect_frames(task, data, loaded, settings, progress)
    texts = task.target.stack(read_labels(task, of_split, clips.keys, clips.sidecars, task.target))
    return LabelledTranscripts(
        task,
        data,
        clips.frames,
        TranscriptTargets(texts, task.metric.compute),
        clips.keys,
        build_fit_splits(task, of_split),
        read_clusters(task, clips.sidecars),
        float(clips.seconds.sum()) / 3600,
        {
            "missing": compute_missing_rate(task, data, of_split, clips.keys),
            **(clips.wide if task.protocol == "strict" else {}),
        },
    )


def evaluate_transcripts(
    labelled: LabelledTranscripts, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> Evaluation:
    """Fit ``probe`` on the frames of a task and score what it writes."""
    task, targets = labelled.task, labelled.targets
    asked = EvalContext(task, labelled.data, loaded, probe, settings, labelled.hours)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(targets.texts[problem.test], row)

    results = run_probe(asked, labelled.frames, targets, labelled.problems, quality, labelled.clusters)
    order, folds = held_out_rows(labelled.problems)
    answers = ScoredPredictions(
        tuple(labelled.keys[row] for row in order),
        targets.texts[order],
        concat_folds(results),
        folds,
        None if labelled.clusters is None else labelled.clusters[order],
        (),
    )
    rates = {**labelled.rates, CUT: float(np.mean([result.info[CUT] for result in results]))}
    return build_score(asked, answers, results, rates, majority=_compute_majority(labelled))


def _compute_majority(labelled: LabelledTranscripts) -> float:
    """The metric of the best constant transcript of each problem's training set."""
    metric, texts, values = labelled.task.metric, labelled.targets.texts, []
    for problem in labelled.problems:
        said = find_best_constant(texts[problem.train].tolist(), metric)
        values.append(metric.compute(texts[problem.test], _repeat_text(said, len(problem.test))))
    return float(np.mean(values))


def find_best_constant(texts: Sequence[str], metric: Metric) -> str:
    """A transcript that does well as the answer to all of ``texts``.

    The best one of all is costly to find. This is the best of some of ``texts``, the most frequent ones among them, and
    of the most frequent words, then improved for as long as leaving a word out or replacing it by a frequent one helps;
    what is best is judged on an even sample.
    """
    frequent = [word for word, _ in Counter(word for text in texts for word in text.split()).most_common(WORDS)]
    whole = [text for text, _ in Counter(texts).most_common(WORDS)]
    truth = np.array(_sample_evenly(texts, CLIPS), dtype=object)

    def best(candidates: Sequence[str]) -> tuple[float, str]:
        scored = [(metric.compute(truth, _repeat_text(text, len(truth))), text) for text in dict.fromkeys(candidates)]
        return max(scored, key=lambda pair: pair[0])

    value, said = best([*_sample_evenly(sorted(set(texts)), CONSTANTS), *whole, *frequent])
    while True:
        words = said.split()
        changed = [
            " ".join([*words[:at], *new, *words[at + 1 :]])
            for at in range(len(words))
            for new in ([], *([word] for word in frequent))
        ]
        better, text = best([said, *changed])
        if better <= value:
            return said
        value, said = better, text


def _sample_evenly(texts: Sequence[str], most: int) -> list[str]:
    """At most ``most`` of them, evenly spread."""
    return [texts[at * len(texts) // most] for at in range(most)] if len(texts) > most else list(texts)


def _repeat_text(text: str, n: int) -> NDArray[Any]:
    return np.array([text] * n, dtype=object)
