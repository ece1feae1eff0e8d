"""NSynth: which family does the instrument of a note belong to? (Engel et al. 2017, arXiv:1704.01279).

The name is spelled as in the published tables.
"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.music.instruments import FAMILIES
from tasks.mini.music.notes import make_nsynthinstument
from tasks.mini.music.soundfont import LICENCE
from tasks.mini.probes import PROBES

NAME = "nsynthinstument"
SPLITS = ("nsynth_train", "nsynth_valid", "nsynth_test")

TASK = Task(
    name=NAME,
    domain="music",
    description="instrument family of a note; mini: sampled instruments, other ones in the test than in training",
    shards=ShardSet(patterns={split: f"{split}*.tar" for split in SPLITS}, zenodo="14725174"),
    split=Splits(*SPLITS),
    target=ClassLabel("instrument_family_str", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    cluster="instrument_str",
    mini=Mini(
        make=make_nsynthinstument,
        version=1,
        sha256=read_checksums(NAME),
        probes=PROBES,
        classes=tuple(family for family in read_labels(NAME) if family in FAMILIES),
        licence=LICENCE,
    ),
    source="doi:10.48550/arXiv.1704.01279",
    licence="CC-BY-4.0",
)
