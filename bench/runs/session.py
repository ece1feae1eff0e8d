"""A session loads each encoder once, prepares each dataset once, embeds it once and evaluates cases."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from bench.datasets.dataset import Dataset, prepare_dataset
from bench.evaluation.leakage import TaskAudio, list_audio
from bench.evaluation.pipelines import EmbeddedTask, choose_pipeline
from bench.evaluation.scores import Evaluation
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.loaded import load_encoder_for
from bench.runs.plan import Case, ThroughputCase
from bench.throughput.measure import Benchmark, compare_speed, measure_throughput
from bench.throughput.paired_timing import TimeRatio
from bench.types import EncoderSpec, Settings, Task

V = TypeVar("V")


class Progress(Protocol):
    """A display of what a session is doing."""

    def show_stage(self, label: str) -> AbstractContextManager[Callable[[int], None]]:
        """Show that something goes on; yield a function that takes the number of bytes that arrived."""

    def show_encoding(self, label: str, data: Dataset) -> AbstractContextManager[Callable[[int, bool], None]]:
        """Show how many clips are encoded; yield a function that takes further clips and whether they were encoded."""


class NoProgress:
    """A display that shows nothing."""

    @contextlib.contextmanager
    def show_stage(self, label: str) -> Iterator[Callable[[int], None]]:
        yield lambda size: None

    @contextlib.contextmanager
    def show_encoding(self, label: str, data: Dataset) -> Iterator[Callable[[int, bool], None]]:
        yield lambda clips, encoded: None


class LruCache:
    """The values used last, by key."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of ``key``, made now unless it is kept."""
        if key not in self.values:
            self.values[key] = make()
            while len(self.values) > self.size:
                self.values.popitem(last=False)
        self.values.move_to_end(key)
        value: V = self.values[key]
        return value


class Session:
    """Computes scores and speeds under the same settings, and keeps what the next case needs again."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress | None = None,
        keep_audio: Callable[[TaskAudio], None] = lambda audio: None,
    ) -> None:
        """Begin a session; ``keep_audio`` is called with the digests of a task's audio once it is embedded."""
        self.settings = settings
        self.progress = progress or NoProgress()
        self._keep_audio = keep_audio
        self._encoders = LruCache(4)
        self._datasets = LruCache(64)
        self._embedded = LruCache(2)

    def load_encoder(self, spec: EncoderSpec) -> LoadedEncoder:
        """Load and certify an encoder. Raises EncoderError for a broken contract."""

        def make() -> LoadedEncoder:
            with self.progress.show_stage(f"loading and certifying {spec.name}"):
                return load_encoder_for(self.settings, spec)

        return self._encoders.get(spec.name, make)

    def prepare_dataset(self, task: Task) -> Dataset:
        """Find, fetch or generate the shards of a task. Raises DataError where they cannot be had."""
        settings = self.settings

        def make() -> Dataset:
            with self.progress.show_stage(f"preparing the shards of {task.name}") as arrived:
                return prepare_dataset(
                    task,
                    settings.suite,
                    cache=settings.cache,
                    data=settings.data,
                    offline=settings.offline,
                    mirror=settings.mirror,
                    progress=arrived,
                    threads=settings.threads,
                )

        return self._datasets.get(task.name, make)

    def embed(self, task: Task, spec: EncoderSpec) -> EmbeddedTask:
        """Return a task, embedded now or read from the store."""
        loaded = self.load_encoder(spec)

        def make() -> EmbeddedTask:
            data = self.prepare_dataset(task)
            with self.progress.show_encoding(f"{task.name} with {loaded.name}", data) as count:
                embedded = choose_pipeline(task).embed(task, data, loaded, self.settings, count)
            self._keep_audio(list_audio(embedded.labelled.rows))
            return embedded

        return self._embedded.get((task.name, task.protocol, loaded.name), make)

    def evaluate(self, case: Case) -> Evaluation:
        """Compute the score of a case and the answers that prove it."""
        embedded = self.embed(case.task, case.spec)
        return embedded.evaluate(self.load_encoder(case.spec), case.probe, self.settings)

    def measure_speed(self, case: ThroughputCase, benchmark: Benchmark) -> dict[str, Any]:
        """Return the figures of one throughput case."""
        return measure_throughput(
            self.load_encoder(case.spec),
            batch_size=case.batch_size,
            seconds=case.seconds,
            threads=self.settings.threads,
            benchmark=benchmark,
        )

    def compare_speed(self, case: ThroughputCase, baseline: EncoderSpec, max_slowdown: float) -> TimeRatio:
        """Time an encoder and a baseline in turns."""
        return compare_speed(
            self.load_encoder(case.spec),
            self.load_encoder(baseline),
            batch_size=case.batch_size,
            seconds=case.seconds,
            threads=self.settings.threads,
            max_slowdown=max_slowdown,
        )


def describe_encoder(spec: EncoderSpec, loaded: LoadedEncoder) -> dict[str, Any]:
    """Return an encoder's row of the leaderboard: where it comes from and what its certificate says."""
    return {
        "name": loaded.name,
        "fingerprint": loaded.fingerprint,
        "source": spec.source,
        "revision": spec.revision,
        "licence": spec.licence,
        "trained_on": list(spec.trained_on),
        "sampling_rate": loaded.encoder.sampling_rate,
        "output_dim": loaded.encoder.output_dim,
        "hop_size_in_ms": loaded.encoder.hop_size_in_ms,
        "policy": loaded.policy,
        "certified": loaded.certificate.passed,
        "checks": [asdict(check) for check in loaded.certificate.checks],
    }
