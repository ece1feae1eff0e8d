"""Live environments: which of 28 sounds or places is heard? (private).

The label "BabySound " ends in a blank, as published.
"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import read_labels

NAME = "liveenv"

TASK = Task(
    name=NAME,
    domain="environment",
    description="sounds and places of everyday life; private data",
    shards=ShardSet(patterns={"train": "liveenv_train*.tar", "test": "liveenv_test*.tar"}),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=ClassLabel("soundevent", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=50, learning_rate=1e-3, batch_size=32),),
    weight=5000,
    private=True,
    source="arXiv:2505.16369",
    licence="not published",
)
