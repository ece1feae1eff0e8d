"""VoxCeleb1: which of 1251 people is speaking? (Nagrani et al. 2017, doi:10.21437/Interspeech.2017-950)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.synthesis import LICENCE
from tasks.mini.speech.voxceleb1 import NAME, SPEAKERS, SPLITS, make_voxceleb1

TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker identification",
    shards=ShardSet(patterns={split: f"{stem}*.tar" for split, stem in SPLITS.items()}, zenodo="14811963"),
    split=Splits(),
    target=ClassLabel("speakerid", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    crop_in_s=6.0,
    mini=Mini(
        make=make_voxceleb1, version=1, sha256=read_checksums(NAME), classes=SPEAKERS, probes=PROBES, licence=LICENCE
    ),
    source="doi:10.21437/Interspeech.2017-950",
    licence="CC-BY-4.0",
)
