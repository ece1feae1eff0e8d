"""The reporter gathers the notes of tests on the controller and writes the run's files and the closing table.

Notes arrive as properties of test reports, so they survive a worker that dies later. A case whose worker died before
it reported is found by the node id that the plan gives it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.discovery import bundled, environment
from bench.evaluation.leakage import clear_audio, read_audio
from bench.leaderboard.files import published_tables
from bench.leaderboard.files.sources import Source
from bench.leaderboard.page import document as report
from bench.leaderboard.ranking.gate import Verdict
from bench.leaderboard.terminal import gate_table, tables
from bench.plugin import gating
from bench.plugin.collection import PLAN, RUN_FOLDER
from bench.plugin.notes import EncoderNote, ScoreNote, SpeedNote, ThroughputNote, VerdictNote, read_notes
from bench.plugin.scheduling import count_workers, is_distributed, is_worker
from bench.runs.boards import build_boards, name_board_files, write_boards
from bench.runs.plan import Case, Plan
from bench.store.files import hold_lock, write_atomically
from bench.types import BenchError, Failure, Leaderboard, Score

QUALITY = "bench/test_quality.py::test_quality"


@dataclass
class Reporter:
    """Everything that reached the controller."""

    plan: Plan
    folder: Path  # of the run
    started: datetime
    scores: list[Score] = field(default_factory=list)
    failures: dict[str, tuple[str, Failure]] = field(default_factory=dict)  # by node id; with the protocol
    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    throughput: list[dict[str, Any]] = field(default_factory=list)
    tests: list[dict[str, Any]] = field(default_factory=list)
    deselected: list[str] = field(default_factory=list)
    speed: list[dict[str, Any]] = field(default_factory=list)  # against --baseline-encoder
    verdicts: list[Verdict] = field(default_factory=list)  # of the gate
    boards: dict[str, Leaderboard] = field(default_factory=dict)  # by protocol, once they are written

    def take(self, report: pytest.TestReport) -> None:
        """Keep what a report carries; a failed test of a case becomes a failure row."""
        notes = [] if report.when == "teardown" else list(read_notes(report))
        for note in notes:
            match note:
                case EncoderNote():
                    self.encoders[note.name] = note.row
                case _ if report.when != "call":
                    continue
                case ScoreNote(score):
                    self.scores.append(score)
                case ThroughputNote(figures):
                    self.throughput.append(figures)
                case SpeedNote(figures):
                    self.speed.append(figures)
                case VerdictNote(verdict):
                    self.verdicts.append(verdict)
        if report.failed:
            self._add_failure(report, scored=any(isinstance(note, VerdictNote) for note in notes))
        if report.when == "call":
            self.tests.append({"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)})

    def _add_failure(self, report: pytest.TestReport, *, scored: bool) -> None:
        """Make a failure row; the score gives way to it unless ``scored``, where only the gate found fault with it."""
        for case in self.plan.cases:
            if report.nodeid.endswith(f"{QUALITY}[{case.id}]"):
                if not scored:
                    self.scores = [score for score in self.scores if not _is_of_case(score, case)]
                row = Failure(case.task.name, case.spec.name, case.probe.name, _read_message(report))
                self.failures.setdefault(report.nodeid, (case.task.protocol, row))

    @property
    def is_empty(self) -> bool:
        return not self.scores and not self.throughput


REPORTER = pytest.StashKey[Reporter]()


def _is_of_case(score: Score, case: Case) -> bool:
    own = (case.task.name, case.probe.name, case.spec.name, case.task.protocol)
    return (score.task, score.probe, score.encoder, score.protocol) == own


def _read_message(report: pytest.TestReport) -> str:
    lines = [line for line in report.longreprtext.strip().splitlines() if line.strip()]
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else lines[-1] if lines else "no message").splitlines()[0]
    return message.removeprefix("Failed: ") if "gate: " in message else message


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    plan = config.stash.get(PLAN, None)
    if plan is None or is_worker(config):
        return
    config.stash[REPORTER] = Reporter(plan, config.stash[RUN_FOLDER], datetime.now(UTC))
    config.pluginmanager.register(_Hooks(config), "otoscope-reporter")
    if not _is_dry_run(config):
        clear_audio(config.stash[RUN_FOLDER])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show bad input as its one line, without a traceback through our code."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, BenchError):
        report.longrepr = str(call.excinfo.value)
    return report


class _Hooks:
    """Hooks of the controller of a benchmark run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reporter = config.stash[REPORTER]

    def pytest_report_header(self) -> list[str]:
        settings = self.reporter.plan.settings
        names = ", ".join(spec.name for spec in self.reporter.plan.specs)
        left_out, not_here = (", ".join(own) for own in (self.reporter.plan.left_out, self.reporter.plan.not_here))
        return [
            f"otoscope: suite {settings.suite}, protocol {' and '.join(self.reporter.plan.protocols)}, "
            f"encoders {names}, "
            f"{settings.device} {settings.precision}",
            f"otoscope: cache {settings.cache}",
            *([f"otoscope: private tasks without shards in --data are left out: {left_out}"] if left_out else []),
            *([f"otoscope: corpora that are not in --data are left out: {not_here}"] if not_here else []),
        ]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Send pytest-benchmark's own JSON into the run's folder; its table gives way to ours."""
        measuring = self.config.pluginmanager.getplugin("pytest-benchmark")
        timed = any(item.get_closest_marker("throughput") for item in session.items)
        if measuring is not None and timed and not measuring.json and not _is_dry_run(self.config):
            measuring.json = str(self.reporter.folder / "benchmark.json")
            measuring.quiet = not measuring.verbose
            self.reporter.folder.mkdir(parents=True, exist_ok=True)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.reporter.deselected += [item.nodeid for item in items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reporter.take(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if _is_dry_run(self.config):
            return
        reporter = self.reporter
        if reporter.is_empty and not reporter.failures:
            if exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            return
        _write_run(reporter, self.config)
        if any(verdict.fails for verdict in reporter.verdicts) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if _is_dry_run(self.config):
            return
        if not self.reporter.boards:
            terminalreporter.write_line("otoscope: nothing was scored", red=True)
            return
        writer = self.config.get_terminal_writer()
        colour = writer.hasmarkup
        width = max(writer.fullwidth, 0 if colour else 120)
        terminalreporter.section("Otoscope")
        terminalreporter.write(tables.render_boards(self.reporter.boards, width=width, colour=colour))
        if gating.GATE in self.config.stash:
            limits = self.config.stash[gating.GATE].limits
            terminalreporter.write(
                gate_table.render_verdicts(self.reporter.verdicts, limits, width=width, colour=colour)
            )
        board = self.reporter.boards.get("xares")
        if self.config.getoption("published") or (board is not None and board.suite == "full"):
            board = board or self.reporter.boards["strict"]
            reported = published_tables.read_published_tables(bundled.ROOT / "tasks" / "published.json")
            terminalreporter.write(tables.render_published(reported, board, width=width, colour=colour))
        if self.reporter.throughput:
            terminalreporter.write(tables.render_throughput(self.reporter.throughput, width=width, colour=colour))
            terminalreporter.write(gate_table.render_paired_timings(self.reporter.speed, width=width, colour=colour))
        elif is_distributed(self.config):
            terminalreporter.write_line("throughput is not measured under -n: pytest bench -m throughput -n 0")
        boards = ", ".join(name_board_files(self.reporter.boards).values())
        terminalreporter.write_line(f"files: {self.reporter.folder}/{boards}, run.json, predictions/, report.html")
        try:
            _write_report(self.reporter)
        except BenchError as error:  # all the numbers are on disk already
            terminalreporter.write_line(f"otoscope: no report.html: {error}", red=True)


def _is_dry_run(config: pytest.Config) -> bool:
    """Return whether the run only lists or plans."""
    return bool(config.getoption("collectonly") or config.getoption("plan"))


def _write_run(reporter: Reporter, config: pytest.Config) -> None:
    failures: dict[str, list[Failure]] = {protocol: [] for protocol in reporter.plan.protocols}
    for protocol, failure in reporter.failures.values():
        failures[protocol].append(failure)
    if gating.GATE in config.stash:
        reporter.verdicts, late = gating.finish_gate(config, reporter.scores, reporter.verdicts)
        for protocol, rows in late.items():
            failures[protocol] += rows
    boards = build_boards(
        reporter.plan, reporter.scores, failures, reporter.encoders.values(), read_audio(reporter.folder)
    )
    with _lock(reporter.folder):
        write_boards(reporter.folder, boards)
        with write_atomically(reporter.folder / "run.json") as temporary:
            temporary.write_text(json.dumps(_describe_run(reporter, config), indent=1) + "\n")
    reporter.boards = boards


def _write_report(reporter: Reporter) -> None:
    """Write report.html from what was written: last of all, since nothing else depends on it."""
    folder, names = reporter.folder, name_board_files(reporter.boards)
    with _lock(folder):
        report.write_page(
            folder / "report.html",
            [Source(folder / names[protocol], board) for protocol, board in reporter.boards.items()],
        )


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, whose file is gone afterwards."""
    with hold_lock(folder / ".lock"):
        yield
    (folder / ".lock").unlink(missing_ok=True)


def _describe_run(reporter: Reporter, config: pytest.Config) -> dict[str, Any]:
    """Return what varies from one run to the next: times, speed, machine and versions."""
    finished = datetime.now(UTC)
    return {
        "started": reporter.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - reporter.started).total_seconds(), 3),
        "arguments": list(config.invocation_params.args),
        "workers": count_workers(config),
        "tests": sorted(reporter.tests, key=lambda test: str(test["test"])),
        "deselected": sorted(reporter.deselected),
        "throughput": reporter.throughput,
        "speed": reporter.speed,
        "machine": environment.describe_machine(),
        "versions": environment.collect_versions(),
    }
