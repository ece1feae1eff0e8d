"""Key scratching: does a key scratch a car? (private)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import read_labels

NAME = "key_scratching"

TASK = Task(
    name=NAME,
    domain="environment",
    description="detection of a key that scratches a car; private data",
    shards=ShardSet(patterns={"train": "key_scratching_train*.tar", "test": "key_scratching_test*.tar"}),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=ClassLabel("tag", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=5000,
    private=True,
    source="arXiv:2505.16369",
    licence="not published",
)
