"""ASVspoof 2015: is the voice genuine or spoofed? (Wu et al. 2015, doi:10.21437/Interspeech.2015-462)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "asvspoof2015"

TASK = Task(
    name=NAME,
    domain="speech",
    description="spoofing detection",
    shards=ShardSet(
        patterns={"train": "asvspoof_train*.tar", "valid": "asvspoof_valid*.tar", "test": "asvspoof_eval*.tar"},
        zenodo="14718430",
    ),
    split=Splits(),
    target=ClassLabel("binary_spoof", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=5, learning_rate=1e-3, batch_size=64), KNN()),
    weight=2000,
    source="doi:10.21437/Interspeech.2015-462",
    licence="as stated by the Zenodo record",
)
