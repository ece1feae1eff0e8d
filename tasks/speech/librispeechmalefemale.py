"""LibriSpeech: is the speaker noted as male or female? (Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech import books
from tasks.mini.speech.synthesis import LICENCE

NAME = "librispeechmalefemale"

TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker sex classification",
    shards=ShardSet(
        patterns={"train": "train-clean-100*.tar", "valid": "dev-clean*.tar", "test": "test-clean*.tar"},
        folder=books.NAME,
        zenodo="14716252",
    ),
    split=Splits(),
    target=ClassLabel("gender", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2620,
    crop_in_s=5.0,
    cluster="speaker",
    mini=Mini(
        make=books.make,
        version=books.VERSION,
        sha256=read_checksums(NAME),
        probes=PROBES,
        folder=books.NAME,
        licence=LICENCE,
    ),
    source="doi:10.1109/ICASSP.2015.7178964",
    licence="CC-BY-4.0",
)
