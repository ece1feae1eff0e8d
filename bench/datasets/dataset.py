"""A task's shards: made, found, verified and counted before anything is encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.datasets import corpora, hugging_face, manifest, shards
from bench.datasets.fetch import fetch_files, ignore_progress
from bench.datasets.hugging_face import Mirror
from bench.datasets.records import is_complete, list_missing_files
from bench.datasets.synthetic import make_synthetic_shards
from bench.types import ClassLabel, Data, DataError, Events, Folds, MultiLabel, Shard, Task, Trials


@dataclass(frozen=True, slots=True)
class Dataset:
    """The verified shards of a task's splits or folds, and what a score says about them."""

    splits: Mapping[str, tuple[Shard, ...]]
    id: str
    sha256: str
    licence: str
    synthetic: bool
    reference: bool | None
    samples: Mapping[str, int] = field(default_factory=dict)  # split or fold -> clips, as recorded at first use
    trials: Path | None = None  # the trial list of a verification task

    def described(self, hours: float, classes: int) -> Data:
        return Data(self.id, self.sha256, self.licence, self.synthetic, self.reference, hours, classes)


def prepare_dataset(
    task: Task,
    suite: str,
    *,
    cache: Path,
    data: Path | None,
    offline: bool = False,
    mirror: str = "",
    progress: Callable[[int], None] = ignore_progress,
    threads: int = 1,
) -> Dataset:
    """Find a task's shards and verify every byte; they are made first for the embedded suite, fetched for the full one.

    ``mirror`` is a repository to fetch from (see ``source``); ``progress`` is told the bytes that arrive; ``threads``
    shards are verified at a time. Raises DataError when the suite has no such task, shards are missing and may or can
    not be fetched, a split has no shard, a shard is damaged or not what it was at first use, or a training shard is
    also a test shard.
    """
    if suite != "mini" and task.shards.corpus is not None:
        return _of_corpus(task, cache, data)
    if suite == "mini":
        folder, digests = make_synthetic_shards(task, cache)
    else:
        folder, digests = _given(task, cache, data, choose_source(task, mirror), offline, progress)
    splits = {
        name: shards.verify_shards(shards.find_shards(folder, task.shards.patterns[name]), digests, threads)
        for name in list_splits(task)
    }
    _refuse_overlap(task, splits)
    samples = {}
    if suite != "mini" and _pinned(task):
        manifest.pin_shards(folder, [shard for found in splits.values() for shard in found])
        samples = _recorded_samples(folder, splits)
    everything = sorted({shard.sha256 for found in splits.values() for shard in found})
    trials = _trials(task, folder)
    if trials is not None:
        everything.append(shards.compute_sha256(trials))
    mini = task.mini if suite == "mini" else None
    return Dataset(
        splits,
        id=f"mini-v{mini.version}/{mini.folder or task.name}"
        if mini
        else f"zenodo:{task.shards.zenodo}"
        if task.shards.zenodo
        else f"hf:{task.shards.hugging_face}"
        if task.shards.hugging_face
        else _named(task),
        sha256=hashlib.sha256("".join(everything).encode()).hexdigest(),
        licence=mini.licence if mini else task.licence,
        synthetic=mini is not None,
        reference=digests == dict(mini.sha256) if mini else None,
        samples=samples,
        trials=trials,
    )


def _of_corpus(task: Task, cache: Path, data: Path | None) -> Dataset:
    """A corpus in its own layout; its files are no shards, but are grouped, digested and stored like them."""
    folder = corpora.require_corpus(task, list_folders(task), data)
    splits = {name: corpora.index_groups(task, folder, name, cache) for name in list_splits(task)}
    everything = sorted({shard.sha256 for found in splits.values() for shard in found})
    trials = _trials(task, folder)
    if trials is not None:
        everything.append(shards.compute_sha256(trials))
    digest = hashlib.sha256("".join(everything).encode()).hexdigest()
    return Dataset(splits, _named(task), digest, task.licence, synthetic=False, reference=None, trials=trials)


def _trials(task: Task, folder: Path) -> Path | None:
    if not isinstance(task.target, Trials):
        return None
    path = folder / task.target.file
    if not path.is_file():
        there = sorted(own.name for own in folder.iterdir())[:8]
        raise DataError("no trial list", got=there, expected=task.target.file, where=folder)
    return path


def _named(task: Task) -> str:
    """What a user's own folder holds: the corpora that its trials are of, or the task's own data."""
    return "+".join(task.target.corpora if isinstance(task.target, Trials) else ()) or task.name


def adapt_to_suite(task: Task, suite: str) -> Task:
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


def list_folders(task: Task) -> tuple[str, ...]:
    """Names that the folder of a task's shards may have; what has to be fetched or recorded goes into the first."""
    return tuple(dict.fromkeys((task.shards.folder or task.name, task.name, *task.shards.also)))


def share_folders(tasks: Sequence[Task], known: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks, each told the folders of those, and of the ``known``, that ask about the same record."""
    return tuple(
        replace(task, shards=replace(task.shards, also=tuple(dict.fromkeys((*task.shards.also, *also)))))
        if (also := [name for other in (*tasks, *known) if _same_record(task, other) for name in list_folders(other)])
        else task
        for task in tasks
    )


def locate_folder(task: Task, root: Path) -> Path | None:
    """Where below ``root`` the shards of a task lie, ``root`` included; None when there is not one of them.

    A complete folder goes before one that lacks some. Of a corpus in its own layout: where its trial list is.
    """
    if task.shards.corpus is not None:
        return corpora.locate_corpus(task, list_folders(task), root)
    patterns = tuple(task.shards.patterns[name] for name in list_splits(task))
    places = [root / name for name in list_folders(task)]
    whole = (place for place in (*places, root) if is_complete(patterns, place))
    some = (place for place in places if any(next(place.glob(pattern), None) for pattern in patterns))
    return next(whole, None) or next(some, None) or (root if list_missing_files(patterns, root) else None)


def _same_record(task: Task, other: Task) -> bool:
    return task.shards.zenodo is not None and task.shards.zenodo == other.shards.zenodo


def list_splits(task: Task) -> tuple[str, ...]:
    """The splits or folds that a task needs, each once."""
    if isinstance(task.split, Folds):
        return task.split.names
    wanted = (task.split.train, task.split.valid, task.split.test)
    return tuple(dict.fromkeys(name for name in wanted if name is not None))


def check_complete(task: Task, data: Dataset, split: str, clips: int, suite: str) -> None:
    """Raises DataError when a split has not the clips of its first use, or of its publication where that is known."""
    published = task.shards.samples.get(split) if suite == "full" else None
    for expected, said in ((published, ""), (data.samples.get(split), ", as recorded at first use")):
        if expected is not None and clips != expected:
            got = f"{clips} clips"
            raise DataError(f"split {split} is incomplete", got=got, expected=f"{expected}{said}", where=task.name)


def choose_source(task: Task, mirror: str = "") -> str | Mirror | None:
    """Where a task's shards are fetched from: its Zenodo record, or a mirror; None for what is published nowhere.

    ``mirror`` is ``hf`` for the mirrors that tasks name, or ``OWNER/REPO[@REVISION]`` with a folder for each task.
    """
    if not _pinned(task):
        return None
    if mirror and mirror != "hf":
        return replace(hugging_face.parse_mirror(mirror), folders=list_folders(task))
    if task.shards.hugging_face and (mirror or task.shards.zenodo is None):
        return hugging_face.parse_mirror(task.shards.hugging_face)
    return task.shards.zenodo


def _given(
    task: Task,
    cache: Path,
    data: Path | None,
    record: str | Mirror | None,
    offline: bool,
    progress: Callable[[int], None],
) -> tuple[Path, dict[str, str]]:
    """The folder of a dataset's shards, complete, and the digests noted at first use.

    That is one of the task's folders below ``data`` (or ``data`` itself, if the shards lie there), else in the cache.
    """
    root = data or cache / "full"
    folder = locate_folder(task, root) or root / list_folders(task)[0]
    patterns = tuple(task.shards.patterns[name] for name in list_splits(task))
    if record is None and data is None:
        expected = "--data DIR with the dataset's shards"
        raise DataError(f"no data for {task.name}", got="no --data", expected=expected, where="--suite full")
    if record is not None and not is_complete(patterns, folder):
        fetch_files(record, patterns, folder, offline=offline, progress=progress, deep=False)
    if not _pinned(task):
        return folder if folder.is_dir() or data is None else data, {}
    if absent := list_missing_files(patterns, folder):
        expected = "every shard that was there at first use"
        raise DataError("shards missing", got=f"no {', '.join(absent)}", expected=expected, where=folder)
    known = manifest.read_manifest(folder)
    return folder, {name: entry.sha256 for name, entry in known.items() if entry.sha256 is not None}


def _pinned(task: Task) -> bool:
    """Whether shards are recorded at first use: published ones never change, a user's own data may."""
    return task.shards.zenodo is not None or task.shards.hugging_face is not None or task.private


def _recorded_samples(folder: Path, splits: Mapping[str, Sequence[Shard]]) -> dict[str, int]:
    """How many clips each split had at first use, where all of its shards are recorded."""
    counts = {name: entry.samples for name, entry in manifest.read_manifest(folder).items()}
    each = {split: [counts.get(shard.path.name) for shard in found] for split, found in splits.items()}
    return {split: sum(filter(None, found)) for split, found in each.items() if None not in found}


def _refuse_overlap(task: Task, splits: Mapping[str, tuple[Shard, ...]]) -> None:
    tests = task.split.names if isinstance(task.split, Folds) else (task.split.test,)
    for test in tests:
        others = [name for name in splits if name != test]
        if not isinstance(task.split, Folds):
            others = [name for name in others if name == task.split.train]
        for name in others:
            shared = {shard.sha256 for shard in splits[name]} & {shard.sha256 for shard in splits[test]}
            if shared:
                got = [shard.path.name for shard in splits[test] if shard.sha256 in shared]
                raise DataError(f"{name} and {test} share shards", got=got, expected="disjoint splits", where=task.name)
