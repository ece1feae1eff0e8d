"""CREMA-D: which of six emotions is acted? (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.cremad import NAME, make_cremad
from tasks.mini.speech.synthesis import LICENCE

TASK = Task(
    name=NAME,
    domain="speech",
    description="acted emotion recognition",
    shards=ShardSet(
        patterns={"train": "wds-audio-train*.tar", "valid": "wds-audio-valid*.tar", "test": "wds-audio-test*.tar"},
        zenodo="14646870",
    ),
    split=Splits(),
    target=ClassLabel("label", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1116,
    cluster="speaker",
    mini=Mini(make=make_cremad, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1109/TAFFC.2014.2336244",
    licence="ODbL-1.0",
)
