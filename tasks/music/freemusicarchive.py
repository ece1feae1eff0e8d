"""FMA small: which of eight genres is it? (Defferrard et al. 2017, arXiv:1612.01840)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.music.archive import make_freemusicarchive
from tasks.mini.music.soundfont import LICENCE
from tasks.mini.probes import PROBES

NAME = "freemusicarchive"

TASK = Task(
    name=NAME,
    domain="music",
    description="music genre; mini: generated pieces by artists that differ between splits",
    shards=ShardSet(
        patterns={"train": "fma_small_train*.tar", "valid": "fma_small_valid*.tar", "test": "fma_small_test*.tar"},
        zenodo="14725056",
    ),
    split=Splits(),
    target=ClassLabel("genre", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=3, learning_rate=1e-3, batch_size=32), KNN()),
    weight=800,
    cluster="artist",
    crop_in_s=10.0,
    mini=Mini(make=make_freemusicarchive, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="arXiv:1612.01840",
    licence="Creative Commons, stated per track",
)
