"""The pipeline of transcription: shards -> clips -> frames -> probe -> transcripts -> iWER -> score.

A row of the result is a clip: targets [N] and predictions [S, N] are object arrays of str.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import collect_frames
from bench.evaluation.labelled import LabelledTask, collect_answers
from bench.evaluation.leakage import compute_leak_rate
from bench.evaluation.scores import Evaluation, build_score, run_probe
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.types import FitSplit, Metric, Predictions, Probe, Settings, Task

CUT = "cut off"  # fraction of test transcripts that did not end by themselves
CONSTANTS = 32  # transcripts tried for the best constant answer
CLIPS = 200  # that it is judged on
WORDS = 12  # most frequent words tried for it


@dataclass(frozen=True, slots=True)
class TranscriptTargets:
    """Transcripts, and the metric that chooses between epochs."""

    texts: NDArray[Any]  # [N] str
    score: Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, slots=True)
class LabelledTranscripts(LabelledTask):
    """The frames and transcripts of a transcription task."""

    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D], views of memory maps
    targets: TranscriptTargets


def embed_transcripts(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledTranscripts:
    """Return the frames, transcripts and fits of a task.

    Raises:
        DataError: If transcripts are missing or empty.
    """
    clips, rows = collect_frames(task, data, loaded, settings, progress)
    targets = TranscriptTargets(task.target.stack(rows.read_labels(task.target)), task.metric.compute)
    splits, clusters = rows.build_fit_splits(), rows.read_clusters()
    rates = {**rows.rates, **clips.wide, **compute_leak_rate(rows, splits)}
    return LabelledTranscripts(rows, splits, clusters, clips.seconds, rates, clips.frames, targets)


def evaluate_transcripts(
    labelled: LabelledTranscripts, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> Evaluation:
    """Fit ``probe`` on the frames of a task and score the transcripts that it writes."""
    task, targets = labelled.task, labelled.targets
    context = labelled.build_context(loaded, probe, settings)

    def quality(problem: FitSplit, row: Predictions) -> float:
        return task.metric.compute(targets.texts[problem.test], row)

    results = run_probe(context, labelled.frames, targets, labelled.problems, quality, labelled.clusters)
    answers = collect_answers(labelled, targets.texts, results, ())
    rates = {**labelled.rates, CUT: float(np.mean([result.info[CUT] for result in results]))}
    return build_score(context, answers, results, rates, majority=_compute_majority(labelled))


def _compute_majority(labelled: LabelledTranscripts) -> float:
    """Return the metric of the best constant transcript of each training set."""
    metric, texts, values = labelled.task.metric, labelled.targets.texts, []
    for problem in labelled.problems:
        text = find_best_constant(texts[problem.train].tolist(), metric)
        values.append(metric.compute(texts[problem.test], _repeat_text(text, len(problem.test))))
    return float(np.mean(values))


def find_best_constant(texts: Sequence[str], metric: Metric) -> str:
    """Return a transcript that does well as the answer to all of ``texts``.

    The best one of all is costly to find. This is the best of some of ``texts``, the most frequent ones among them, and
    of the most frequent words, then improved for as long as leaving a word out or replacing it by a frequent one helps;
    candidates are compared on an even sample.
    """
    frequent = [word for word, _ in Counter(word for text in texts for word in text.split()).most_common(WORDS)]
    whole = [text for text, _ in Counter(texts).most_common(WORDS)]
    truth = np.array(_sample_evenly(texts, CLIPS), dtype=object)

    def best(candidates: Sequence[str]) -> tuple[float, str]:
        scored = [(metric.compute(truth, _repeat_text(text, len(truth))), text) for text in dict.fromkeys(candidates)]
        return max(scored, key=lambda pair: pair[0])

    value, chosen = best([*_sample_evenly(sorted(set(texts)), CONSTANTS), *whole, *frequent])
    while True:
        words = chosen.split()
        changed = [
            " ".join([*words[:at], *new, *words[at + 1 :]])
            for at in range(len(words))
            for new in ([], *([word] for word in frequent))
        ]
        better, text = best([chosen, *changed])
        if better <= value:
            return chosen
        value, chosen = better, text


def _sample_evenly(texts: Sequence[str], most: int) -> list[str]:
    """Return at most ``most`` of the texts, evenly spread."""
    return [texts[at * len(texts) // most] for at in range(most)] if len(texts) > most else list(texts)


def _repeat_text(text: str, n: int) -> NDArray[Any]:
    """Return an object array [n] of one text."""
    return np.array([text] * n, dtype=object)
