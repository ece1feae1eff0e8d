"""VocalSound: which of six sounds of the voice, from laughter to a sniff?

Gong et al. 2022, doi:10.1109/ICASSP43922.2022.9746828.
"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "vocalsound"

TASK = Task(
    name=NAME,
    domain="speech",
    description="non-speech vocal sounds",
    shards=ShardSet(patterns={"train": "train*.tar", "valid": "valid*.tar", "test": "test*.tar"}, zenodo="14722710"),
    split=Splits(),
    target=ClassLabel("label", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    source="doi:10.1109/ICASSP43922.2022.9746828",
    licence="as stated by the source",
)
