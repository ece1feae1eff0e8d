"""Choose the tasks, encoders and device of a run from what its user names. Raises ChoiceError, listing the choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.datasets.dataset import adapt_to_suite, locate_folder, share_folders
from bench.discovery import bundled
from bench.runs.model_choice import replace_language_model, replace_text_encoder
from bench.runs.plan import Plan
from bench.runs.probe_choice import select_probes
from bench.types import ChoiceError, EncoderSpec, Settings, Task
from bench.xares.protocol import apply_protocol, is_scored, list_protocols


def build_plan(
    settings: Settings,
    specs: tuple[EncoderSpec, ...],
    tasks: Sequence[Task] = (),
    *,
    keyword: str = "",
    probes: Sequence[str] = (),
    text_encoder: str | None = None,
    language_model: str | None = None,
) -> Plan:
    """Plan a run.

    Args:
        settings: Of the run.
        specs: Its encoders.
        tasks: The user's own tasks; none: the bundled ones, without those whose data is not here.
        keyword: Text that names bundled tasks which are never left out.
        probes: Names of the only probes to compute; none: each task's own.
        text_encoder: Hub id or folder of the text side of retrieval probes; None: as the task says.
        language_model: Hub id or folder of the model that writes transcripts; None: as the task says.
    """
    chosen_tasks = select_tasks(tasks, settings.suite)
    absent = () if tasks else find_absent(chosen_tasks, settings.suite, settings.data, keyword)
    suite = tuple(
        apply_protocol(task, protocol)
        for task in chosen_tasks
        for protocol in list_protocols(settings.protocol)
        if task.name not in absent and is_scored(task, protocol)
    )
    suite = select_probes(suite, probes)
    private, corpora = (
        tuple(task.name for task in chosen_tasks if task.name in absent and task.private == is_private)
        for is_private in (True, False)
    )
    models = replace_language_model(replace_text_encoder(suite, text_encoder), language_model)
    return Plan(settings, models, specs, suite, private, corpora)


def select_tasks(tasks: Sequence[Task], suite: str) -> tuple[Task, ...]:
    """Return the tasks, or without any the bundled ones, as ``suite`` asks them. Raises ChoiceError if it has none."""
    known = bundled.find_bundled_tasks()
    tasks = tuple(tasks) or known
    if suite == "mini":
        real_only = [task.name for task in tasks if task.mini is None]
        tasks = tuple(task for task in tasks if task.mini is not None)
        if not tasks:
            expected = "--data DIR with their shards"
            got = ", ".join(real_only)
            raise ChoiceError("no task has a synthetic version", got=got, expected=expected, where="--tasks")
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ChoiceError("task named twice", got=", ".join(names), expected="unique names", where="--tasks")
    return share_folders([adapt_to_suite(task, suite) for task in tasks], known)


def find_absent(tasks: Sequence[Task], suite: str, data: Path | None, keyword: str) -> tuple[str, ...]:
    """Return names of tasks whose data nobody can fetch and that is not here.

    That is private shards and, except in the synthetic suite, which makes its own, corpora in their own layout. A task
    that ``keyword`` names is kept, so that its test says what is missing.
    """
    unfetchable = [task for task in tasks if task.private or (suite == "full" and task.shards.corpus is not None)]
    unfetchable = [task for task in unfetchable if is_scored(task, "strict")]
    unnamed = [task for task in unfetchable if not re.search(rf"\b{task.name}\b", keyword)]
    return tuple(task.name for task in unnamed if data is None or locate_folder(task, data) is None)


def select_encoders(texts: Sequence[str], layer: str | None) -> tuple[EncoderSpec, ...]:
    """Return the encoders that ``--encoder`` names, or the default ones, at a hidden layer where one is given."""
    from bench.loading.layers import select_layer

    known = bundled.find_bundled_encoders()
    specs = tuple(resolve_encoder(text) for text in dict.fromkeys(texts))
    specs = specs or tuple(spec for spec in known.values() if spec.default)
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ChoiceError("encoder named twice", got=", ".join(names), expected="unique names", where="--encoder")
    return specs if layer is None else tuple(select_layer(spec, layer) for spec in specs)


def resolve_encoder(text: str) -> EncoderSpec:
    """Return the encoder that a text names, as ``--encoder`` takes it. Raises ChoiceError where there is none."""
    from bench.loading.sources import resolve_encoder

    return resolve_encoder(text, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())


def choose_device(name: str) -> str:
    """Return the torch device of a name or of ``auto``. Raises ChoiceError where this machine has no such device."""
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if cuda else "cpu"
    kind, _, index = name.partition(":")
    counts = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}
    if int(index or 0) >= counts.get(kind, 0):
        choices = ", ".join(f"{k}:{i}" if k == "cuda" else k for k in counts for i in range(counts[k]))
        raise ChoiceError("no such device here", got=name, expected=choices, where="--device")
    return name


def choose_suite(suite: str | None, data: Path | None) -> str:
    """Return the suite of a run: the real data where a folder of it is given, else the synthetic suite."""
    return suite or ("full" if data else "mini")
