"""Equal audio in two splits of a run, by digests of the decoded samples: the rate of a row, and the leakage report.

Audio is equal if its mono samples and its rate are, in whatever container; see ``bench.audio.decode.compute_digest``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.datasets.dataset import list_splits
from bench.evaluation.inputs import TaskRows
from bench.store.files import sanitize_name
from bench.types import DataError, FitSplit, Folds
from bench.types.rates import CLIPS_IN_TRAINING

FOLDER = "digests"  # in a run's folder


@dataclass(frozen=True, slots=True)
class SplitAudio:
    """The audio of a split."""

    shards: tuple[str, ...]  # sha256 of its shards, sorted
    clips: tuple[str, ...]  # digests of its clips, sorted


@dataclass(frozen=True, slots=True)
class TaskAudio:
    """The audio of the splits or folds of a task, the tested ones first."""

    task: str
    protocol: str
    splits: Mapping[str, SplitAudio]


def compute_leak_rate(rows: TaskRows, problems: Sequence[FitSplit]) -> dict[str, float]:
    """Return the fraction of test clips whose audio is in training, too, if there are any."""
    if not rows.digests:
        return {}
    n_leaked = n_clips = 0
    for problem in problems:
        trained = {rows.digests[row] for row in problem.train.tolist()}
        tested = rows.list_clip_digests(problem.test)
        n_leaked += sum(digest in trained for digest in tested)
        n_clips += len(tested)
    return {CLIPS_IN_TRAINING: n_leaked / n_clips} if n_leaked else {}


def list_audio(rows: TaskRows) -> TaskAudio:
    """Return the audio of a task."""
    task = rows.task
    names = list_splits(task)
    if not isinstance(task.split, Folds):
        order = (task.split.test, task.split.valid, task.split.train)
        names = tuple(dict.fromkeys(name for name in order if name is not None))
    return TaskAudio(
        task.name,
        task.protocol,
        {
            name: SplitAudio(
                tuple(sorted(shard.sha256 for shard in rows.data.splits[name])),
                tuple(sorted(rows.list_clip_digests(rows.by_split[name]))) if rows.digests else (),
            )
            for name in names
        },
    )


def compare_audio(tasks: Iterable[TaskAudio]) -> list[dict[str, Any]]:
    """Return the leakage report: pairs of splits with clips of equal audio, one row each, sorted.

    A row says how many clips of ``split`` are in ``other_split`` as well, and what share of ``split`` they are. In a
    task the tested split goes first. Splits of two tasks, or of one, that are the same shards are not compared.
    """
    splits = [
        (audio.task, name, place, split)
        for audio in sorted(tasks, key=lambda audio: audio.task)
        for place, (name, split) in enumerate(audio.splits.items())
    ]
    clips = {(task, name): frozenset(split.clips) for task, name, _, split in splits}
    report = []
    for (task, name, _, split), (other_task, other_name, _, other) in combinations(splits, 2):
        if split.shards == other.shards:
            continue
        shared = clips[task, name] & clips[other_task, other_name]
        if shared:
            n_clips = sum(digest in shared for digest in split.clips)
            report.append(
                {
                    "task": task,
                    "split": name,
                    "other_task": other_task,
                    "other_split": other_name,
                    "clips": n_clips,
                    "share": n_clips / len(split.clips),
                }
            )
    return report


def write_audio(run_folder: Path, audio: TaskAudio) -> None:
    """Keep the digests of a task's audio in a run's folder; several processes of a run may write the same ones."""
    path = run_folder / FOLDER / f"{sanitize_name(audio.task)}.{audio.protocol}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(asdict(audio), separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)


def clear_audio(run_folder: Path) -> None:
    """Remove what an earlier run of the same name kept."""
    for path in (run_folder / FOLDER).glob("*.json"):
        path.unlink()


def read_audio(run_folder: Path) -> list[TaskAudio]:
    """Return what was kept in a run's folder. Raises DataError for a file that is something else."""
    tasks = []
    for path in sorted((run_folder / FOLDER).glob("*.json")):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            splits = {
                str(name): SplitAudio(tuple(split["shards"]), tuple(split["clips"]))
                for name, split in entry["splits"].items()
            }
            tasks.append(TaskAudio(str(entry["task"]), str(entry["protocol"]), splits))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError("digests of audio", got=repr(error)[:120], expected="JSON of a run", where=path) from error
    return tasks
