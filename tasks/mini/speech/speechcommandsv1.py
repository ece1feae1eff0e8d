"""The synthetic Speech Commands V1: the clips of ``tasks/speech/speechcommandsv1.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.labels import read_labels
from tasks.mini import scene
from tasks.mini.speech.synthesis import RATE, Say, open_synthesiser
from tasks.mini.speech.voices import ACCENTS, draw_stranger
from tasks.mini.write import Sample, write_shards

NAME = "speechcommandsv1"
WORDS = read_labels(NAME)
PER_WORD = {"train": 30, "valid": 6, "test": 12}  # clips; no two splits share a voice


def make_samples(say: Say, split: str, per_word: int) -> Iterator[Sample]:
    """Make ``per_word`` clips of every word, each by another random voice in another random room."""
    for index in range(len(WORDS) * per_word):
        word = WORDS[index % len(WORDS)]
        generator = scene.make_rng(NAME, split, index)
        voice = draw_stranger(generator, ACCENTS[int(generator.integers(len(ACCENTS)))], split)
        wet = scene.place_in_scene(say(word, voice), generator, RATE, snr_range_in_db=(3.0, 25.0))
        sidecar = {"labels": word, "voice": voice.name.partition("+")[2]}
        yield Sample(f"{split}-{index:05d}", scene.to_pcm16(wet), RATE, sidecar, container="wav")


def make_speechcommandsv1(folder: Path) -> None:
    """Make the synthetic version: 30 English words by synthetic voices."""
    with open_synthesiser() as say:
        for split, per_word in PER_WORD.items():
            write_shards(
                folder, f"wds-audio-{split}", make_samples(say, split, per_word), name="{stem}-{index:07d}.tar"
            )
