"""The reporter: gathers what tests noted, on the controller, and writes the run's files and the closing table.

Results arrive as properties of test reports, so they survive a worker that dies later. A case whose worker died before
it reported is found by the node id that the plan gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.discovery import bundled, environment
from bench.leaderboard import summaries
from bench.leaderboard.files import board_json, published_tables
from bench.leaderboard.files.sources import Source
from bench.leaderboard.page import document as report
from bench.leaderboard.ranking.gate import Verdict
from bench.leaderboard.terminal import gate_table, tables
from bench.plugin import gating
from bench.plugin.collection import PLAN, Case, Plan
from bench.plugin.fixtures import PROPERTY
from bench.plugin.scheduling import count_workers, is_distributed, is_worker
from bench.store.files import locked, written
from bench.types import BenchError, Failure, Leaderboard, Score

QUALITY = "bench/test_quality.py::test_quality"


@dataclass
class Reporter:
    """Everything that reached the controller."""

    plan: Plan
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
        noted = [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]
        if report.when == "teardown":
            noted = []
        for note in noted:
            if "encoder" in note:
                self.encoders[note["encoder"]["name"]] = note["encoder"]
            if "score" in note and report.when == "call":
                self.scores.append(board_json.parse_score(note["score"]))
            if "throughput" in note and report.when == "call":
                self.throughput.append(note["throughput"])
            if "speed" in note and report.when == "call":
                self.speed.append(note["speed"])
            if "gate" in note and report.when == "call":
                self.verdicts.append(Verdict(**note["gate"]))
        if report.failed:
            self._failed(report, scored=any("gate" in note for note in noted))
        if report.when == "call":
            self.tests.append({"test": report.nodeid, "outcome": report.outcome, "seconds": round(report.duration, 3)})

    def _failed(self, report: pytest.TestReport, *, scored: bool) -> None:
        """Make a failure row; the score gives way to it unless ``scored``, where only the gate found fault with it."""
        for case in self.plan.cases:
            if report.nodeid.endswith(f"{QUALITY}[{case.id}]"):
                if not scored:
                    self.scores = [score for score in self.scores if not _is_of_case(score, case)]
                row = Failure(case.task.name, case.spec.name, case.probe.name, _read_message(report))
                self.failures.setdefault(report.nodeid, (case.task.protocol, row))

    @property
    def empty(self) -> bool:
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
    config.stash[REPORTER] = Reporter(plan, datetime.now(UTC))
    config.pluginmanager.register(_Hooks(config), "otoscope-reporter")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Bad input is told in its one line, without a traceback through our code."""
    outcome = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, BenchError):
        outcome.get_result().longrepr = str(call.excinfo.value)  # type: ignore[attr-defined]


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
        """pytest-benchmark's own JSON goes into the run's folder, its table gives way to ours."""
        measuring = self.config.pluginmanager.getplugin("pytest-benchmark")
        timed = any(item.get_closest_marker("throughput") for item in session.items)
        if measuring is not None and timed and not measuring.json and not _is_dry_run(self.config):
            measuring.json = str(self.reporter.plan.run / "benchmark.json")
            measuring.quiet = not measuring.verbose
            self.reporter.plan.run.mkdir(parents=True, exist_ok=True)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.reporter.deselected += [item.nodeid for item in items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reporter.take(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if _is_dry_run(self.config):
            return
        reporter = self.reporter
        if reporter.empty and not reporter.failures:
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
        width = max(terminalreporter._tw.fullwidth, 0 if terminalreporter._tw.hasmarkup else 120)
        terminalreporter.section("Otoscope")
        colour = terminalreporter._tw.hasmarkup
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
        found = self.reporter.boards
        boards = ", ".join(_name_file(protocol, alone=len(found) == 1) for protocol in found)
        terminalreporter.write_line(f"files: {self.reporter.plan.run}/{boards}, run.json, predictions/, report.html")
        try:
            _write_report(self.reporter)
        except BenchError as error:  # all the numbers are on disk already
            terminalreporter.write_line(f"otoscope: no report.html: {error}", red=True)


def _is_dry_run(config: pytest.Config) -> bool:
    """Whether the run was to list or to plan, not to score."""
    return bool(config.getoption("collectonly") or config.getoption("plan"))


def _write_run(reporter: Reporter, config: pytest.Config) -> None:
    plan = reporter.plan
    late: dict[str, list[Failure]] = {}
    if gating.GATE in config.stash:
        reporter.verdicts, late = gating.finish_gate(config, reporter.scores, reporter.verdicts)
    boards = {protocol: _build_board(reporter, protocol, late.get(protocol, [])) for protocol in plan.protocols}
    with locked(plan.run / ".lock"):
        for protocol, board in boards.items():
            board_json.write_board(plan.run / _name_file(protocol, alone=len(boards) == 1), board)
        with written(plan.run / "run.json") as temporary:
            temporary.write_text(json.dumps(_describe_run(reporter, config), indent=1) + "\n")
    (plan.run / ".lock").unlink(missing_ok=True)
    reporter.boards = boards


def _write_report(reporter: Reporter) -> None:
    """Write report.html from what was written: last of all, since nothing else depends on it."""
    run, found = reporter.plan.run, reporter.boards
    names = {protocol: run / _name_file(protocol, alone=len(found) == 1) for protocol in found}
    with locked(run / ".lock"):
        report.write_page(run / "report.html", [Source(names[protocol], board) for protocol, board in found.items()])
    (run / ".lock").unlink(missing_ok=True)


def _build_board(reporter: Reporter, protocol: str, late: list[Failure]) -> Leaderboard:
    plan = reporter.plan
    return summaries.build_board(
        suite=plan.settings.suite,
        protocol=protocol,
        scores=[score for score in reporter.scores if score.protocol == protocol],
        failures=[*(failure for own, failure in reporter.failures.values() if own == protocol), *late],
        encoders=list(reporter.encoders.values()),
        tasks=[task for task in plan.suite if task.protocol == protocol],
    )


def _name_file(protocol: str, *, alone: bool) -> str:
    """A leaderboard's file: the protocol is named where there are several."""
    return "leaderboard.json" if alone or protocol == "strict" else f"leaderboard.{protocol}.json"


def _describe_run(reporter: Reporter, config: pytest.Config) -> dict[str, Any]:
    """What varies from one run to the next: times, speed, machine and versions."""
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
