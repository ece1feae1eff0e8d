"""Corpora in their own layout: folders of audio files and a trial list, found below ``--data`` and left as they are.

What a task's ``ShardSet.corpus`` lists is grouped (usually by speaker); a group is digested over the bytes of its files
and stands for a shard from then on, so that tasks about the same speakers share embeddings. Digests are kept in the
cache with each file's size and time of change: a file is read again for its digest when one of the two is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from bench.datasets import audio_lists, shards
from bench.store.files import address, locked, written
from bench.types import AudioFile, DataError, Shard, Task, Trials


def locate_corpus(task: Task, names: Sequence[str], root: Path) -> Path | None:
    """The folder, one of ``names`` below ``root`` or ``root`` itself, that has the task's trial list; None if none."""
    places = (*(root / name for name in names), root)
    return next((place for place in places if (place / _list(task)).is_file()), None)


def require_corpus(task: Task, names: Sequence[str], root: Path | None) -> Path:
    """As ``located``. Raises DataError, saying where the trial list was looked for."""
    if root is None:
        expected = f"--data DIR with {names[0]}/{_list(task)}"
        raise DataError(f"no data for {task.name}", got="no --data", expected=expected, where="--suite full")
    folder = locate_corpus(task, names, root)
    if folder is None:
        expected = " or ".join(f"{name}/{_list(task)}" for name in names)
        raise DataError(f"no trial list of {task.name}", got="no such file", expected=expected, where=root)
    return folder


def index_groups(task: Task, folder: Path, split: str, cache: Path) -> tuple[Shard, ...]:
    """The groups of a split as shards, by name.

    Raises DataError for a split without files, a key that comes twice and a file that cannot be read.
    """
    if task.shards.corpus is None:
        raise DataError("no corpus", got=task.name, expected="ShardSet.corpus", where=split)
    listed = sorted(task.shards.corpus(folder, split), key=lambda file: (file.group, file.key))
    if not listed:
        raise DataError(f"no audio of {task.name}", got="no file", expected=f"files of split {split}", where=folder)
    keys = sorted(file.key for file in listed)
    if twice := next((key for key, after in pairwise(keys) if key == after), None):
        raise DataError("key comes twice", got=twice, expected="unique keys", where=f"{folder}, split {split}")
    return tuple(_shard(folder, group, list(files), cache) for group, files in groupby(listed, lambda file: file.group))


def _list(task: Task) -> str:
    if not isinstance(task.target, Trials):
        got = type(task.target).__name__
        raise DataError("a corpus without trials", got=got, expected="Trials", where=task.name)
    return task.target.file


def _shard(folder: Path, group: str, files: Sequence[AudioFile], cache: Path) -> Shard:
    """A group's list in the cache, under a name that says what it lists."""
    root = cache / "corpora"
    known = root / f"{address(folder=str(folder.resolve()), group=group)[:32]}.json"
    with locked(cache / "locks" / f"corpus-{known.stem[:3]}.lock"):
        digests = _digests(known, folder, files)
        sha256 = address(files=[[file.key, digests[file.path][2], dict(file.sidecar)] for file in files])
        path = root / f"{address(of=sha256, folder=str(folder.resolve()))[:32]}{audio_lists.SUFFIX}"
        if not path.exists():
            told = [[file.key, file.path, digests[file.path][0], dict(file.sidecar)] for file in files]
            with written(path) as temporary:
                temporary.write_text(json.dumps({"folder": str(folder.resolve()), "files": told}), encoding="utf-8")
    return Shard(path, sha256, sum(digests[file.path][0] for file in files))


def _digests(known: Path, folder: Path, files: Sequence[AudioFile]) -> Mapping[str, Any]:
    """Path to (size, time of change in ns, sha256) of every file; what is new is noted in ``known``."""
    noted: dict[str, Any] = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    before = dict(noted)
    for file in files:
        path = folder / file.path
        try:
            stat = path.stat()
            if noted.get(file.path, [])[:2] != [stat.st_size, stat.st_mtime_ns]:
                noted[file.path] = [stat.st_size, stat.st_mtime_ns, shards.compute_sha256(path)]
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=path) from error
    if noted != before:
        with written(known) as temporary:
            temporary.write_text(json.dumps(noted, sort_keys=True), encoding="utf-8")
    return noted
