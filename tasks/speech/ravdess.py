"""RAVDESS: which of eight emotions is acted? (Livingstone and Russo 2018, doi:10.1371/journal.pone.0196391)."""

from __future__ import annotations

from pathlib import Path

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.emotion import make_takes
from tasks.mini.speech.synthesis import LICENCE, open_synthesiser
from tasks.mini.write import write_shards

NAME = "ravdess"
FOLDS = ("0", "1", "2", "3")
EMOTIONS = {name: name for name in read_labels(NAME)}
STATEMENTS = ("Cows are standing by the gate.", "Birds are sleeping in the barn.")
ACTORS = {  # by fold: six of espeak-ng's variants, no two alike
    "0": ("f1", "Alicia", "steph", "m1", "adam", "boris"),
    "1": ("f2", "Annie", "linda", "m3", "benjamin", "max"),
    "2": ("f3", "aunty", "shelby", "m5", "gustave", "zac"),
    "3": ("f4", "belinda", "grandma", "m7", "marcelo", "paul"),
}
TAKES = 2  # of every emotion by every actor


def make(folder: Path) -> None:
    """Make the synthetic version: 24 actors, each in one fold, say one of two statements with eight emotions."""
    with open_synthesiser() as say:
        for fold in FOLDS:
            clips = make_takes(say, NAME, "emotion", EMOTIONS, ACTORS[fold], STATEMENTS, TAKES)
            write_shards(folder, f"ravdess_fold_{fold}", clips)


TASK = Task(
    name=NAME,
    domain="speech",
    description="emotion recognition",
    shards=ShardSet(
        patterns={
            "0": "ravdess_fold_0_0000000.tar",
            "1": "ravdess_fold_1_0000000.tar",
            "2": "ravdess_fold_2_0000000.tar",
            "3": "ravdess_fold_3_0000000.tar",
        },
        zenodo="14722524",
    ),
    split=Folds(FOLDS),
    target=ClassLabel("emotion", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=360,
    cluster="speaker",
    mini=Mini(make=make, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1371/journal.pone.0196391",
    licence="CC-BY-NC-SA-4.0",
)
