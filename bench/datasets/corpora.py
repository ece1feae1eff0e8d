"""Corpora in their own layout: folders of audio files and a trial list, located below ``--data`` and left as they are.

The files that a task's ``ShardSet.corpus`` lists are grouped (usually by speaker). A group is digested over the bytes
of its files and is treated as a shard from then on, so that tasks about the same speakers share embeddings. Digests are
kept in the cache with each file's size and modification time: a file is read again when one of the two has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from bench.datasets import audio_lists, shards
from bench.store.files import compute_address, hold_lock, write_atomically
from bench.types import AudioFile, DataError, Shard, Task, Trials


def locate_corpus(task: Task, names: Sequence[str], root: Path) -> Path | None:
    """Return the folder, one of ``names`` below ``root`` or ``root`` itself, with the task's trial list, if any."""
    folders = (*(root / name for name in names), root)
    return next((folder for folder in folders if (folder / _get_list_name(task)).is_file()), None)


def require_corpus(task: Task, names: Sequence[str], root: Path | None) -> Path:
    """Return the folder that ``locate_corpus`` finds.

    Raises:
        DataError: There is none; the error lists where the trial list was looked for.
    """
    if root is None:
        expected = f"--data DIR with {names[0]}/{_get_list_name(task)}"
        raise DataError(f"no data for {task.name}", got="no --data", expected=expected, where="--suite full")
    folder = locate_corpus(task, names, root)
    if folder is None:
        expected = " or ".join(f"{name}/{_get_list_name(task)}" for name in names)
        raise DataError(f"no trial list of {task.name}", got="no such file", expected=expected, where=root)
    return folder


def index_groups(task: Task, folder: Path, split: str, cache: Path) -> tuple[Shard, ...]:
    """Return the groups of a split as shards, sorted by name.

    Raises:
        DataError: The split has no files, a key is repeated or a file cannot be read.
    """
    if task.shards.corpus is None:
        raise DataError("no corpus", got=task.name, expected="ShardSet.corpus", where=split)
    files = sorted(task.shards.corpus(folder, split), key=lambda file: (file.group, file.key))
    if not files:
        raise DataError(f"no audio of {task.name}", got="no file", expected=f"files of split {split}", where=folder)
    keys = sorted(file.key for file in files)
    if repeated := next((key for key, following in pairwise(keys) if key == following), None):
        raise DataError("key comes twice", got=repeated, expected="unique keys", where=f"{folder}, split {split}")
    groups = groupby(files, lambda file: file.group)
    return tuple(_write_group(folder, name, list(members), cache) for name, members in groups)


def _get_list_name(task: Task) -> str:
    if not isinstance(task.target, Trials):
        got = type(task.target).__name__
        raise DataError("a corpus without trials", got=got, expected="Trials", where=task.name)
    return task.target.file


def _write_group(folder: Path, group: str, files: Sequence[AudioFile], cache: Path) -> Shard:
    """Write a group's list into the cache, under a digest of its contents, unless it is there."""
    root = cache / "corpora"
    index = root / f"{compute_address(folder=str(folder.resolve()), group=group)[:32]}.json"
    with hold_lock(cache / "locks" / f"corpus-{index.stem[:3]}.lock"):
        digests = _update_digests(index, folder, files)
        sha256 = compute_address(files=[[file.key, digests[file.path][2], dict(file.sidecar)] for file in files])
        path = root / f"{compute_address(of=sha256, folder=str(folder.resolve()))[:32]}{audio_lists.SUFFIX}"
        if not path.exists():
            entries = [[file.key, file.path, digests[file.path][0], dict(file.sidecar)] for file in files]
            with write_atomically(path) as temporary:
                temporary.write_text(json.dumps({"folder": str(folder.resolve()), "files": entries}), encoding="utf-8")
    return Shard(path, sha256, sum(digests[file.path][0] for file in files))


def _update_digests(index: Path, folder: Path, files: Sequence[AudioFile]) -> Mapping[str, Any]:
    """Map each path to (size, modification time in ns, sha256), digesting the files that ``index`` does not have."""
    digests: dict[str, Any] = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    before = dict(digests)
    for file in files:
        path = folder / file.path
        try:
            stat = path.stat()
            if digests.get(file.path, [])[:2] != [stat.st_size, stat.st_mtime_ns]:
                digests[file.path] = [stat.st_size, stat.st_mtime_ns, shards.compute_sha256(path)]
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=path) from error
    if digests != before:
        with write_atomically(index) as temporary:
            temporary.write_text(json.dumps(digests, sort_keys=True), encoding="utf-8")
    return digests
