"""Fluent Speech Commands: which of 248 commands is it? (Lugosch et al. 2019, doi:10.21437/Interspeech.2019-2396)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task, XaresOverrides
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.fluentspeechcommands import NAME, PHRASES, SPLITS, make_fluentspeechcommands
from tasks.mini.speech.synthesis import LICENCE

TASK = Task(
    name=NAME,
    domain="speech",
    description="exact-phrase (248) keyword/intent classification; mini: 28 of the phrases, synthetic voices",
    shards=ShardSet(patterns={split: f"{stem}*.tar" for split, stem in SPLITS.items()}, zenodo="14722453"),
    split=Splits(),
    target=ClassLabel("transcription", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    cluster="voice",
    mini=Mini(
        make=make_fluentspeechcommands,
        version=1,
        sha256=read_checksums(NAME),
        classes=PHRASES,
        probes=PROBES,
        licence=LICENCE,
    ),
    source="doi:10.21437/Interspeech.2019-2396",
    licence="as stated by its authors: academic use",
    xares=XaresOverrides(batch_size_encode=1),
)
