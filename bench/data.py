"""A task's shards: made, found, verified and counted before anything is encoded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.audio import manifest, shards
from bench.audio.fetch import complete, fetch
from bench.store import locked
from bench.types import ClassLabel, Data, DataError, Events, Folds, MultiLabel, Probe, Shard, Task, Transcript

MADE = "made.json"  # in the folder of a generated dataset: the digests of its shards


@dataclass(frozen=True, slots=True)
class Dataset:
    """The verified shards of a task's splits or folds, and what a score says about them."""

    splits: Mapping[str, tuple[Shard, ...]]
    id: str
    sha256: str
    licence: str
    synthetic: bool
    reference: bool | None

    def described(self, hours: float, classes: int) -> Data:
        return Data(self.id, self.sha256, self.licence, self.synthetic, self.reference, hours, classes)


def silent(_: int) -> None:
    """No progress shown."""


def dataset(
    task: Task,
    suite: str,
    *,
    cache: Path,
    data: Path | None,
    offline: bool = False,
    progress: Callable[[int], None] = silent,
) -> Dataset:
    """Find a task's shards and verify every byte; they are made first for the embedded suite, fetched for the full one.

    ``progress`` is told the bytes that arrive. Raises DataError when the suite has no such task, shards are missing
    and may or can not be fetched, a split has no shard, a shard is damaged or not what it was at first use, or a
    training shard is also a test shard.
    """
    if suite == "mini":
        folder, digests = _made(task, cache)
    else:
        folder, digests = _given(task, cache, data, offline, progress)
    splits = {
        name: tuple(
            shards.verified(path, digests.get(path.name)) for path in shards.find(folder, task.shards.patterns[name])
        )
        for name in names(task)
    }
    _refuse_overlap(task, splits)
    if suite != "mini" and task.shards.zenodo:
        manifest.pin(folder, [shard for found in splits.values() for shard in found])
    everything = sorted({shard.sha256 for found in splits.values() for shard in found})
    mini = task.mini if suite == "mini" else None
    return Dataset(
        splits,
        id=f"mini-v{mini.version}/{task.name}"
        if mini
        else f"zenodo:{task.shards.zenodo}"
        if task.shards.zenodo
        else task.name,
        sha256=hashlib.sha256("".join(everything).encode()).hexdigest(),
        licence=mini.licence if mini else task.licence,
        synthetic=mini is not None,
        reference=digests == dict(mini.sha256) if mini else None,
    )


def in_suite(task: Task, suite: str) -> Task:
    """The task as a suite asks it: its embedded version may have fewer classes and other probe hyperparameters."""
    mini = task.mini
    if suite != "mini" or mini is None:
        return task
    task = replace(task, probes=mini.probes or task.probes)
    if mini.classes is None:
        return task
    if isinstance(task.target, ClassLabel | Events):
        return replace(task, target=replace(task.target, classes=mini.classes))
    if isinstance(task.target, MultiLabel):
        return replace(task, target=replace(task.target, classes=tuple(map(str, mini.classes))))
    got = type(task.target).__name__
    raise DataError("reduced classes", got=got, expected="ClassLabel, MultiLabel or Events", where=task.name)


def with_language_model(task: Task, name: str | None) -> Task:
    """The task with transcripts written by the causal language model ``name``, a hub id or folder; None: as it is.

    Rows of a probe that had another model before get a name of their own.
    """
    if name is None or not isinstance(task.target, Transcript):
        return task
    from bench.probes import CausalLM, SpeechToText

    def chosen(probe: Probe) -> Probe:
        if not isinstance(probe, SpeechToText) or getattr(probe.language_model, "name", None) == name:
            return probe
        return replace(probe, language_model=CausalLM(name))

    return replace(task, probes=tuple(map(chosen, task.probes)))


def names(task: Task) -> tuple[str, ...]:
    """The splits or folds that a task needs, each once."""
    if isinstance(task.split, Folds):
        return task.split.names
    wanted = (task.split.train, task.split.valid, task.split.test)
    return tuple(dict.fromkeys(name for name in wanted if name is not None))


def check_complete(task: Task, split: str, clips: int, suite: str) -> None:
    """Raises DataError when a split of the full suite has not the published number of clips."""
    expected = task.shards.samples.get(split) if suite == "full" else None
    if expected is not None and clips != expected:
        raise DataError(f"split {split} is incomplete", got=f"{clips} clips", expected=expected, where=task.name)


def _given(
    task: Task, cache: Path, data: Path | None, offline: bool, progress: Callable[[int], None]
) -> tuple[Path, dict[str, str]]:
    """The folder of a dataset's shards, complete, and the digests noted at first use.

    That is the task's folder below ``data`` (or ``data`` itself, if the shards lie there), else below the cache.
    """
    folder = (data or cache / "full") / (task.shards.folder or task.name)
    patterns = tuple(task.shards.patterns[name] for name in names(task))
    if data is not None and not folder.is_dir() and complete(patterns, data):
        folder = data
    if task.shards.zenodo is None:
        if data is None:
            expected = "--data DIR with the dataset's shards"
            raise DataError(f"no data for {task.name}", got="no --data", expected=expected, where="--suite full")
        return folder if folder.is_dir() else data, {}
    if not complete(patterns, folder):
        fetch(task.shards.zenodo, patterns, folder, offline=offline, progress=progress, deep=False)
    known = manifest.recorded(folder)
    return folder, {name: entry.sha256 for name, entry in known.items() if entry.sha256 is not None}


def _made(task: Task, cache: Path) -> tuple[Path, dict[str, str]]:
    """The folder of the generated shards and their digests; made once, under a lock, and made again if damaged."""
    if task.mini is None:
        expected = "--suite full --data DIR"
        raise DataError(f"no embedded version of {task.name}", got="--suite mini", expected=expected, where=task.name)
    name = task.mini.folder or task.name
    folder = cache / "mini" / f"{name}-v{task.mini.version}"
    with locked(cache / "locks" / f"mini-{name}.lock"):
        digests = _manifest(folder)
        if digests is None:
            digests = _make(task, folder)
    return folder, digests


def _manifest(folder: Path) -> dict[str, str] | None:
    """The digests noted when the folder was made, or None when it is absent or no longer holds those files."""
    if not (folder / MADE).exists():
        return None
    digests: dict[str, str] = json.loads((folder / MADE).read_text())
    try:
        for name, digest in digests.items():
            shards.verified(folder / name, digest)
    except (DataError, FileNotFoundError) as error:
        warnings.warn(f"generated shards are damaged and are made again: {error}", stacklevel=2)
        return None
    return digests


def _make(task: Task, folder: Path) -> dict[str, str]:
    assert task.mini is not None
    for stale in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    temporary = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
    temporary.mkdir(parents=True)
    try:
        task.mini.make(temporary)
        digests = {path.name: shards.checksum(path) for path in sorted(temporary.glob("*.tar"))}
        (temporary / MADE).write_text(json.dumps(digests))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        got = f"{error.strerror or error}"
        raise DataError("cannot make the embedded suite", got=got, expected="room on the disk", where=folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digests


def _refuse_overlap(task: Task, splits: Mapping[str, tuple[Shard, ...]]) -> None:
    tests = task.split.names if isinstance(task.split, Folds) else (task.split.test,)
    for test in tests:
        others = [name for name in splits if name != test]
        if not isinstance(task.split, Folds):
            others = [task.split.train]
        for name in others:
            shared = {shard.sha256 for shard in splits[name]} & {shard.sha256 for shard in splits[test]}
            if shared:
                got = [shard.path.name for shard in splits[test] if shard.sha256 in shared]
                raise DataError(f"{name} and {test} share shards", got=got, expected="disjoint splits", where=task.name)
