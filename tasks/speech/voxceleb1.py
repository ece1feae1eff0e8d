"""VoxCeleb1: which of 1251 people is speaking? (Nagrani et al. 2017, doi:10.21437/Interspeech.2017-950)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from numpy.random import Generator

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini import scene
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.synthesis import LICENCE, RATE, Say, Voice, open_synthesiser
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


def make(folder: Path) -> None:
    """Make the synthetic version: 36 synthetic speakers, new sentences in every split."""
    with open_synthesiser() as say:
        for split, per_speaker in PER_SPEAKER.items():
            write_shards(folder, SPLITS[split], make_samples(say, split, per_speaker), PER_SHARD)


TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker identification",
    shards=ShardSet(patterns={split: f"{stem}*.tar" for split, stem in SPLITS.items()}, zenodo="14811963"),
    split=Splits(),
    target=ClassLabel("speakerid", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    crop_in_s=6.0,
    mini=Mini(make=make, version=1, sha256=read_checksums(NAME), classes=SPEAKERS, probes=PROBES, licence=LICENCE),
    source="doi:10.21437/Interspeech.2017-950",
    licence="CC-BY-4.0",
)
