"""The synthetic Fluent Speech Commands: the clips of ``tasks/speech/fluentspeechcommands.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.mini import scene
from tasks.mini.speech.synthesis import RATE, Say, open_synthesiser
from tasks.mini.speech.voices import ACCENTS, draw_stranger
from tasks.mini.write import Sample, write_shards

NAME = "fluentspeechcommands"
SPLITS = {split: f"{NAME}_{split}" for split in ("train", "valid", "test")}
PHRASES = (  # families that differ in a word, and different words for the same wish
    *("Turn the lights on", "Switch on the lights", "Lights on"),
    *("Turn the lights off", "Switch off the lights", "Lights off"),
    *("Turn the volume up", "Turn the volume down", "Increase the volume", "Decrease the volume"),
    *("Turn the heat up", "Turn the heat down", "Increase the heating", "Decrease the heating"),
    *("Turn the heat up in the kitchen", "Turn the heat down in the kitchen"),
    *("Turn the heat up in the bathroom", "Turn the heat down in the bathroom"),
    *("Play the music", "Stop the music", "Pause the music"),
    *("Bring my shoes", "Fetch my shoes", "Bring my socks", "Fetch my socks"),
    *("Set language to German", "Set language to Korean", "Set language to English"),
)
PER_PHRASE = {"train": 12, "valid": 3, "test": 6}  # clips; no two splits share a voice


def make_samples(say: Say, split: str, per_phrase: int) -> Iterator[Sample]:
    """Make ``per_phrase`` clips of every phrase, each by another random voice in another random room."""
    for index in range(len(PHRASES) * per_phrase):
        phrase = PHRASES[index % len(PHRASES)]
        generator = scene.make_rng(NAME, split, index)
        voice = draw_stranger(generator, ACCENTS[int(generator.integers(len(ACCENTS)))], split)
        wet = scene.place_in_scene(say(phrase, voice), generator, RATE, snr_range_in_db=(3.0, 25.0))
        sidecar = {"transcription": phrase, "voice": voice.name.partition("+")[2]}
        yield Sample(f"{split}-{index:05d}", scene.to_pcm16(wet), RATE, sidecar)


def make_fluentspeechcommands(folder: Path) -> None:
    """Make the synthetic version: 28 of the commands by synthetic voices."""
    with open_synthesiser() as say:
        for split, per_phrase in PER_PHRASE.items():
            write_shards(folder, SPLITS[split], make_samples(say, split, per_phrase))
