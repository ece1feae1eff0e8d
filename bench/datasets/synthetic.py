"""The embedded suite's shards: made once, under a lock, and made again if damaged."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

from bench.datasets import shards
from bench.store.files import locked
from bench.types import DataError, Task

DIGESTS_FILE = "made.json"  # in the folder of a generated dataset: the digests of its shards and trial lists
DIGESTED_SUFFIXES = (".tar", ".txt")


def make_synthetic_shards(task: Task, cache: Path) -> tuple[Path, dict[str, str]]:
    """The folder of the generated shards and their digests; made once, under a lock, and made again if damaged."""
    if task.mini is None:
        expected = "--suite full --data DIR"
        raise DataError(f"no embedded version of {task.name}", got="--suite mini", expected=expected, where=task.name)
    folder = get_synthetic_folder(task, cache)
    with locked(cache / "locks" / f"mini-{task.mini.folder or task.name}.lock"):
        digests = _whole(folder)
        if digests is None:
            digests = _make(task, folder)
    return folder, digests


def get_synthetic_folder(task: Task, cache: Path) -> Path:
    """Where a task's generated shards are, or will be."""
    assert task.mini is not None
    return cache / "mini" / f"{task.mini.folder or task.name}-v{task.mini.version}"


def read_digests(folder: Path) -> dict[str, str]:
    """The digests noted when the folder was made; none when it is absent."""
    noted: dict[str, str] = json.loads((folder / DIGESTS_FILE).read_text()) if (folder / DIGESTS_FILE).exists() else {}
    return noted


def _whole(folder: Path) -> dict[str, str] | None:
    """The digests noted when the folder was made, or None when it is absent or no longer holds those files."""
    digests = read_digests(folder)
    if not digests:
        return None
    try:
        for name, digest in digests.items():
            if name.endswith(".tar"):
                shards.verify_shard(folder / name, digest)
            elif shards.compute_sha256(folder / name) != digest:
                raise DataError("text is not what was made", got="other bytes", expected=digest, where=folder / name)
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
        made = sorted(path for path in temporary.iterdir() if path.suffix in DIGESTED_SUFFIXES)
        digests = {path.name: shards.compute_sha256(path) for path in made}
        (temporary / DIGESTS_FILE).write_text(json.dumps(digests))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        got = f"{error.strerror or error}"
        raise DataError("cannot make the embedded suite", got=got, expected="room on the disk", where=folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digests
