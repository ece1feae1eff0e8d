"""The small LibriSpeech: people, each with a voice of their own, read short sentences of few words.

One set of shards serves both tasks of LibriSpeech: sidecars hold the transcript (``trans``, upper case without
punctuation, as the audiobooks' are), the speaker and the speaker's sex. No two splits share a speaker or a timbre.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from numpy.random import Generator

from tasks.mini import scene
from tasks.mini.speech.synthesis import RATE, Say, Voice, open_synthesiser
from tasks.mini.speech.voices import ACCENTS
from tasks.mini.write import Sample, write_shards

NAME = "librispeech"
VERSION = 1
SPLITS = {"train": "train-clean-100", "valid": "dev-clean", "test": "test-clean"}
SPEAKERS = {"train": 32, "valid": 10, "test": 30}
PER_SPEAKER = {"train": 16, "valid": 8, "test": 5}  # sentences
TIMBRES: Mapping[str, Mapping[str, tuple[str, ...]]] = {  # espeak-ng's variants that sound like a woman or like a man
    "train": {
        "F": ("Alicia", "Annie", "aunty", "belinda", "f1", "f2", "f3"),
        "M": ("Denis", "Diogo", "Henrique", "Hugo", "m1", "m2", "m3", "m6"),
    },
    "valid": {"F": ("grandma", "anika", "Andrea"), "M": ("m7", "michel", "sandro")},
    "test": {"F": ("f4", "f5", "linda", "steph"), "M": ("m4", "m5", "m8", "miguel", "travis", "victor")},
}
SENTENCE = (  # a sentence has two to five of these parts, in this order
    ("ANNA", "PETER", "SOPHIA", "THOMAS"),
    ("SOLD", "FOUND", "CARRIED", "WANTED"),
    ("TWO", "SEVEN", "EIGHTY", "SOME"),
    ("APPLES", "SHEEP", "TOMATOES", "BOOKS"),
    ("TODAY", "YESTERDAY", "AGAIN"),
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody who reads."""

    name: str
    gender: str  # "F" or "M"
    voice: Voice


def list_speakers(split: str) -> tuple[Speaker, ...]:
    """List the readers of a split, women and men in turn."""
    return tuple(_draw_speaker(split, index) for index in range(SPEAKERS[split]))


def _draw_speaker(split: str, index: int) -> Speaker:
    generator = scene.make_rng(NAME, split, "speaker", index)
    gender = "FM"[index % 2]
    timbres = TIMBRES[split][gender]
    voice = Voice(
        name=f"{ACCENTS[int(generator.integers(len(ACCENTS)))]}+{timbres[index // 2 % len(timbres)]}",
        rate=int(generator.integers(140, 200)),
        pitch=int(generator.integers(35, 66)),
        range=int(generator.integers(30, 71)),
        tract=round(float(generator.uniform(0.93, 1.08)), 3),
    )
    return Speaker(f"{split}-{index:02d}", gender, voice)


def draw_sentence(generator: Generator) -> str:
    """Draw two to five words."""
    size = int(generator.integers(2, len(SENTENCE) + 1))
    parts = sorted(generator.permutation(len(SENTENCE))[:size].tolist())
    return " ".join(str(generator.choice(SENTENCE[part])) for part in parts)


def make_samples(say: Say, split: str, per_speaker: int) -> Iterator[Sample]:
    """Make ``per_speaker`` sentences of every speaker of a split."""
    for speaker in list_speakers(split):
        for index in range(per_speaker):
            generator = scene.make_rng(NAME, split, speaker.name, index)
            text = draw_sentence(generator)
            wet = scene.place_in_scene(
                say(text.lower(), speaker.voice),
                generator,
                RATE,
                rt60_range=(0.05, 0.3),
                snr_range_in_db=(15.0, 40.0),
                lead_range_in_s=(0.05, 0.4),  # the length of a clip says little about the number of words
                tail_range_in_s=(0.05, 0.4),
            )
            sidecar = {"trans": text, "gender": speaker.gender, "speaker": speaker.name}
            yield Sample(f"{speaker.name}-{index:04d}", scene.to_pcm16(wet), RATE, sidecar)


def make(folder: Path) -> None:
    """Make the synthetic version of both tasks."""
    with open_synthesiser() as say:
        for split, per_speaker in PER_SPEAKER.items():
            write_shards(folder, SPLITS[split], make_samples(say, split, per_speaker))
