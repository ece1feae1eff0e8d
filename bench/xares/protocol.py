"""A task as a protocol asks it: ``strict`` as its file says, ``xares`` as X-ARES 0.1.3 computes it.

What differs is told in docs/protocol.md. A task in its ``xares`` form carries the mark ``protocol``: extraction, the
choice of validation clips and the targets of frames follow it.
"""

from __future__ import annotations

from dataclasses import replace

from bench.types import PROTOCOLS, ChoiceError, DataError, Events, Probe, Target, Task, Trials

BOTH = "both"  # what a user says for all of them


def list_protocols(protocol: str) -> tuple[str, ...]:
    """The protocols that a run with ``--protocol`` computes."""
    return PROTOCOLS if protocol == BOTH else (protocol,)


def is_scored(task: Task, protocol: str) -> bool:
    """Whether a protocol has rows of a task: X-ARES verifies no speakers, and trials without labels say nothing."""
    return not isinstance(task.target, Trials) or (protocol == "strict" and task.target.form != "unlabelled")


def apply_protocol(task: Task, protocol: str) -> Task:
    """The task under ``strict`` or ``xares``; probes without an ``as_published()`` are the same under both.

    Raises ChoiceError for another protocol and DataError for ``XaresOverrides.left_out`` of a task without events.
    """
    if protocol not in PROTOCOLS:
        raise ChoiceError("unknown protocol", got=protocol, expected=" or ".join(PROTOCOLS), where=task.name)
    if protocol == "strict":
        return task
    return replace(
        task,
        protocol=protocol,
        target=_drop_left_out_classes(task),
        metric=task.metric.xares or task.metric,
        probes=tuple(_get_published_probe(probe) for probe in task.probes),
    )


def _get_published_probe(probe: Probe) -> Probe:
    form = getattr(probe, "as_published", None)
    return probe if form is None else form()


def _drop_left_out_classes(task: Task) -> Target:
    left_out = task.xares.left_out
    if not left_out:
        return task.target
    if not isinstance(task.target, Events):
        raise DataError("classes left out", got=type(task.target).__name__, expected="Events", where=task.name)
    return replace(task.target, classes=tuple(known for known in task.target.classes if known not in left_out))
