"""DESED: when does which of ten domestic sounds happen? (Turpault et al. 2019, hal-02160855)."""

from __future__ import annotations

from bench.metrics import segment_f1_macro
from bench.probes import FrameProbe
from bench.types import Events, Mini, ShardSet, Splits, Task, XaresOverrides
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.events import make_desed
from tasks.mini.environment.recordings import LICENCE
from tasks.mini.probes import FRAME_PROBES

NAME = "desed"

TASK = Task(
    name=NAME,
    domain="environment",
    description="sound event detection (frame); mini: synthetic sources",
    shards=ShardSet(
        patterns={"train": "wds-audio-train*.tar", "valid": "wds-audio-eval*.tar", "test": "wds-audio-eval*.tar"},
        zenodo="14808180",
    ),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=Events(read_labels(NAME), "onset", "offset", "label", separator=",", segment_in_s=1.0),
    metric=segment_f1_macro,
    probes=(FrameProbe(epochs=10, learning_rate=1e-3, batch_size=32),),
    weight=1153,
    mini=Mini(make=make_desed, version=1, sha256=read_checksums(NAME), probes=FRAME_PROBES, licence=LICENCE),
    source="hal-02160855",
    licence="as stated by the Zenodo record",
    xares=XaresOverrides(labels_in_s=10.0),
)
