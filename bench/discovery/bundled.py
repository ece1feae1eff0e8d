"""Find the tasks and encoders: module-level values of the files in ``tasks/`` and ``encoders/``, sorted by path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.loading.task_files import check_unique
from bench.types import EncoderSpec, Task

ROOT = Path(__file__).parents[2]


def find_bundled_tasks() -> tuple[Task, ...]:
    """Return the tasks of ``tasks/``."""
    return check_unique(_read_task_values())


def find_bundled_encoders() -> dict[str, EncoderSpec]:
    """Return the encoders of ``encoders/`` by name."""
    from bench.loading.sources import discover_encoders

    return discover_encoders(ROOT / "encoders")[0]


def find_hugging_face_factory() -> Callable[[str], EncoderSpec]:
    """Return the function that makes a spec of a transformers id or folder."""
    from bench.loading.sources import discover_encoders

    return discover_encoders(ROOT / "encoders")[1]["hf"]


def _read_task_values() -> Iterator[Task]:
    for path in sorted((ROOT / "tasks").glob("*/*.py")):
        if path.name.startswith("_") or path.parent.name == "mini":
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        yield from (value for value in vars(module).values() if isinstance(value, Task))
