"""MAESTRO: which piano keys sound when? (Hawthorne et al. 2019, arXiv:1810.12247).

X-ARES knows 87 notes, 21 to 107; a piano has 88, and so has this task.
"""

from __future__ import annotations

from bench.metrics import segment_f1_micro
from bench.probes import FrameProbe
from bench.types import Events, Mini, ShardSet, Splits, Task, XaresOverrides
from tasks.mini.checksums import read_checksums
from tasks.mini.music import piano
from tasks.mini.music.soundfont import LICENCE

NAME = "maestro"
KEYS = tuple(range(21, 109))  # MIDI

# Six minutes of music, not 160 hours: at the published rate the head of a spectrogram would be measured half trained,
# and where there are fewer steps a yes need not weigh ten times as much.
SMALL_PROBES = (FrameProbe(epochs=10, learning_rate=2e-2, batch_size=2, pos_weight=3.0),)

TASK = Task(
    name=NAME,
    domain="music",
    description="piano note transcription (frame)",
    shards=ShardSet(
        patterns={split: f"maestro_{split}*.tar" for split in ("train", "valid", "test")},
        zenodo="14858022",
    ),
    split=Splits(),
    target=Events(KEYS, "start", "end", "note", segment_in_s=0.1),
    metric=segment_f1_micro,
    probes=(FrameProbe(epochs=50, learning_rate=1e-3, batch_size=1, pos_weight=10.0),),
    weight=65,
    mini=Mini(
        make=piano.make_maestro,
        version=1,
        sha256=read_checksums(NAME),
        probes=SMALL_PROBES,
        classes=piano.KEYS,
        licence=LICENCE,
    ),
    source="arXiv:1810.12247",
    licence="CC-BY-NC-SA-4.0",
    xares=XaresOverrides(batch_size_encode=1, left_out=(108,)),
)
