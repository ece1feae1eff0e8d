"""GTZAN: which of ten genres is played? (Tzanetakis and Cook 2002, doi:10.1109/TSA.2002.800560)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.music.genre import FOLDS, make_gtzan_genre
from tasks.mini.music.soundfont import LICENCE
from tasks.mini.probes import PROBES

NAME = "gtzan_genre"

TASK = Task(
    name=NAME,
    domain="music",
    description="music genre; mini: generated pieces by artists that differ between folds",
    shards=ShardSet(patterns={fold: f"gtzan_fold_{fold}_0000000.tar" for fold in FOLDS}, zenodo="14722472"),
    split=Folds(FOLDS),
    target=ClassLabel("genre", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=100,
    cluster="artist",
    mini=Mini(make=make_gtzan_genre, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1109/TSA.2002.800560",
    licence="not stated by its authors",
)
