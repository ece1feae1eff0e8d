"""DESED: when does which of ten domestic sounds happen? (Turpault et al. 2019, hal-02160855)"""

from __future__ import annotations

from bench.metrics import segment_f1_macro
from bench.probes import FrameProbe
from bench.types import Events, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "desed"

TASK = Task(
    name=NAME,
    domain="environment",
    description="sound event detection (frame)",
    shards=ShardSet(
        patterns={"train": "wds-audio-train*.tar", "valid": "wds-audio-eval*.tar", "test": "wds-audio-eval*.tar"},
        zenodo="14808180",
    ),
    split=Splits(valid=None),  # as published the validation split is the test split
    target=Events(labels(NAME), "onset", "offset", "label", separator=",", segment_in_s=1.0),
    metric=segment_f1_macro,
    probes=(FrameProbe(epochs=10, learning_rate=1e-3, batch_size=32),),
    weight=1153,
    source="hal-02160855",
    licence="as stated by the Zenodo record",
)
