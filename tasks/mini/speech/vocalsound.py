"""The synthetic VocalSound: the clips of ``tasks/speech/vocalsound.py``."""

from __future__ import annotations

from pathlib import Path

from tasks.mini.speech.vocal import make_recordings
from tasks.mini.write import write_shards

NAME = "vocalsound"
PEOPLE = {"train": (45, 1), "valid": (10, 1), "test": (30, 1)}  # how many, and recordings of each sound by each


def make_vocalsound(folder: Path) -> None:
    """Make the synthetic version: six sounds of people who never existed."""
    for split, (people, per_sound) in PEOPLE.items():
        write_shards(folder, split, make_recordings(split, people, per_sound))
