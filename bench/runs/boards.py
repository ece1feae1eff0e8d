"""The leaderboards of a run, one for each protocol, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.evaluation.leakage import TaskAudio, compare_audio
from bench.leaderboard import summaries
from bench.leaderboard.files import board_json
from bench.runs.plan import Plan
from bench.types import Failure, Leaderboard, Score


def build_boards(
    plan: Plan,
    scores: Sequence[Score],
    failures: Mapping[str, Sequence[Failure]],
    encoders: Iterable[Mapping[str, Any]],
    audio: Iterable[TaskAudio] = (),
) -> dict[str, Leaderboard]:
    """Return the leaderboards of a run by protocol, of ``failures`` by protocol and the ``audio`` of its tasks."""
    rows, all_audio = list(encoders), list(audio)
    return {
        protocol: summaries.build_board(
            suite=plan.settings.suite,
            protocol=protocol,
            scores=[score for score in scores if score.protocol == protocol],
            failures=failures.get(protocol, ()),
            encoders=rows,
            tasks=[task for task in plan.suite if task.protocol == protocol],
            leakage=compare_audio(own for own in all_audio if own.protocol == protocol),
        )
        for protocol in plan.protocols
    }


def name_board_files(protocols: Iterable[str]) -> dict[str, str]:
    """Return the file of each protocol's leaderboard: its name has the protocol where there are several."""
    names = list(protocols)
    return {
        protocol: "leaderboard.json" if len(names) == 1 or protocol == "strict" else f"leaderboard.{protocol}.json"
        for protocol in names
    }


def write_boards(folder: Path, boards: Mapping[str, Leaderboard]) -> None:
    """Write the leaderboards of a run into its folder."""
    for protocol, name in name_board_files(boards).items():
        board_json.write_board(folder / name, boards[protocol])
