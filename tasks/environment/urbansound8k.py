"""UrbanSound8K: which of ten sounds of a town is heard? (Salamon et al. 2014, doi:10.1145/2647868.2655045)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.recordings import LICENCE, URBAN_FOLDS, make_urbansound8k
from tasks.mini.probes import PROBES

NAME = "urbansound8k"

TASK = Task(
    name=NAME,
    domain="environment",
    description="urban sound classification; mini: synthetic sources over the murmur of a street",
    shards=ShardSet(patterns={fold: f"urbansound_fold{fold}_0000000.tar" for fold in URBAN_FOLDS}, zenodo="14722683"),
    split=Folds(URBAN_FOLDS),
    target=ClassLabel("soundevent", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=873,
    cluster="source",
    mini=Mini(make=make_urbansound8k, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1145/2647868.2655045",
    licence="CC-BY-NC-3.0",
)
