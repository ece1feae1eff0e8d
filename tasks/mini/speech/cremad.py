"""The synthetic CREMA-D: the clips of ``tasks/speech/cremad.py``."""

from __future__ import annotations

from pathlib import Path

from tasks.mini.speech.emotion import make_takes
from tasks.mini.speech.synthesis import open_synthesiser
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


def make_cremad(folder: Path) -> None:
    """Make the synthetic version: synthetic voices act; unlike in the published splits, no two share an actor."""
    with open_synthesiser() as say:
        for split, count in TAKES.items():
            clips = make_takes(say, NAME, "label", EMOTIONS, VARIANTS[split], STATEMENTS, count)
            write_shards(folder, f"wds-audio-{split}", clips)
