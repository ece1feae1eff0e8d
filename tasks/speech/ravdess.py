"""RAVDESS: which of eight emotions is acted? (Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.ravdess import FOLDS, NAME, make_ravdess
from tasks.mini.speech.synthesis import LICENCE

TASK = Task(
    name=NAME,
    domain="speech",
    description="emotion recognition",
    shards=ShardSet(
        patterns={
            "0": "ravdess_fold_0_0000000.tar",
            "1": "ravdess_fold_1_0000000.tar",
            "2": "ravdess_fold_2_0000000.tar",
            "3": "ravdess_fold_3_0000000.tar",
        },
        zenodo="14722524",
    ),
    split=Folds(FOLDS),
    target=ClassLabel("emotion", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=360,
    cluster="speaker",
    mini=Mini(make=make_ravdess, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1371/journal.pone.0196391",
    licence="CC-BY-NC-SA-4.0",
)
