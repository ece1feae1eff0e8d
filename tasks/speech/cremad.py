"""CREMA-D: which of six emotions is acted? (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "cremad"

TASK = Task(
    name=NAME,
    domain="speech",
    description="acted emotion recognition",
    shards=ShardSet(
        patterns={"train": "wds-audio-train*.tar", "valid": "wds-audio-valid*.tar", "test": "wds-audio-test*.tar"},
        zenodo="14646870",
    ),
    split=Splits(),
    target=ClassLabel("label", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1116,
    source="doi:10.1109/TAFFC.2014.2336244",
    licence="ODbL-1.0",
)
