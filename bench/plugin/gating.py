"""``--baseline``: each test compares its score with the baseline's on the same clips, the end compares the summaries.

A test is decided where it runs, so that a worker fails it as any other. What only the whole run shows, summaries and
tasks that are missing, is decided on the controller at the end. The statistics are
``bench.leaderboard.ranking.gate``'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from bench.leaderboard.files import sources
from bench.leaderboard.files.metric_names import collect_own_metrics
from bench.leaderboard.files.sources import Source
from bench.leaderboard.ranking import gate
from bench.plugin.collection import PLAN, RUN_FOLDER
from bench.runs.plan import Case, Plan
from bench.runs.selection import resolve_encoder
from bench.store.files import write_atomically
from bench.types import BenchError, ChoiceError, DataError, Failure, Score

FILE = "gate.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Gate:
    """What the encoders of a run are compared with."""

    limits: gate.Limits
    run: Source  # where this run's predictions lie
    baselines: dict[str, Source]  # by protocol
    against: dict[str, str]  # encoder -> that of the baseline

    def base(self, protocol: str, task: str, probe: str, encoder: str) -> Score | None:
        """The baseline's row."""
        wanted = (task, probe, self.against[encoder])
        rows = self.baselines[protocol].board.scores
        return next((row for row in rows if (row.task, row.probe, row.encoder) == wanted), None)

    def of_case(self, case: Case) -> Score | None:
        return self.base(case.task.protocol, case.task.name, case.probe.name, case.spec.name)

    def evidence(self, base: Score, score: Score) -> gate.Evidence:
        return gate.pair_evidence(self.baselines[score.protocol], base, self.run, score)

    def check(self, case: Case, score: Score, tests: int) -> gate.Verdict | None:
        """The verdict on a score that was just written; None where the baseline has no such row, or tasks are not
        gated and the rows compare.
        """
        base = self.of_case(case)
        if base is None:
            return None
        try:
            verdict = gate.judge_row(self.evidence(base, score), self.limits, tests)
        except BenchError as error:
            names = (score.task, score.encoder, base.encoder, score.probe)
            return gate.Verdict(*names, gate.INCOMPARABLE, note=str(error))
        return verdict if self.limits.tasks else None


GATE = pytest.StashKey[Gate]()


def pytest_configure(config: pytest.Config) -> None:
    plan = config.stash.get(PLAN, None)
    if plan is None or config.getoption("baseline") is None:
        return
    try:
        config.stash[GATE] = _build_gate(config, plan)
    except BenchError as error:
        raise pytest.UsageError(f"--baseline: {error}") from error


def pytest_report_header(config: pytest.Config) -> list[str]:
    own = config.stash.get(GATE, None)
    if own is None:
        return []
    pairs = ", ".join(f"{encoder} against {other}" for encoder, other in own.against.items())
    path = ", ".join(str(source.path) for source in own.baselines.values())
    return [f"otoscope: gate on {own.limits.gate}: {pairs} of {path}, allowed drop {own.limits.max_drop:g}"]


def check_score(request: pytest.FixtureRequest, case: Case, score: Score) -> gate.Verdict | None:
    """The gate of one test. Without a baseline, or without this row in it, None."""
    own = request.config.stash.get(GATE, None)
    if own is None:
        return None
    cases = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    return own.check(case, score, sum(one is not None and own.of_case(one) is not None for one in cases))


def _build_gate(config: pytest.Config, plan: Plan) -> Gate:
    option = config.getoption
    limits = gate.Limits(option("max_drop"), option("alpha"), option("gate"))
    baselines = _read_baselines(config, plan)
    names = sorted({row.encoder for source in baselines.values() for row in source.board.scores})
    own = Gate(
        limits,
        Source(
            config.stash[RUN_FOLDER] / "leaderboard.json",
            next(iter(baselines.values())).board,
            collect_own_metrics(plan.tasks),
        ),
        baselines,
        _pair_encoders([spec.name for spec in plan.specs], names, option("baseline_encoder")),
    )
    for case in plan.cases:
        base = own.of_case(case)
        path = base and sources.locate_predictions(baselines[case.task.protocol], base)
        if path and not path.is_file():
            expected = "its predictions beside the leaderboard: the whole folder of the run"
            raise DataError("no predictions of the baseline", got="no such file", expected=expected, where=path)
    return own


def _read_baselines(config: pytest.Config, plan: Plan) -> dict[str, Source]:
    path = config.getoption("baseline")
    found = {source.board.protocol: source for source in sources.read_sources(path, collect_own_metrics(plan.tasks))}
    absent = set(plan.protocols) - found.keys()
    if absent:
        got, expected = " and ".join(sorted(found)), " and ".join(plan.protocols)
        raise DataError("baseline of another protocol: no comparison", got=got, expected=expected, where=path)
    for protocol in plan.protocols:
        suite = found[protocol].board.suite
        if suite != plan.settings.suite:
            what = "baseline of another suite: no comparison"
            raise DataError(what, got=suite, expected=plan.settings.suite, where=path)
        if not found[protocol].board.scores:
            raise DataError("baseline without scores", got="0 scores", expected="1 or more", where=path)
    return {protocol: found[protocol] for protocol in plan.protocols}


def _pair_encoders(own: Sequence[str], names: Sequence[str], chosen: str | None) -> dict[str, str]:
    """Which encoder of the baseline each is compared with: the named one, else its namesake, else the only one."""
    if chosen is not None:
        name = chosen if chosen in names else resolve_encoder(chosen).name
        if name not in names:
            where = "--baseline-encoder"
            raise ChoiceError("not in the baseline", got=repr(name), expected=" or ".join(names), where=where)
        return dict.fromkeys(own, name)
    if len(own) == len(names) == 1:
        return {own[0]: names[0]}
    for encoder in own:
        if encoder not in names:
            expected = f"--baseline-encoder {' or '.join(names)}"
            raise ChoiceError("which encoder of the baseline", got=repr(encoder), expected=expected, where="--baseline")
    return {encoder: encoder for encoder in own}


def finish_gate(
    config: pytest.Config, scores: Sequence[Score], verdicts: Sequence[gate.Verdict]
) -> tuple[list[gate.Verdict], dict[str, list[Failure]]]:
    """All verdicts once everything is scored, written to ``gate.json``, and rows for the leaderboards by protocol."""
    own, plan = config.stash[GATE], config.stash[PLAN]
    found = {protocol: [] for protocol in own.baselines}  # type: dict[str, list[gate.Verdict]]
    for protocol in own.baselines:
        found[protocol] += _find_missing(config, own, plan, protocol)
        if own.limits.summary:
            found[protocol] += _judge_summaries(own, [score for score in scores if score.protocol == protocol])
    late = [verdict for of_protocol in found.values() for verdict in of_protocol]
    whole = sorted([*verdicts, *late], key=lambda one: (one.encoder, one.task, one.probe, one.against))
    _write_verdicts(config.stash[RUN_FOLDER] / FILE, own, plan, whole)
    rows = {
        protocol: [
            Failure(one.task, one.encoder, one.probe, f"gate: {one.said(own.limits)}")
            for one in of_protocol
            if one.fails
        ]
        for protocol, of_protocol in found.items()
    }
    return whole, rows


def _find_missing(config: pytest.Config, own: Gate, plan: Plan, protocol: str) -> list[gate.Verdict]:
    """Rows of the baseline that no test of this run is for, except those that its user deselected."""
    planned = {(case.task.name, case.probe.name, case.spec.name) for case in plan.cases if _of(case) == protocol}
    found = []
    for encoder, other in own.against.items():
        for row in own.baselines[protocol].board.scores:
            there = (row.task, row.probe, encoder) in planned
            if row.encoder == other and not there and _is_selected(config, row, encoder):
                note = "in the baseline, not in this run"
                found.append(gate.Verdict(row.task, encoder, other, row.probe, gate.MISSING, note=note))
    return found


def _of(case: Case) -> str:
    return case.task.protocol


def _is_selected(config: pytest.Config, row: Score, encoder: str) -> bool:
    """Whether the arguments would have selected the test of this row, had there been one."""
    if any("::" in argument for argument in config.args):
        return False
    name = f"bench/test_quality.py::test_quality[{row.task}-{row.probe}-{encoder}]"
    marks = {row.domain, row.probe.partition(":")[0]}
    keyword, marked = config.getoption("keyword"), config.getoption("markexpr")
    by_name = not keyword or Expression.compile(keyword).evaluate(lambda own, /, **_: own.lower() in name.lower())
    by_mark = not marked or Expression.compile(marked).evaluate(lambda own, /, **_: own in marks)
    return bool(by_name and by_mark)


def _judge_summaries(own: Gate, scores: Sequence[Score]) -> list[gate.Verdict]:
    groups: dict[tuple[str, str], list[tuple[Score, Score]]] = {}
    for score in scores:
        base = own.base(score.protocol, score.task, score.probe, score.encoder)
        if base is not None and not score.private:
            groups.setdefault((score.encoder, score.probe), []).append((base, score))
    return [_judge_summary(own, groups[place], len(groups)) for place in sorted(groups)]


def _judge_summary(own: Gate, rows: Sequence[tuple[Score, Score]], tests: int) -> gate.Verdict:
    base, score = rows[0]
    theirs = own.baselines[score.protocol].board.scores
    lacking = sum(row.encoder == base.encoder and row.probe == base.probe and not row.private for row in theirs)
    try:
        found = [own.evidence(one, other) for one, other in sorted(rows, key=lambda pair: pair[0].task)]
        return gate.judge_summary(found, own.limits, tests, lacking - len(rows))
    except BenchError as error:
        names = (gate.SUMMARY, score.encoder, base.encoder, score.probe)
        return gate.Verdict(*names, gate.INCOMPARABLE, note=str(error))


def _write_verdicts(path: Path, own: Gate, plan: Plan, verdicts: Sequence[gate.Verdict]) -> None:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "suite": plan.settings.suite,
        "baseline": {
            protocol: hashlib.sha256(source.path.read_bytes()).hexdigest() for protocol, source in own.baselines.items()
        },
        "max_drop": own.limits.max_drop,
        "alpha": own.limits.alpha,
        "gate": own.limits.gate,
        "verdicts": [verdict.plain() for verdict in verdicts],
    }
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
