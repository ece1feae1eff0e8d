"""Which story a task follows, by what it asks: from shards to labelled input, and from there to a score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bench.datasets.dataset import Dataset
from bench.evaluation.captions import embed_captions, evaluate_captions
from bench.evaluation.clips import embed_clips, evaluate_clips
from bench.evaluation.events import embed_events, evaluate_events
from bench.evaluation.scores import Evaluation
from bench.evaluation.transcripts import embed_transcripts, evaluate_transcripts
from bench.evaluation.trials import embed_trials, evaluate_trials
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.types import Captions, Events, Probe, Settings, Task, Transcript, Trials


class Pipeline(NamedTuple):
    """``evaluate`` takes what ``embed`` made; one embedding serves all probes of a task."""

    embed: Callable[[Task, Dataset, LoadedEncoder, Settings, Progress], Any]
    evaluate: Callable[[Any, LoadedEncoder, Probe, Settings], Evaluation]


def choose_pipeline(task: Task) -> Pipeline:
    """The story of a task."""
    if isinstance(task.target, Events):
        return Pipeline(embed_events, evaluate_events)
    if isinstance(task.target, Captions):
        return Pipeline(embed_captions, evaluate_captions)
    if isinstance(task.target, Transcript):
        return Pipeline(embed_transcripts, evaluate_transcripts)
    if isinstance(task.target, Trials):
        return Pipeline(embed_trials, evaluate_trials)
    return Pipeline(embed_clips, evaluate_clips)
