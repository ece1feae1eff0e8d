"""Score an encoder from Python or a notebook: the numbers, the store and the files of ``pytest bench``."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.discovery import bundled
from bench.discovery.environment import get_cache_folder
from bench.evaluation.leakage import TaskAudio
from bench.leaderboard.files import sources
from bench.loading.adapt import adapt
from bench.loading.layers import select_layer
from bench.loading.task_files import load_tasks
from bench.runs.boards import build_boards
from bench.runs.plan import Case, Plan
from bench.runs.results import Results, Run
from bench.runs.selection import build_plan, choose_device, choose_suite, resolve_encoder
from bench.runs.session import Session, describe_encoder
from bench.runs.threads import count_cores, limit_threads
from bench.scoring.measure import ScoredPredictions
from bench.scoring.trials import TrialPredictions
from bench.types import (
    PRECISIONS,
    PROTOCOLS,
    SUITES,
    BenchError,
    ChoiceError,
    Encoder,
    EncoderSpec,
    Failure,
    Score,
    Settings,
    Task,
)
from bench.xares.protocol import BOTH

AnswersByFile = dict[tuple[str, str], ScoredPredictions | TrialPredictions]
"""Answers by protocol and predictions file."""


def score(
    encoder: str | Path | EncoderSpec | type | Encoder,
    *,
    tasks: str | Path | Task | Sequence[str | Path | Task] = (),
    data: str | Path | None = None,
    suite: str | None = None,
    protocol: str = "strict",
    probes: str | Sequence[str] = (),
    seeds: int | Sequence[int] = 3,
    device: str = "auto",
    precision: str = "fp32",
    cache: str | Path | None = None,
    layer: int | str | None = None,
    name: str | None = None,
    mirror: str = "",
    offline: bool = False,
) -> Run:
    """Score an encoder. Options without a line of their own are those of ``pytest bench --help``.

    Args:
        encoder: What ``--encoder`` takes (a bundled name, a path, ``hf:ID``), an ``EncoderSpec``, or an encoder that
            is loaded already, or its class.
        tasks: Names of bundled tasks, ``Task`` values, files of tasks, or several of them; none: the whole suite.
        data: Folder of shards; without it the synthetic suite is scored.
        probes: Names of the only probes to compute; none: each task's own.
        seeds: How many seeds the probes have, or which.
        cache: Where embeddings and synthetic shards are kept; None: where ``pytest bench`` keeps them.
        name: The encoder's name in the scores; None: its own.

    Returns:
        Scores, failures, embeddings. A case that raises becomes a failure; the others are scored.

    Raises:
        ChoiceError: For an option, task or encoder that does not exist, before anything is computed.
    """
    _check_choices(suite=(suite, SUITES), protocol=(protocol, (*PROTOCOLS, BOTH)), precision=(precision, PRECISIONS))
    values = (tasks,) if isinstance(tasks, str | Path | Task) else tuple(tasks)
    spec = make_spec(encoder, name)
    folder = None if data is None else Path(data).expanduser().resolve()
    settings = Settings(
        suite=choose_suite(suite, folder),
        protocol=protocol,
        device=choose_device(device),
        precision=precision,
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        cache=Path(cache or get_cache_folder()).expanduser().resolve(),
        data=folder,
        threads=count_cores(),
        offline=offline,
        mirror=mirror,
    )
    specs = (spec if layer is None else select_layer(spec, str(layer)),)
    own, names = read_tasks(values)
    plan = build_plan(
        settings, specs, own, keyword=" ".join(names), probes=(probes,) if isinstance(probes, str) else probes
    )
    cases = [case for case in plan.cases if not names or case.task.name in names]
    return _run_cases(plan, cases)


def load(path: str | Path) -> Results:
    """Read a ``leaderboard.json``, or those in a run's folder, with the predictions beside it.

    Raises DataError for what is no leaderboard.
    """
    found = {source.board.protocol: source for source in sources.read_sources(Path(path).expanduser())}

    def read_answers(row: Score) -> ScoredPredictions | TrialPredictions:
        return sources.read_answers(found[row.protocol], row)

    return Results({protocol: source.board for protocol, source in found.items()}, read_answers)


def make_spec(encoder: str | Path | EncoderSpec | type | Encoder, name: str | None = None) -> EncoderSpec:
    """Return the spec of an encoder in any form that ``score`` takes. Raises ChoiceError where there is none."""
    if isinstance(encoder, str | Path):
        spec = resolve_encoder(str(encoder))
    elif isinstance(encoder, EncoderSpec):
        spec = encoder
    else:
        made: Any = encoder
        label = made.__name__ if isinstance(made, type) else type(made).__name__
        spec = EncoderSpec(label, lambda device: adapt(made() if isinstance(made, type) else made, device))
    return spec if name is None else replace(spec, name=name)


def read_tasks(values: Sequence[str | Path | Task]) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Return the tasks that a run has instead of the bundled ones, and else the names of those that it computes.

    Names alone select from the suite, whose summaries then say what is missing. Raises ChoiceError for no such task.
    """
    known = {task.name: task for task in bundled.find_bundled_tasks()}
    tasks: list[Task] = []
    names: list[str] = []
    for value in values:
        if isinstance(value, Task):
            tasks.append(value)
        elif str(value) in known:
            names.append(str(value))
        elif str(value).endswith(".py") and Path(value).is_file():
            tasks += load_tasks(Path(value).resolve())
        else:
            expected = f"a Task, FILE.py or one of {', '.join(sorted(known))}"
            raise ChoiceError("no such task", got=repr(str(value)), expected=expected, where="tasks=")
    if tasks:
        return (*(known[name] for name in names), *tasks), ()
    return (), tuple(names)


def _check_choices(**options: tuple[str | None, Sequence[str]]) -> None:
    for option, (value, choices) in options.items():
        if value is not None and value not in choices:
            raise ChoiceError(f"unknown {option}", got=repr(value), expected=", ".join(choices), where=f"{option}=")


def _run_cases(plan: Plan, cases: Sequence[Case]) -> Run:
    audio: dict[tuple[str, str], TaskAudio] = {}
    session = Session(plan.settings, keep_audio=lambda own: audio.update({(own.task, own.protocol): own}))
    scores: list[Score] = []
    failures: dict[str, list[Failure]] = {protocol: [] for protocol in plan.protocols}
    answers: AnswersByFile = {}
    encoders = []
    with limit_threads():
        for case in cases:
            try:
                loaded = session.load_encoder(case.spec)
                encoders = [describe_encoder(case.spec, loaded)]
                evaluation = session.evaluate(case)
            except Exception as error:  # noqa: BLE001  (somebody else's code may raise anything)
                row = Failure(case.task.name, case.spec.name, case.probe.name, describe_error(error))
                failures[case.task.protocol].append(row)
                continue
            scores.append(evaluation.score)
            answers[evaluation.score.protocol, evaluation.score.predictions] = evaluation.answers
    boards = build_boards(plan, scores, failures, encoders, audio.values())
    return Run(boards, lambda row: answers[row.protocol, row.predictions], plan, session)


def describe_error(error: Exception) -> str:
    """Return the line that a failure shows, as a failed test of ``pytest bench`` has it."""
    if isinstance(error, BenchError):
        return str(error)
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
