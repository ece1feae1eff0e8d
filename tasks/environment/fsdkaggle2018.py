"""FSDKaggle2018: which of 41 sounds is heard? (Fonseca et al. 2018, arXiv:1807.09902)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "fsdkaggle2018"

TASK = Task(
    name=NAME,
    domain="environment",
    description="sound event classification",
    shards=ShardSet(
        patterns={"train": "fsd18_train*.tar", "valid": "fsd18_test*.tar", "test": "fsd18_test*.tar"}, zenodo="14725117"
    ),
    split=Splits(),
    target=ClassLabel("sound", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=3, learning_rate=1e-3, batch_size=64),),
    weight=1600,
    source="arXiv:1807.09902",
    licence="Creative Commons, stated per clip",
)
