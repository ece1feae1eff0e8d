"""Shards as X-ARES publishes them, but tiny: every folder, name, fold and label key of the tasks, with tones for audio.

``SIDECARS`` says how a target's sidecar is written; a task with another target needs an entry there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.dataset import list_splits
from bench.types import Captions, ClassLabel, Events, Folds, MultiLabel, Target, Task, Transcript
from tasks.mini.write import Sample, write_shards
from tests.helpers.toys import RATE

MOST_CLASSES = 6  # of those that a task has; the first and the last ones
CLIPS = {"train": 24, "test": 12}  # of a split; a fold and the validation split have as many as the test
SECONDS = 0.2


def some_classes(target: Any) -> list[Any]:
    """Some of the classes, from both ends of the vocabulary."""
    half = MOST_CLASSES // 2
    return list(target.classes if target.n_classes <= MOST_CLASSES else target.classes[:half] + target.classes[-half:])


def class_label(target: ClassLabel, index: int) -> dict[str, Any]:
    found = some_classes(target)
    return {target.key: found[index % len(found)]}


def multi_label(target: MultiLabel, index: int) -> dict[str, Any]:
    found = some_classes(target)
    both = [found[index % len(found)], found[(index * index) % len(found)]]
    return {target.key: target.separator.join(dict.fromkeys(both))}


def events(target: Events, index: int) -> list[dict[str, Any]]:
    found = some_classes(target)
    label, other = found[index % len(found)], found[(index + 1) % len(found)]
    if target.separator and index % 3 == 0:
        label = f"{label}{target.separator}{other}"
    return [
        {target.onset_key: 0.0, target.offset_key: SECONDS / 2, target.label_key: label},
        {target.onset_key: SECONDS / 4, target.offset_key: SECONDS, target.label_key: other},
    ]


def captions(target: Captions, index: int) -> dict[str, Any]:
    pitch = index % MOST_CLASSES
    return {f"caption_{n}": f"{'a ' * n}tone {'higher ' * pitch}than {index}" for n in range(target.n_captions or 1)}


def transcript(target: Transcript, index: int) -> dict[str, Any]:
    return {target.key: " ".join("ABCDEF"[index % MOST_CLASSES] * (1 + index % 3))}


SIDECARS: Mapping[type[Any], Callable[[Any, int], Any]] = {
    ClassLabel: class_label,
    MultiLabel: multi_label,
    Events: events,
    Captions: captions,
    Transcript: transcript,
}


def sidecar(target: Target, index: int, name: str) -> Any:
    write = SIDECARS.get(type(target))
    if write is None:
        pytest.fail(f"{name}: say in SIDECARS how a sidecar of {type(target).__name__} is written")
    return write(target, index)


def shard_name(pattern: str) -> str:
    """A published name that a pattern matches, with ``{index}`` where the pattern leaves the number open."""
    return pattern.replace("*", "{index:07d}" if "-*" in pattern or "_*" in pattern else "_{index:07d}")


def clip(tasks: list[Task], split: str, index: int) -> Sample:
    """A tone whose pitch follows from the class, with what all the tasks of a folder want to know about it."""
    seed = np.random.default_rng([index, *split.encode()])
    time = np.arange(round(SECONDS * RATE) + 40 * (index % 5)) / RATE
    pitch = 200 * 1.5 ** (index % MOST_CLASSES)
    wave = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.03 * seed.standard_normal(len(time))
    written = [sidecar(task.target, index, task.name) for task in tasks]
    if isinstance(written[0], dict):
        written = [{key: value for one in written for key, value in one.items()}]
        written[0] |= {task.cluster: f"{split}-{index // 2}" for task in tasks if task.cluster}
    (content,) = written  # a list of events is one task's alone
    return Sample(f"{split}-{index:04d}", np.rint(wave * 32767).astype(np.int16), RATE, content)


def write_official(root: Path, tasks: Iterable[Task]) -> Path:
    """``root/<folder>/<shards>`` for all tasks; tasks of one folder share their shards."""
    by_folder: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_folder[task.shards.folder or task.name].append(task)
    for folder, sharing in by_folder.items():
        (root / folder).mkdir(parents=True)
        split_of = sharing[0].split
        for split in list_splits(sharing[0]):
            trained_on = not isinstance(split_of, Folds) and split == split_of.train
            pattern, count = sharing[0].shards.patterns[split], CLIPS["train" if trained_on else "test"]
            per_shard = -(-count // 2) if "*" in pattern else None  # two shards where the pattern allows it
            samples = [clip(sharing, split, index) for index in range(count)]
            write_shards(root / folder, "", samples, per_shard, name=shard_name(pattern))
    return root
