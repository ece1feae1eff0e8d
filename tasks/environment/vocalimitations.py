"""Vocal Imitation Set: which of 302 sounds is imitated? (Kim et al. 2018, doi:10.5281/zenodo.1340763)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, ShardSet, Task
from tasks.labels import labels

NAME = "vocalimitations"
FOLDS = ("0", "1", "2")

TASK = Task(
    name=NAME,
    domain="environment",
    description="vocal imitation classification",
    shards=ShardSet(
        patterns={
            "0": "vocal_imitations_fold00_0000000.tar",
            "1": "vocal_imitations_fold01_0000000.tar",
            "2": "vocal_imitations_fold02_0000000.tar",
        },
        zenodo="14862060",
    ),
    split=Folds(FOLDS),
    target=ClassLabel("imitation", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1867,
    source="doi:10.5281/zenodo.1340763",
    licence="as stated by the source",
)
