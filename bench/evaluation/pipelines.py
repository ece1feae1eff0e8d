"""The pipeline of a task, chosen by its kind of target: from shards to labelled input, from there to a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bench.datasets.dataset import Dataset
from bench.evaluation.captions import embed_captions, evaluate_captions
from bench.evaluation.clips import embed_clips, evaluate_clips
from bench.evaluation.events import embed_events, evaluate_events
from bench.evaluation.labelled import LabelledTask
from bench.evaluation.scores import Evaluation
from bench.evaluation.transcripts import embed_transcripts, evaluate_transcripts
from bench.evaluation.trials import embed_trials, evaluate_trials
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.types import Captions, Events, Probe, Settings, Task, Transcript, Trials

L = TypeVar("L", bound=LabelledTask)


class EmbeddedTask(Protocol):
    """A task whose clips are embedded; it serves any number of probes."""

    @property
    def labelled(self) -> LabelledTask:
        """The embeddings or frames and the targets."""

    def evaluate(self, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
        """Fit a probe and score it."""


class Pipeline(Protocol):
    """The way from shards to scores for one kind of question."""

    def embed(
        self, task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
    ) -> EmbeddedTask:
        """Encode the clips of a task and read their labels."""


@dataclass(frozen=True, slots=True)
class EmbeddedByFunction(Generic[L]):
    """A labelled task with the function that evaluates it."""

    labelled: L
    evaluate_labelled: Callable[[L, LoadedEncoder, Probe, Settings], Evaluation]

    def evaluate(self, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
        return self.evaluate_labelled(self.labelled, loaded, probe, settings)


@dataclass(frozen=True, slots=True)
class FunctionPipeline(Generic[L]):
    """A pipeline of two functions, the second of which takes the labelled task that the first returns."""

    embed_labelled: Callable[[Task, Dataset, LoadedEncoder, Settings, Progress], L]
    evaluate_labelled: Callable[[L, LoadedEncoder, Probe, Settings], Evaluation]

    def embed(
        self, task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
    ) -> EmbeddedTask:
        return EmbeddedByFunction(self.embed_labelled(task, data, loaded, settings, progress), self.evaluate_labelled)


PIPELINES: tuple[tuple[type, Pipeline], ...] = (
    (Events, FunctionPipeline(embed_events, evaluate_events)),
    (Captions, FunctionPipeline(embed_captions, evaluate_captions)),
    (Transcript, FunctionPipeline(embed_transcripts, evaluate_transcripts)),
    (Trials, FunctionPipeline(embed_trials, evaluate_trials)),
)
DEFAULT: Pipeline = FunctionPipeline(embed_clips, evaluate_clips)


def choose_pipeline(task: Task) -> Pipeline:
    """Return the pipeline of a task: that of its kind of target, or else that of labelled clips."""
    return next((pipeline for kind, pipeline in PIPELINES if isinstance(task.target, kind)), DEFAULT)
