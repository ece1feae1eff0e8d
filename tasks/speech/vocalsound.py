"""VocalSound: one of six sounds of the voice, from laughter to a sniff.

Gong et al. 2022, doi:10.1109/ICASSP43922.2022.9746828.
"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.vocal import LICENCE
from tasks.mini.speech.vocalsound import NAME, make_vocalsound

TASK = Task(
    name=NAME,
    domain="speech",
    description="non-speech vocal sounds",
    shards=ShardSet(patterns={"train": "train*.tar", "valid": "valid*.tar", "test": "test*.tar"}, zenodo="14722710"),
    split=Splits(),
    target=ClassLabel("label", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    cluster="speaker",
    mini=Mini(make=make_vocalsound, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1109/ICASSP43922.2022.9746828",
    licence="as stated by the source",
)
