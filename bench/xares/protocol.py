"""The form of a task under a protocol: ``strict`` as its file says, ``xares`` as X-ARES 0.1.3 computes it.

A task in its ``xares`` form carries that name in ``protocol``; extraction, the choice of validation clips and the
targets of frames follow ``bench.xares.rules``.
"""

from __future__ import annotations

from dataclasses import replace

from bench.types import PROTOCOLS, DataError, Events, Probe, Target, Task, Trials
from bench.xares.rules import get_rules

BOTH = "both"  # the value of --protocol that stands for all of them


def list_protocols(protocol: str) -> tuple[str, ...]:
    """Return the protocols that a run with ``--protocol`` computes."""
    return PROTOCOLS if protocol == BOTH else (protocol,)


def is_scored(task: Task, protocol: str) -> bool:
    """Return whether a task has rows under a protocol.

    X-ARES has no speaker verification, and trials without labels have no score.
    """
    if not isinstance(task.target, Trials):
        return True
    return get_rules(protocol, task.name).verifies_speakers and task.target.form != "unlabelled"


def apply_protocol(task: Task, protocol: str) -> Task:
    """Return the form of a task under a protocol; probes without ``as_published()`` are the same under both.

    Raises:
        ChoiceError: If there is no protocol of this name.
        DataError: If classes are left out of a task that has no events.
    """
    if not get_rules(protocol, task.name).uses_overrides:
        return task
    return replace(
        task,
        protocol=protocol,
        target=_drop_left_out_classes(task),
        metric=task.metric.xares or task.metric,
        probes=tuple(_get_published_probe(probe) for probe in task.probes),
    )


def _get_published_probe(probe: Probe) -> Probe:
    """Return the X-ARES form of a probe."""
    form = getattr(probe, "as_published", None)
    return probe if form is None else form()


def _drop_left_out_classes(task: Task) -> Target:
    """Return the target without the classes that X-ARES leaves out."""
    left_out = task.xares.left_out
    if not left_out:
        return task.target
    if not isinstance(task.target, Events):
        raise DataError("classes left out", got=type(task.target).__name__, expected="Events", where=task.name)
    return replace(task.target, classes=tuple(name for name in task.target.classes if name not in left_out))
