"""LibriSpeech: is the speaker noted as male or female? (Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "librispeechmalefemale"

TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker sex classification",
    shards=ShardSet(
        patterns={"train": "train-clean-100*.tar", "valid": "dev-clean*.tar", "test": "test-clean*.tar"},
        folder="librispeech",  # shared with the transcripts of the same recordings
        zenodo="14716252",
    ),
    split=Splits(),
    target=ClassLabel("gender", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2620,
    crop_in_s=5.0,
    source="doi:10.1109/ICASSP.2015.7178964",
    licence="CC-BY-4.0",
)
