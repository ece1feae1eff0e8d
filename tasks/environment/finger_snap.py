"""Finger snaps: is a finger snapped? (private)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import read_labels

NAME = "finger_snap"

TASK = Task(
    name=NAME,
    domain="environment",
    description="finger snap detection; private data",
    shards=ShardSet(patterns={"train": "finger_snap_train*.tar", "test": "finger_snap_test*.tar"}),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=ClassLabel("tag", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=5000,
    private=True,
    source="arXiv:2505.16369",
    licence="not published",
)
