"""Which story a task follows, by what it asks: from shards to labelled input, and from there to a score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bench.data import Dataset
from bench.engine.local import Frozen
from bench.evaluate import embed, evaluate
from bench.evaluate_frames import embed_frames, evaluate_frames
from bench.evaluate_retrieval import embed_captions, evaluate_captions
from bench.evaluate_transcripts import embed_transcripts, evaluate_transcripts
from bench.evaluate_verification import embed_trials, evaluate_trials
from bench.extract import Progress
from bench.rows import Evaluated
from bench.types import Captions, Events, Probe, Settings, Task, Transcript, Trials


class Story(NamedTuple):
    """``evaluate`` takes what ``embed`` made; one embedding serves all probes of a task."""

    embed: Callable[[Task, Dataset, Frozen, Settings, Progress], Any]
    evaluate: Callable[[Any, Frozen, Probe, Settings], Evaluated]


def story(task: Task) -> Story:
    """The story of a task."""
    if isinstance(task.target, Events):
        return Story(embed_frames, evaluate_frames)
    if isinstance(task.target, Captions):
        return Story(embed_captions, evaluate_captions)
    if isinstance(task.target, Transcript):
        return Story(embed_transcripts, evaluate_transcripts)
    if isinstance(task.target, Trials):
        return Story(embed_trials, evaluate_trials)
    return Story(embed, evaluate)
