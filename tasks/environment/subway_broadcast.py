"""Subway broadcasts: is there an announcement? (private).

As published, training, validation and test are the same shards, and the score is one of training. The strict protocol
refuses splits that share shards, so this task cannot be scored under it; the refusal names the shards.
"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import list_indices

NAME = "subway_broadcast"

TASK = Task(
    name=NAME,
    domain="environment",
    description="announcements in the subway; private data, published with its training data as test",
    shards=ShardSet(patterns=dict.fromkeys(("train", "test"), "subway_broadcast*.tar")),
    split=Splits(valid=None),
    target=ClassLabel("broadcasting", list_indices(NAME), as_int=True),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=5000,
    private=True,
    source="arXiv:2505.16369",
    licence="not published",
)
