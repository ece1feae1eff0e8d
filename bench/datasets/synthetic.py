"""Shards of the synthetic suite: generated once, under a lock, and again if damaged."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

from bench.datasets import shards
from bench.store.files import hold_lock
from bench.types import DataError, Task

DIGESTS_FILE = "made.json"  # in the folder of a synthetic dataset: the digests of its shards and trial lists
DIGESTED_SUFFIXES = (".tar", ".txt")


def make_synthetic_shards(task: Task, cache: Path) -> tuple[Path, dict[str, str]]:
    """Return the folder of a task's synthetic shards and their digests, generating them where need be.

    Raises:
        DataError: The task has no synthetic version, or the disk is full.
    """
    if task.mini is None:
        expected = "--suite full --data DIR"
        raise DataError(f"no synthetic version of {task.name}", got="--suite mini", expected=expected, where=task.name)
    folder = get_synthetic_folder(task, cache)
    with hold_lock(cache / "locks" / f"mini-{task.mini.folder or task.name}.lock"):
        digests = _read_intact(folder)
        if digests is None:
            digests = _generate(task, folder)
    return folder, digests


def get_synthetic_folder(task: Task, cache: Path) -> Path:
    """Return the folder where a task's synthetic shards are, or will be."""
    assert task.mini is not None
    return cache / "mini" / f"{task.mini.folder or task.name}-v{task.mini.version}"


def read_digests(folder: Path) -> dict[str, str]:
    """Read the digests noted when the folder was generated; none when it is absent."""
    path = folder / DIGESTS_FILE
    digests: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return digests


def _read_intact(folder: Path) -> dict[str, str] | None:
    """Read the digests of the folder; None when it is absent or no longer holds those files."""
    digests = read_digests(folder)
    if not digests:
        return None
    try:
        for name, digest in digests.items():
            if name.endswith(".tar"):
                shards.verify_shard(folder / name, digest)
            elif shards.compute_sha256(folder / name) != digest:
                raise DataError(
                    "text differs from the generated one", got="other bytes", expected=digest, where=folder / name
                )
    except (DataError, FileNotFoundError) as error:
        warnings.warn(f"synthetic shards are damaged and generated again: {error}", stacklevel=2)
        return None
    return digests


def _generate(task: Task, folder: Path) -> dict[str, str]:
    assert task.mini is not None
    for stale in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)
    temporary = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
    temporary.mkdir(parents=True)
    try:
        task.mini.make(temporary)
        paths = sorted(path for path in temporary.iterdir() if path.suffix in DIGESTED_SUFFIXES)
        digests = {path.name: shards.compute_sha256(path) for path in paths}
        (temporary / DIGESTS_FILE).write_text(json.dumps(digests))
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        got = f"{error.strerror or error}"
        raise DataError(
            "cannot generate the synthetic suite", got=got, expected="room on the disk", where=folder
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digests
