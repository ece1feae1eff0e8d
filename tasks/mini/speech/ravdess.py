"""The synthetic RAVDESS: the clips of ``tasks/speech/ravdess.py``."""

from __future__ import annotations

from pathlib import Path

from tasks.labels import read_labels
from tasks.mini.speech.emotion import make_takes
from tasks.mini.speech.synthesis import open_synthesiser
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


def make_ravdess(folder: Path) -> None:
    """Make the synthetic version: 24 actors, each in one fold, say one of two statements with eight emotions."""
    with open_synthesiser() as say:
        for fold in FOLDS:
            clips = make_takes(say, NAME, "emotion", EMOTIONS, ACTORS[fold], STATEMENTS, TAKES)
            write_shards(folder, f"ravdess_fold_{fold}", clips)
