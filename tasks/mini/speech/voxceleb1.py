"""The synthetic VoxCeleb1: the clips of ``tasks/speech/voxceleb1.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.random import Generator

from tasks.labels import read_labels
from tasks.mini import scene
from tasks.mini.speech.synthesis import RATE, Say, Voice, open_synthesiser
from tasks.mini.speech.texts import draw_sentences
from tasks.mini.write import Sample, write_shards

NAME = "voxceleb1"
SPLITS = {split: f"voxceleb1_{split}" for split in ("train", "valid", "test")}
SPEAKERS = tuple(sorted(read_labels(NAME))[:36])
PER_SPEAKER = {"train": 20, "valid": 4, "test": 9}  # clips; the splits share speakers, not texts, rooms or noise
PER_SHARD = 240
ACCENTS = ("en-us", "de", "fr", "en-gb-scotland", "es", "it", "pl", "en-029", "fi", "sv", "hu", "tr")
TIMBRES = ("f2", "m1", "m3", "adam", "benjamin", "Alicia")  # few: speakers must differ by how they speak, too


def draw_speakers() -> dict[str, Voice]:
    """Draw each speaker's habitual voice: (foreign) accent, timbre, pitch, liveliness, pace and vocal tract."""
    generator = scene.make_rng(NAME, "speakers")
    return {
        speaker: Voice(
            name=f"{ACCENTS[index % len(ACCENTS)]}+{TIMBRES[(index + index // len(ACCENTS)) % len(TIMBRES)]}",
            rate=int(generator.integers(140, 200)),
            pitch=int(generator.integers(25, 76)),
            range=int(generator.integers(25, 76)),
            tract=round(float(generator.uniform(0.9, 1.12)), 3),
        )
        for index, speaker in enumerate(SPEAKERS)
    }


def vary_voice(habit: Voice, generator: Generator) -> Voice:
    """Vary a voice as on another occasion: faster or slower, higher or lower, the mouth more or less open."""
    return Voice(
        name=habit.name,
        rate=habit.rate + int(generator.integers(-15, 16)),
        pitch=habit.pitch + int(generator.integers(-18, 19)),
        range=habit.range + int(generator.integers(-10, 11)),
        tract=round(habit.tract * float(generator.uniform(0.93, 1.07)), 3),
    )


def make_samples(say: Say, split: str, per_speaker: int) -> Iterator[Sample]:
    """Make ``per_speaker`` clips of every speaker; no two clips say the same."""
    habits = draw_speakers()
    texts = draw_sentences(split, len(SPEAKERS) * per_speaker, scene.make_rng(NAME, split, "texts"))
    for index, text in enumerate(texts):
        speaker = SPEAKERS[index % len(SPEAKERS)]
        generator = scene.make_rng(NAME, split, index)
        dry = say(text, vary_voice(habits[speaker], generator))
        wet = scene.place_in_scene(
            dry,
            generator,
            RATE,
            rt60_range=(0.1, 0.8),
            snr_range_in_db=(3.0, 22.0),
            microphone_range_in_db=12.0,  # the timbre of a recording says little about who speaks
        )
        sidecar = {"speakerid": speaker, "text": text}
        yield Sample(f"{split}-{index:05d}", scene.to_pcm16(wet), RATE, sidecar)


def make_voxceleb1(folder: Path) -> None:
    """Make the synthetic version: 36 synthetic speakers, new sentences in every split."""
    with open_synthesiser() as say:
        for split, per_speaker in PER_SPEAKER.items():
            write_shards(folder, SPLITS[split], make_samples(say, split, per_speaker), PER_SHARD)
