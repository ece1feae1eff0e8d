"""NSynth pitch: which note is played, on instruments not heard in training? (Engel et al. 2017, arXiv:1704.01279)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.mini.checksums import read_checksums
from tasks.mini.music.notes import PITCHES, make_nsynthpitch
from tasks.mini.music.soundfont import LICENCE
from tasks.mini.probes import PROBES

NAME = "nsynthpitch"
SPLITS = ("nsynth_train", "nsynth_valid", "nsynth_test")

TASK = Task(
    name=NAME,
    domain="music",
    description=(
        "MIDI pitch of a note (not an X-ARES task: weight 1, own scores only); the full suite reads the NSynth shards, "
        "the synthetic one has 24 pitches under noise and vibrato"
    ),
    shards=ShardSet(patterns={split: f"{split}*.tar" for split in SPLITS}, folder="nsynthinstument", zenodo="14725174"),
    split=Splits(*SPLITS),
    target=ClassLabel("pitch", tuple(range(128))),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1,
    mini=Mini(
        make=make_nsynthpitch, version=1, sha256=read_checksums(NAME), probes=PROBES, classes=PITCHES, licence=LICENCE
    ),
    source="doi:10.48550/arXiv.1704.01279",
    licence="CC-BY-4.0",
)
