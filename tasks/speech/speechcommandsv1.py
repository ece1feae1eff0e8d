"""Speech Commands V1: which of 30 words is spoken? (Warden 2018, doi:10.48550/arXiv.1804.03209)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.speechcommandsv1 import NAME, WORDS, make_speechcommandsv1
from tasks.mini.speech.synthesis import LICENCE

TASK = Task(
    name=NAME,
    domain="speech",
    description="keyword spotting",
    shards=ShardSet(
        patterns={split: f"wds-audio-{split}*.tar" for split in ("train", "valid", "test")}, zenodo="14722647"
    ),
    split=Splits(),
    target=ClassLabel("labels", WORDS),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64), KNN()),
    weight=2000,
    cluster="voice",
    mini=Mini(make=make_speechcommandsv1, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.48550/arXiv.1804.03209",
    licence="CC-BY-4.0",
)
