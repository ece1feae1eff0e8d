"""Tasks whose probes use a language model of the user's choice instead of the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.types import ChoiceError, Probe, Task


def replace_text_encoder(tasks: tuple[Task, ...], model: str | None) -> tuple[Task, ...]:
    """Return the tasks with a frozen text encoder, a hub name or folder, as the text side of retrieval probes.

    None: as they are. Raises ChoiceError if no probe has a text side.
    """
    from bench.probes import FrozenText, RetrievalProbe

    if model is None:
        return tasks
    text = FrozenText(model)
    changed = _map_probes(
        tasks, lambda probe: replace(probe, text=text) if isinstance(probe, RetrievalProbe) else probe
    )
    if changed == tasks:
        raise ChoiceError("no text side", got=model, expected="a task with captions", where="--text-encoder")
    return changed


def replace_language_model(tasks: tuple[Task, ...], model: str | None) -> tuple[Task, ...]:
    """Return the tasks with transcripts written by a causal language model, a hub name or folder.

    None: as they are. Rows of a probe that had another model before get a name of their own. Raises ChoiceError if no
    probe writes transcripts.
    """
    from bench.probes import CausalLM, SpeechToText

    if model is None:
        return tasks
    if not any(isinstance(probe, SpeechToText) for task in tasks for probe in task.probes):
        raise ChoiceError("no language model", got=model, expected="a task of transcripts", where="--language-model")

    def replace_model(probe: Probe) -> Probe:
        if not isinstance(probe, SpeechToText) or getattr(probe.language_model, "name", None) == model:
            return probe
        return replace(probe, language_model=CausalLM(model))

    return _map_probes(tasks, replace_model)


def _map_probes(tasks: tuple[Task, ...], change: Callable[[Probe], Probe]) -> tuple[Task, ...]:
    return tuple(replace(task, probes=tuple(map(change, task.probes))) for task in tasks)
