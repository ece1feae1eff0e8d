"""Vocal Imitation Set: which of 302 sounds is imitated? (Kim et al. 2018, doi:10.5281/zenodo.1340763)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task, XaresOverrides
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.imitations import FOLDS, list_classes, make_vocalimitations
from tasks.mini.environment.recordings import LICENCE
from tasks.mini.probes import PROBES

NAME = "vocalimitations"

TASK = Task(
    name=NAME,
    domain="environment",
    description="vocal imitation classification; mini: 26 of the 302 sounds, synthetic imitators",
    shards=ShardSet(
        patterns={fold: f"vocal_imitations_fold{int(fold):02d}_0000000.tar" for fold in FOLDS}, zenodo="14862060"
    ),
    split=Folds(FOLDS),
    target=ClassLabel("imitation", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=20, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1867,
    cluster="imitator",
    mini=Mini(
        make=make_vocalimitations,
        version=1,
        sha256=read_checksums(NAME),
        classes=list_classes(),
        probes=PROBES,
        licence=LICENCE,
    ),
    source="doi:10.5281/zenodo.1340763",
    licence="as stated by the source",
    xares=XaresOverrides(batch_size_encode=1),
)
