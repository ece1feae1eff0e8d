"""Fixtures of the benchmark's tests: a session-long bench that scores and times cases and notes the results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.evaluation.leakage import write_audio
from bench.leaderboard.files import predictions
from bench.plugin import gating, speed
from bench.plugin.collection import PLAN, RUN_FOLDER
from bench.plugin.notes import (
    PROPERTY,
    EncoderNote,
    Note,
    ScoreNote,
    SpeedNote,
    ThroughputNote,
    VerdictNote,
    write_note,
)
from bench.plugin.progress import Progress
from bench.runs.plan import Case, Plan, ThroughputCase
from bench.runs.session import Session, describe_encoder
from bench.throughput.measure import Benchmark
from bench.types import EncoderSpec, Score


class Bench:
    """Scores and times cases; every result leaves the process as a property of the test's report."""

    def __init__(self, plan: Plan, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder = folder
        self.request = request
        self.session = Session(plan.settings, Progress(request.config), functools.partial(write_audio, folder))
        self.record: Callable[[str, object], None] = lambda name, value: None

    def score(self, case: Case) -> Score:
        """Score one case, write its predictions, note the score for the reporter."""
        self._note_encoder(case.spec)
        evaluation = self.session.evaluate(case)
        predictions.write_predictions(self.folder / evaluation.score.predictions, evaluation.answers)
        self._note(ScoreNote(evaluation.score))
        return evaluation.score

    def gate(self, case: Case, score: Score) -> str:
        """Compare a score with ``--baseline`` and note the verdict; return the line that fails the test, or nothing."""
        verdict = gating.check_score(self.request, case, score)
        if verdict is None:
            return ""
        self._note(VerdictNote(verdict))
        return f"gate: {verdict.said(self.request.config.stash[gating.GATE].limits)}" if verdict.fails else ""

    def time(self, case: ThroughputCase, benchmark: Benchmark) -> dict[str, Any]:
        """Time one case and note the figures for the reporter."""
        self._note_encoder(case.spec)
        figures = self.session.measure_speed(case, benchmark)
        self._note(ThroughputNote(figures))
        return figures

    def gate_speed(self, case: ThroughputCase) -> str:
        """Time a case in turns with ``--baseline-encoder``, note the ratio; return the line that fails the test."""
        baseline = speed.get_baseline(self.request.config)
        if baseline is None or baseline.name == case.spec.name:
            return ""
        self._note_encoder(case.spec)
        ratio = self.session.compare_speed(case, baseline, self.request.config.getoption("max_slowdown"))
        self._note(SpeedNote({**asdict(ratio), **speed.describe_pair(case, baseline)}))
        return speed.judge_ratio(ratio, case, baseline, self.request)

    def _note_encoder(self, spec: EncoderSpec) -> None:
        self._note(EncoderNote(describe_encoder(spec, self.session.load_encoder(spec))))

    def _note(self, note: Note) -> None:
        self.record(PROPERTY, write_note(note))


@pytest.fixture(scope="session")
def bench_session(request: pytest.FixtureRequest) -> Bench:
    config = request.config
    if PLAN not in config.stash:
        raise pytest.UsageError("this test needs a benchmark run: pytest bench")
    return Bench(config.stash[PLAN], config.stash[RUN_FOLDER], request)


@pytest.fixture
def bench(bench_session: Bench, record_property: Callable[[str, object], None]) -> Bench:
    bench_session.record = record_property
    return bench_session
