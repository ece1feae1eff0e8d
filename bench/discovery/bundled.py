"""Find the tasks and encoders: module-level values of the files in ``tasks/`` and ``encoders/``, sorted by path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from bench.types import ChoiceError, EncoderSpec, Task

ROOT = Path(__file__).parents[2]


def find_bundled_tasks() -> tuple[Task, ...]:
    """Return the tasks of ``tasks/``."""
    return _check_unique(_read_task_values())


def find_bundled_encoders() -> dict[str, EncoderSpec]:
    """Return the encoders of ``encoders/`` by name."""
    from bench.loading.sources import discover_encoders

    return discover_encoders(ROOT / "encoders")[0]


def find_hugging_face_factory() -> Callable[[str], EncoderSpec]:
    """Return the function that makes a spec of a transformers id or folder."""
    from bench.loading.sources import discover_encoders

    return discover_encoders(ROOT / "encoders")[1]["hf"]


def load_tasks(path: Path) -> tuple[Task, ...]:
    """Return the tasks that a user's file defines. Raises ChoiceError when it defines none."""
    tasks = [value for value in vars(import_file(path)).values() if isinstance(value, Task)]
    if not tasks:
        raise ChoiceError("no task", got="no module-level Task", expected="name = Task(...)", where=path)
    return _check_unique(tasks)


def import_file(path: Path) -> ModuleType:
    """Import a Python file under a name of its own, once. Raises ChoiceError when it cannot be imported."""
    name = f"otoscope_tasks_{sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ChoiceError("not a Python file", got=path.name, expected="FILE.py", where=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        del sys.modules[name]
        got = f"{type(error).__name__}: {error}"
        raise ChoiceError("file of tasks", got=got, expected="a file that imports", where=path) from error
    return module


def _read_task_values() -> Iterator[Task]:
    for path in sorted((ROOT / "tasks").glob("*/*.py")):
        if path.name.startswith("_") or path.parent.name == "mini":
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        yield from (value for value in vars(module).values() if isinstance(value, Task))


def _check_unique(tasks: Iterable[Task]) -> tuple[Task, ...]:
    by_name: dict[str, Task] = {}
    for task in tasks:
        if by_name.setdefault(task.name, task) is not task:
            raise ChoiceError("name used twice", got=task.name, expected="unique names", where="Task")
    return tuple(by_name.values())
