"""The reference bytes of the synthetic suite: ``checksums.json`` holds {task or shared folder: {shard: sha256}}.

``python -m tasks.mini.checksums [TASK ...]`` makes the shards anew and rewrites the file; an entry changes only
together with its ``Mini.version``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.types import ChoiceError, Task

FILE = Path(__file__).with_name("checksums.json")
TASKS = Path(__file__).parents[1]


def _load() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return content


def read_checksums(task: str) -> Mapping[str, str]:
    """Read shard name -> sha256 of the synthetic shards of a task or shared folder; empty when unknown."""
    return _load().get(task, {})


def compute_digests(task: Task) -> dict[str, str]:
    """Make a task's synthetic shards in a temporary folder and digest them."""
    if task.mini is None:
        raise ChoiceError("task without a synthetic version", got=task.name, expected="Task.mini", where="checksums")
    with tempfile.TemporaryDirectory() as folder:
        task.mini.make(Path(folder))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}


def list_synthetic() -> dict[str, Task]:
    """List every task of this repository that has a synthetic version, by name."""
    files = [path for path in sorted(TASKS.glob("*/*.py")) if path.parent.name != "mini" and path.stem != "__init__"]
    modules = [importlib.import_module(f"tasks.{path.parent.name}.{path.stem}") for path in files]
    tasks = [value for module in modules for value in vars(module).values() if isinstance(value, Task)]
    return {task.name: task for task in tasks if task.mini is not None}


def main(names: list[str]) -> None:
    """Rewrite the entries of ``names`` (all when empty)."""
    tasks = list_synthetic()
    for name in names:
        if name not in tasks:
            known = ", ".join(tasks)
            raise ChoiceError("unknown synthetic task", got=name, expected=known, where="tasks.mini.checksums")
    wanted = [tasks[name] for name in names or list(tasks)]
    by_folder = {task.mini.folder or task.name: task for task in wanted if task.mini is not None}
    for folder, task in by_folder.items():
        made = compute_digests(task)
        FILE.write_text(json.dumps({**_load(), folder: made}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sys.stdout.write(f"{folder}: {len(made)} shards\n")


if __name__ == "__main__":
    main(sys.argv[1:])
