"""What a test gets: a session-long bench that loads each encoder once, reads each dataset once and scores cases."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import asdict
from typing import Any, TypeVar

import pytest

from bench.datasets.dataset import Dataset, prepare_dataset
from bench.evaluation.pipelines import choose_pipeline
from bench.extraction.engine.local import Frozen
from bench.extraction.load_encoder import frozen_by
from bench.leaderboard.files import predictions
from bench.plugin import gating, speed
from bench.plugin.collection import PLAN, Case, Plan, ThroughputCase
from bench.plugin.progress import Progress
from bench.throughput.measure import Benchmark, against, measure
from bench.types import EncoderSpec, Score, Task

V = TypeVar("V")
PROPERTY = "otoscope"


class LruCache:
    """The last few values made, by key."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        if key not in self.values:
            self.values[key] = make()
            while len(self.values) > self.size:
                self.values.popitem(last=False)
        self.values.move_to_end(key)
        found: V = self.values[key]
        return found


class Bench:
    """Scores and times what the plan holds; every result leaves the process as a test report's property."""

    def __init__(self, plan: Plan, request: pytest.FixtureRequest) -> None:
        self.plan = plan
        self.request = request
        self.progress = Progress(request.config)
        self.record: Callable[[str, object], None] = lambda name, value: None
        self._encoders, self._datasets, self._labelled = LruCache(4), LruCache(64), LruCache(2)

    def encoder(self, spec: EncoderSpec) -> Frozen:
        frozen = self._frozen(spec)
        self._note({"encoder": describe_encoder(spec, frozen)})
        return frozen

    def _frozen(self, spec: EncoderSpec) -> Frozen:
        settings = self.plan.settings

        def make() -> Frozen:
            with self.progress.stage(f"loading and certifying {spec.name}"):
                return frozen_by(settings, spec)

        return self._encoders.get(spec.name, make)

    def data(self, task: Task) -> Dataset:
        settings = self.plan.settings

        def make() -> Dataset:
            with self.progress.stage(f"preparing the shards of {task.name}") as arrived:
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

    def labelled(self, task: Task, frozen: Frozen) -> Any:
        """What the probes of a task work on; see ``bench.evaluation.pipelines``."""

        def make() -> Any:
            data = self.data(task)
            with self.progress.encoding(f"{task.name} with {frozen.name}", data) as count:
                return choose_pipeline(task).embed(task, data, frozen, self.plan.settings, count)

        return self._labelled.get((task.name, task.protocol, frozen.name), make)

    def score(self, case: Case) -> Score:
        """Score one case, write its predictions, note the score for the reporter."""
        frozen = self.encoder(case.spec)
        labelled = self.labelled(case.task, frozen)
        evaluated = choose_pipeline(case.task).evaluate(labelled, frozen, case.probe, self.plan.settings)
        predictions.write_predictions(self.plan.run / evaluated.score.predictions, evaluated.answers)
        self._note({"score": asdict(evaluated.score)})
        return evaluated.score

    def gate(self, case: Case, score: Score) -> str:
        """Compare a score with ``--baseline`` and note the verdict; gives the line that fails the test, or nothing."""
        verdict = gating.check_score(self.request, case, score)
        if verdict is None:
            return ""
        self._note({"gate": verdict.plain()})
        return f"gate: {verdict.said(self.request.config.stash[gating.GATE].limits)}" if verdict.fails else ""

    def time(self, load: ThroughputCase, benchmark: Benchmark) -> dict[str, Any]:
        """Time one load and note the figures for the reporter."""
        frozen = self.encoder(load.spec)
        figures = measure(
            frozen,
            batch_size=load.batch_size,
            seconds=load.seconds,
            threads=self.plan.settings.threads,
            benchmark=benchmark,
        )
        self._note({"throughput": figures})
        return figures

    def gate_speed(self, load: ThroughputCase) -> str:
        """Time a load in turns with ``--baseline-encoder`` and note the ratio; gives the line that fails the test."""
        spec = speed.get_baseline(self.request.config)
        if spec is None or spec.name == load.spec.name:
            return ""
        max_slowdown = self.request.config.getoption("max_slowdown")
        found = against(
            self.encoder(load.spec),
            self._frozen(spec),
            batch_size=load.batch_size,
            seconds=load.seconds,
            threads=self.plan.settings.threads,
            max_slowdown=max_slowdown,
        )
        self._note({"speed": {**asdict(found), **speed.describe_pair(load, spec)}})
        return speed.judge_ratio(found, load, spec, self.request)

    def _note(self, what: dict[str, Any]) -> None:
        self.record(PROPERTY, json.dumps(what, allow_nan=False))


def describe_encoder(spec: EncoderSpec, frozen: Frozen) -> dict[str, Any]:
    """An encoder's row: where it comes from and what its certificate says."""
    return {
        "name": frozen.name,
        "fingerprint": frozen.fingerprint,
        "source": spec.source,
        "revision": spec.revision,
        "licence": spec.licence,
        "trained_on": list(spec.trained_on),
        "sampling_rate": frozen.encoder.sampling_rate,
        "output_dim": frozen.encoder.output_dim,
        "hop_size_in_ms": frozen.encoder.hop_size_in_ms,
        "policy": frozen.policy,
        "certified": frozen.certificate.passed,
        "checks": [asdict(check) for check in frozen.certificate.checks],
    }


@pytest.fixture(scope="session")
def bench_session(request: pytest.FixtureRequest) -> Bench:
    plan = request.config.stash.get(PLAN, None)
    if plan is None:
        raise pytest.UsageError("this test needs a benchmark run: pytest bench")
    return Bench(plan, request)


@pytest.fixture
def bench(bench_session: Bench, record_property: Callable[[str, object], None]) -> Bench:
    bench_session.record = record_property
    return bench_session
