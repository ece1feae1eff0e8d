"""Inside or outside a car: where was it recorded? (private)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import read_labels

NAME = "inside_outside_car"

TASK = Task(
    name=NAME,
    domain="environment",
    description="recorded inside or outside a car; private data",
    shards=ShardSet(patterns={"train": "inside_outside_car_train*.tar", "test": "inside_outside_car_test*.tar"}),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=ClassLabel("position", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=5000,
    private=True,
    source="arXiv:2505.16369",
    licence="not published",
)
