"""The synthetic VoxLingua33: the clips of ``tasks/speech/voxlingua33.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.random import Generator

from tasks.mini import scene
from tasks.mini.speech.synthesis import RATE, Say, open_synthesiser
from tasks.mini.speech.texts import read_languages
from tasks.mini.speech.voices import draw_stranger
from tasks.mini.write import Sample, write_shards

NAME = "voxlingua33"
LANGUAGES = tuple(read_languages())
STEMS = {"train": "train_subset_2k", "test": "dev"}  # of the shards
PER_LANGUAGE = {"train": 38, "test": 16}  # clips; the splits share neither voices nor texts


def draw_utterance(phrases: tuple[str, ...], split: str, generator: Generator) -> str:
    """Draw a phrase before or after a number of three digits: odd ones in training, even ones in testing."""
    number = str(2 * int(generator.integers(50, 500)) + (split == "train"))
    parts = [str(generator.choice(phrases)), number]
    return ", ".join(parts if generator.random() < 0.5 else parts[::-1])


def make_samples(say: Say, split: str, per_language: int) -> Iterator[Sample]:
    """Make ``per_language`` clips of every language, each by another random voice in another random room."""
    spoken = read_languages()
    for index in range(len(LANGUAGES) * per_language):
        code = LANGUAGES[index % len(LANGUAGES)]
        name, *phrases = spoken[code]
        generator = scene.make_rng(NAME, split, index)
        text = draw_utterance(phrases[split == "test"], split, generator)
        voice = draw_stranger(generator, name, split, spread=0.45)
        wet = scene.place_in_scene(say(text, voice), generator, RATE, snr_range_in_db=(8.0, 30.0))
        sidecar = {"labels": code, "text": text, "voice": voice.name.partition("+")[2]}
        yield Sample(f"{split}-{index:05d}", scene.to_pcm16(wet), RATE, sidecar)


def make_voxlingua33(folder: Path) -> None:
    """Make the synthetic version: 20 of the languages, by synthetic voices."""
    with open_synthesiser() as say:
        for split, per_language in PER_LANGUAGE.items():
            write_shards(folder, STEMS[split], make_samples(say, split, per_language))
