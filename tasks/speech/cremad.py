"""CREMA-D: which of six emotions is acted? (Cao et al. 2014, doi:10.1109/TAFFC.2014.2336244)."""

from __future__ import annotations

from pathlib import Path

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.emotion import make_takes
from tasks.mini.speech.synthesis import LICENCE, open_synthesiser
from tasks.mini.speech.voices import VARIANTS
from tasks.mini.write import write_shards

NAME = "cremad"
EMOTIONS = {"H": "happy", "S": "sad", "A": "angry", "F": "fearful", "D": "disgust", "N": "neutral"}
STATEMENTS = (  # of different lengths, so that a slow word is not simply a long clip
    "It is half past seven.",
    "My brother is waiting.",
    "The keys are on the table.",
    "That is the second one today.",
    "They are painting the door again.",
    "You can see it from here in the winter.",
    "She has bought another lamp for the kitchen.",
    "The train leaves at a quarter past, or so they say.",
)
TAKES = {"train": 2, "valid": 1, "test": 1}  # of every emotion by every actor; no two splits share an actor


def make(folder: Path) -> None:
    """Make the synthetic version: synthetic voices act; unlike in the published splits, no two share an actor."""
    with open_synthesiser() as say:
        for split, count in TAKES.items():
            clips = make_takes(say, NAME, "label", EMOTIONS, VARIANTS[split], STATEMENTS, count)
            write_shards(folder, f"wds-audio-{split}", clips)


TASK = Task(
    name=NAME,
    domain="speech",
    description="acted emotion recognition",
    shards=ShardSet(
        patterns={"train": "wds-audio-train*.tar", "valid": "wds-audio-valid*.tar", "test": "wds-audio-test*.tar"},
        zenodo="14646870",
    ),
    split=Splits(),
    target=ClassLabel("label", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=1116,
    cluster="speaker",
    mini=Mini(make=make, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1109/TAFFC.2014.2336244",
    licence="ODbL-1.0",
)
