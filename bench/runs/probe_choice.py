"""The probes that a run computes: a task's own, or those that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.types import ChoiceError, Probe, Task

RIDGE = "ridge"  # of no task's own: wherever a linear probe fits, so does it


def get_kind(probe: Probe) -> str:
    """Return the name of a probe without what follows a colon."""
    return probe.name.partition(":")[0]


def select_probes(tasks: tuple[Task, ...], names: Sequence[str]) -> tuple[Task, ...]:
    """Return the tasks with those of their probes that are named, and with ``ridge`` where it is named and fits.

    No names: as they are. A task without any of them is left out. Raises ChoiceError for a name that no task has.
    """
    if not names:
        return tasks
    changed = tuple(replace(task, probes=(*_keep_named(task, names), *_add_ridge(task, names))) for task in tasks)
    known = {get_kind(probe) for task in tasks for probe in (*task.probes, *_add_ridge(task, [RIDGE]))}
    for name in names:
        if name not in known:
            raise ChoiceError("no such probe", got=name, expected=", ".join(sorted(known)), where="--probe")
    return tuple(task for task in changed if task.probes)


def _keep_named(task: Task, names: Sequence[str]) -> list[Probe]:
    return [probe for probe in task.probes if get_kind(probe) in names]


def _add_ridge(task: Task, names: Sequence[str]) -> list[Probe]:
    from bench.probes import LinearProbe, RidgeProbe

    if RIDGE not in names or any(get_kind(probe) == RIDGE for probe in task.probes):
        return []
    return [RidgeProbe()] if any(isinstance(probe, LinearProbe) for probe in task.probes) else []
