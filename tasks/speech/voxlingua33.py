"""VoxLingua33: which of 33 languages is spoken? (Valk and Alumae 2021, doi:10.1109/SLT48900.2021.9383459)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.synthesis import LICENCE
from tasks.mini.speech.voxlingua33 import LANGUAGES, NAME, make_voxlingua33

TASK = Task(
    name=NAME,
    domain="speech",
    description="spoken language identification",
    shards=ShardSet(patterns={"train_subset": "train_subset*.tar", "dev": "dev*.tar"}, zenodo="14812245"),
    split=Splits(train="train_subset", valid="dev", test="dev"),
    target=ClassLabel("labels", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64), KNN()),
    weight=1609,
    crop_in_s=10.0,
    cluster="voice",
    mini=Mini(
        make=make_voxlingua33, version=1, sha256=read_checksums(NAME), classes=LANGUAGES, probes=PROBES, licence=LICENCE
    ),
    source="doi:10.1109/SLT48900.2021.9383459",
    licence="as stated by the source",
)
