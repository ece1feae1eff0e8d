"""Files of tasks that users write: each is imported under a name of its own, and its module-level tasks are taken."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from bench.types import ChoiceError, Task


def load_tasks(path: Path) -> tuple[Task, ...]:
    """Load the tasks that a user's file defines.

    Raises:
        ChoiceError: the file cannot be imported or defines no task.
    """
    tasks = [value for value in vars(import_file(path)).values() if isinstance(value, Task)]
    if not tasks:
        raise ChoiceError("no task", got="no module-level Task", expected="name = Task(...)", where=path)
    return check_unique(tasks)


def import_file(path: Path) -> ModuleType:
    """Import a Python file under a name of its own.

    Raises:
        ChoiceError: the file cannot be imported.
    """
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


def check_unique(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return each task once.

    Raises:
        ChoiceError: two different tasks have one name.
    """
    by_name: dict[str, Task] = {}
    for task in tasks:
        if by_name.setdefault(task.name, task) is not task:
            raise ChoiceError("name used twice", got=task.name, expected="unique names", where="Task")
    return tuple(by_name.values())
