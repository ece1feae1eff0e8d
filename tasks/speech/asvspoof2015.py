"""ASVspoof 2015: is the voice genuine or spoofed? (Wu et al. 2015, doi:10.21437/Interspeech.2015-462)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.asvspoof2015 import make_asvspoof2015
from tasks.mini.speech.spoof import NAME
from tasks.mini.speech.synthesis import LICENCE

TASK = Task(
    name=NAME,
    domain="speech",
    description="spoofing detection",
    shards=ShardSet(
        patterns={"train": "asvspoof_train*.tar", "valid": "asvspoof_valid*.tar", "test": "asvspoof_eval*.tar"},
        zenodo="14718430",
    ),
    split=Splits(),
    target=ClassLabel("binary_spoof", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=5, learning_rate=1e-3, batch_size=64), KNN()),
    weight=2000,
    cluster="speaker",
    mini=Mini(make=make_asvspoof2015, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.21437/Interspeech.2015-462",
    licence="as stated by the Zenodo record",
)
