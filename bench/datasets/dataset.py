"""Prepare the shards of a task: generate, locate or fetch, then verify and count them, before anything is encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.datasets import corpora, hugging_face, identity, manifest, shards
from bench.datasets.compressed import verify_all
from bench.datasets.fetch import fetch_files, ignore_progress
from bench.datasets.hugging_face import Mirror
from bench.datasets.records import is_complete, list_missing_files
from bench.datasets.synthetic import make_synthetic_shards
from bench.types import OWN_DATA, ClassLabel, Data, DataError, Events, Folds, MultiLabel, Shard, Task, Trials


@dataclass(frozen=True, slots=True)
class Dataset:
    """The verified shards of a task's splits or folds, and the facts about them that a score quotes."""

    splits: Mapping[str, tuple[Shard, ...]]
    id: str
    sha256: str
    licence: str
    synthetic: bool
    reference: bool | None
    samples: Mapping[str, int] = field(default_factory=dict)  # split or fold -> clips, by the shards' headers
    trials: Path | None = None  # the trial list of a verification task

    def describe(self, hours: float, classes: int) -> Data:
        """Return the entry of a leaderboard about this dataset; ``hours`` of audio in ``classes`` classes."""
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
    """Find a task's shards and verify every byte.

    Shards of the synthetic suite are generated first, those of the full suite are fetched first.

    Args:
        task: The task.
        suite: ``mini`` (synthetic) or ``full``.
        cache: Folder of generated and fetched shards.
        data: Folder of the user's shards, searched before the cache.
        offline: Fetch nothing.
        mirror: Repository to fetch from (see ``choose_source``).
        progress: Called with the number of bytes that arrived.
        threads: Number of shards that are verified at a time.

    Raises:
        DataError: The suite has no such task, shards are missing and may or can not be fetched, a split has no shard, a
            shard is damaged or differs from the one of the first use, or a training shard is also a test shard.
    """
    if suite != "mini" and task.shards.corpus is not None:
        return _prepare_corpus(task, cache, data)
    if suite == "mini":
        folder, digests = make_synthetic_shards(task, cache)
    else:
        folder, digests = _fetch_missing(task, cache, data, choose_source(task, mirror), offline, progress)
    splits = {
        name: verify_all(shards.find_shards(folder, task.shards.patterns[name]), digests, threads, cache)
        for name in list_splits(task)
    }
    _refuse_overlap(task, splits)
    samples = {}
    if suite != "mini" and _is_pinned(task):
        manifest.pin_shards(folder, [shard for split in splits.values() for shard in split])
        samples = _count_noted_samples(folder, splits)
    elif suite != "mini":
        samples = {name: sum(map(shards.count_and_report, split)) for name, split in splits.items()}
    trials = _locate_trials(task, folder)
    mini = task.mini if suite == "mini" else None
    if mini is None:
        name = identity.name_data(task, folder, [shard for split in splits.values() for shard in split])
        licence = identity.UNKNOWN_LICENCE if name.startswith(OWN_DATA) else task.licence
    else:
        name, licence = f"mini-v{mini.version}/{mini.folder or task.name}", mini.licence
    return Dataset(
        splits,
        id=name,
        sha256=_hash_contents(splits, trials),
        licence=licence,
        synthetic=mini is not None,
        reference=digests == dict(mini.sha256) if mini else None,
        samples=samples,
        trials=trials,
    )


def adapt_to_suite(task: Task, suite: str) -> Task:
    """Return the task as a suite runs it: the synthetic version may have fewer classes and other hyperparameters."""
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
    """Return the names that the folder of a task's shards may have; shards are fetched into the first."""
    return tuple(dict.fromkeys((task.shards.folder or task.name, task.name, *task.shards.also)))


def share_folders(tasks: Sequence[Task], known: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks, each with the folder names of all tasks, ``known`` ones included, of the same Zenodo record."""
    everything = (*tasks, *known)

    def share(task: Task) -> Task:
        also = [name for other in everything if _has_same_record(task, other) for name in list_folders(other)]
        if not also:
            return task
        return replace(task, shards=replace(task.shards, also=tuple(dict.fromkeys((*task.shards.also, *also)))))

    return tuple(map(share, tasks))


def locate_folder(task: Task, root: Path) -> Path | None:
    """Return the folder below ``root``, or ``root`` itself, with shards of a task; None when there are none.

    A complete folder goes before one that lacks some. For a corpus in its own layout: the folder of its trial list.
    """
    if task.shards.corpus is not None:
        return corpora.locate_corpus(task, list_folders(task), root)
    patterns = tuple(task.shards.patterns[name] for name in list_splits(task))
    folders = [root / name for name in list_folders(task)]
    complete = (folder for folder in (*folders, root) if is_complete(patterns, folder))
    partial = (folder for folder in folders if any(next(folder.glob(pattern), None) for pattern in patterns))
    return next(complete, None) or next(partial, None) or (root if list_missing_files(patterns, root) else None)


def list_splits(task: Task) -> tuple[str, ...]:
    """Return the names of the splits or folds that a task needs, each once."""
    if isinstance(task.split, Folds):
        return task.split.names
    names = (task.split.train, task.split.valid, task.split.test)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def check_complete(task: Task, data: Dataset, split: str, clips: int, suite: str) -> None:
    """Raise DataError when a split has not as many clips as its shards, at first use or published, where known."""
    published = task.shards.samples.get(split) if suite == "full" else None
    noted = ", as recorded at first use" if _is_pinned(task) else ", as its shards hold"
    for expected, origin in ((published, ""), (data.samples.get(split), noted)):
        if expected is not None and clips != expected:
            got = f"{clips} clips"
            raise DataError(f"split {split} is incomplete", got=got, expected=f"{expected}{origin}", where=task.name)


def choose_source(task: Task, mirror: str = "") -> str | Mirror | None:
    """Return where to fetch a task's shards from: its Zenodo record or a mirror; None when they are not public.

    ``mirror`` is ``hf`` for the mirrors that tasks name, or ``OWNER/REPO[@REVISION]`` with a folder for each task.
    """
    if not _is_pinned(task):
        return None
    if mirror and mirror != "hf":
        return replace(hugging_face.parse_mirror(mirror), folders=list_folders(task))
    if task.shards.hugging_face and (mirror or task.shards.zenodo is None):
        return hugging_face.parse_mirror(task.shards.hugging_face)
    return task.shards.zenodo


def _prepare_corpus(task: Task, cache: Path, data: Path | None) -> Dataset:
    """Return a corpus in its own layout; its files are no shards, but are grouped, digested and stored like them."""
    folder = corpora.require_corpus(task, list_folders(task), data)
    splits = {name: corpora.index_groups(task, folder, name, cache) for name in list_splits(task)}
    trials = _locate_trials(task, folder)
    digest = _hash_contents(splits, trials)
    return Dataset(
        splits, identity.name_own_data(task), digest, task.licence, synthetic=False, reference=None, trials=trials
    )


def _hash_contents(splits: Mapping[str, Sequence[Shard]], trials: Path | None) -> str:
    """Return the sha256 over the digests of all shards, each once, and of the trial list."""
    digests = sorted({shard.sha256 for split in splits.values() for shard in split})
    if trials is not None:
        digests.append(shards.compute_sha256(trials))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _locate_trials(task: Task, folder: Path) -> Path | None:
    if not isinstance(task.target, Trials):
        return None
    path = folder / task.target.file
    if not path.is_file():
        names = sorted(entry.name for entry in folder.iterdir())[:8]
        raise DataError("no trial list", got=names, expected=task.target.file, where=folder)
    return path


def _has_same_record(task: Task, other: Task) -> bool:
    return task.shards.zenodo is not None and task.shards.zenodo == other.shards.zenodo


def _fetch_missing(
    task: Task,
    cache: Path,
    data: Path | None,
    record: str | Mirror | None,
    offline: bool,
    progress: Callable[[int], None],
) -> tuple[Path, dict[str, str]]:
    """Return the folder of a dataset's shards, completed if need be, and the digests noted at first use.

    The folder is one of the task's below ``data`` (or ``data`` itself, if the shards lie there), else in the cache.
    """
    root = data or cache / "full"
    folder = locate_folder(task, root) or root / list_folders(task)[0]
    patterns = tuple(task.shards.patterns[name] for name in list_splits(task))
    if record is None and data is None:
        expected = "--data DIR with the dataset's shards"
        raise DataError(f"no data for {task.name}", got="no --data", expected=expected, where="--suite full")
    if record is not None and not is_complete(patterns, folder):
        fetch_files(record, patterns, folder, offline=offline, progress=progress, deep=False)
    if not _is_pinned(task):
        return folder if folder.is_dir() or data is None else data, {}
    if missing := list_missing_files(patterns, folder):
        expected = "every shard that was there at first use"
        raise DataError("shards missing", got=f"no {', '.join(missing)}", expected=expected, where=folder)
    entries = manifest.read_manifest(folder)
    return folder, {name: entry.sha256 for name, entry in entries.items() if entry.sha256 is not None}


def _is_pinned(task: Task) -> bool:
    """Return True if shards are noted at first use: published ones never change, a user's own data may."""
    return task.shards.zenodo is not None or task.shards.hugging_face is not None or task.private


def _count_noted_samples(folder: Path, splits: Mapping[str, Sequence[Shard]]) -> dict[str, int]:
    """Count the clips that each split had at first use, where all of its shards are in the manifest."""
    counts = {name: entry.samples for name, entry in manifest.read_manifest(folder).items()}
    by_split = {name: [counts.get(shard.name) for shard in split] for name, split in splits.items()}
    return {name: sum(filter(None, numbers)) for name, numbers in by_split.items() if None not in numbers}


def _refuse_overlap(task: Task, splits: Mapping[str, tuple[Shard, ...]]) -> None:
    tests = task.split.names if isinstance(task.split, Folds) else (task.split.test,)
    for test in tests:
        others = [name for name in splits if name != test]
        if not isinstance(task.split, Folds):
            others = [name for name in others if name == task.split.train]
        for name in others:
            shared = {shard.sha256 for shard in splits[name]} & {shard.sha256 for shard in splits[test]}
            if shared:
                got = [shard.name for shard in splits[test] if shard.sha256 in shared]
                raise DataError(f"{name} and {test} share shards", got=got, expected="disjoint splits", where=task.name)
