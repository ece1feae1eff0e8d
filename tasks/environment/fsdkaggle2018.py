"""FSDKaggle2018: which of 41 sounds is heard? (Fonseca et al. 2018, arXiv:1807.09902)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.kaggle import LICENCE, list_fsdkaggle2018_classes, make_fsdkaggle2018
from tasks.mini.probes import PROBES

NAME = "fsdkaggle2018"

TASK = Task(
    name=NAME,
    domain="environment",
    description="sound event classification; mini: 32 of the 41 classes, synthetic or sampled sources",
    shards=ShardSet(
        patterns={"train": "fsd18_train*.tar", "valid": "fsd18_test*.tar", "test": "fsd18_test*.tar"}, zenodo="14725117"
    ),
    split=Splits(),
    target=ClassLabel("sound", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=3, learning_rate=1e-3, batch_size=64),),
    weight=1600,
    cluster="source",
    mini=Mini(
        make=make_fsdkaggle2018,
        version=1,
        sha256=read_checksums(NAME),
        probes=PROBES[:1],
        classes=list_fsdkaggle2018_classes(),
        licence=LICENCE,
    ),
    source="arXiv:1807.09902",
    licence="Creative Commons, stated per clip",
)
