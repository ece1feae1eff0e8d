"""ESC-50: which of 50 everyday sounds is heard? (Piczak 2015, doi:10.1145/2733373.2806390)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import list_indices
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.recordings import ESC50_FOLDS, LICENCE, list_esc50_classes, make_esc50
from tasks.mini.probes import PROBES

NAME = "esc50"

TASK = Task(
    name=NAME,
    domain="environment",
    description="environmental sound classification; mini: 41 of the 50 classes, synthetic sources",
    shards=ShardSet(patterns={fold: f"wds-audio-fold-{fold}-*.tar" for fold in ESC50_FOLDS}, zenodo="14614287"),
    split=Folds(ESC50_FOLDS),
    target=ClassLabel("label", list_indices(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=400,
    cluster="source",
    mini=Mini(
        make=make_esc50,
        version=1,
        sha256=read_checksums(NAME),
        probes=PROBES,
        classes=list_esc50_classes(),
        licence=LICENCE,
    ),
    source="doi:10.1145/2733373.2806390",
    licence="CC-BY-NC-3.0",
)
