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
from bench.evaluation.gather import clusters, gather_frames, labels, lost, problems
from bench.evaluation.rows import Asked, Evaluated, answered, evaluated, stacked, tested
from bench.extraction.engine.local import Frozen
from bench.extraction.pooled import Progress
from bench.scoring.measure import Answers
from bench.types import Metric, Predictions, Probe, Problem, Settings, Task

CUT = "cut off"  # fraction of test transcripts that did not end by themselves
CONSTANTS, CLIPS, WORDS = 32, 200, 12  # transcripts, clips and words tried for the best constant answer


@dataclass(frozen=True, slots=True)
class TranscriptTargets:
    """Transcripts, and what chooses between epochs."""

    texts: NDArray[Any]  # [N] str
    score: Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, slots=True)
class LabelledSpeech:
    """All clips of a transcription task: what its probes work on."""

    task: Task
    data: Dataset
    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D], views of memory maps
    targets: TranscriptTargets
    keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    clusters: NDArray[np.int64] | None
    hours: float
    rates: Mapping[str, float]


def embed_transcripts(
    task: Task, data: Dataset, frozen: Frozen, settings: Settings, progress: Progress
) -> LabelledSpeech:
    """Frames, transcripts and problems of a task. Raises DataError for transcripts that are missing or empty."""
    clips, of_split = gather_frames(task, data, frozen, settings, progress)
    texts = task.target.stack(labels(task, of_split, clips.keys, clips.sidecars, task.target))
    return LabelledSpeech(
        task,
        data,
        clips.frames,
        TranscriptTargets(texts, task.metric.compute),
        clips.keys,
        problems(task, of_split),
        clusters(task, clips.sidecars),
        float(clips.seconds.sum()) / 3600,
        {"missing": lost(task, data, of_split, clips.keys), **(clips.wide if task.protocol == "strict" else {})},
    )


def evaluate_transcripts(labelled: LabelledSpeech, frozen: Frozen, probe: Probe, settings: Settings) -> Evaluated:
    """Fit ``probe`` on the frames of a task and score what it writes."""
    task, targets = labelled.task, labelled.targets
    asked = Asked(task, labelled.data, frozen, probe, settings, labelled.hours)

    def quality(problem: Problem, row: Predictions) -> float:
        return task.metric.compute(targets.texts[problem.test], row)

    results = answered(asked, labelled.frames, targets, labelled.problems, quality, labelled.clusters)
    order, folds = tested(labelled.problems)
    answers = Answers(
        tuple(labelled.keys[row] for row in order),
        targets.texts[order],
        stacked(results),
        folds,
        None if labelled.clusters is None else labelled.clusters[order],
        (),
    )
    rates = {**labelled.rates, CUT: float(np.mean([result.info[CUT] for result in results]))}
    return evaluated(asked, answers, results, rates, majority=_majority(labelled))


def _majority(labelled: LabelledSpeech) -> float:
    """The metric of the best constant transcript of each problem's training set."""
    metric, texts, values = labelled.task.metric, labelled.targets.texts, []
    for problem in labelled.problems:
        said = best_constant(texts[problem.train].tolist(), metric)
        values.append(metric.compute(texts[problem.test], _repeated(said, len(problem.test))))
    return float(np.mean(values))


def best_constant(texts: Sequence[str], metric: Metric) -> str:
    """A transcript that does well as the answer to all of ``texts``.

    The best one of all is costly to find. This is the best of some of ``texts``, the most frequent ones among them, and
    of the most frequent words, then improved for as long as leaving a word out or replacing it by a frequent one helps;
    what is best is judged on an even sample.
    """
    frequent = [word for word, _ in Counter(word for text in texts for word in text.split()).most_common(WORDS)]
    whole = [text for text, _ in Counter(texts).most_common(WORDS)]
    truth = np.array(_sample(texts, CLIPS), dtype=object)

    def best(candidates: Sequence[str]) -> tuple[float, str]:
        scored = [(metric.compute(truth, _repeated(text, len(truth))), text) for text in dict.fromkeys(candidates)]
        return max(scored, key=lambda pair: pair[0])

    value, said = best([*_sample(sorted(set(texts)), CONSTANTS), *whole, *frequent])
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


def _sample(texts: Sequence[str], most: int) -> list[str]:
    """At most ``most`` of them, evenly spread."""
    return [texts[at * len(texts) // most] for at in range(most)] if len(texts) > most else list(texts)


def _repeated(text: str, n: int) -> NDArray[Any]:
    return np.array([text] * n, dtype=object)
