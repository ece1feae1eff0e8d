"""Speech Commands V1: which of 30 words is spoken? (Warden 2018, doi:10.48550/arXiv.1804.03209)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini import scene
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.synthesis import LICENCE, RATE, Say, open_synthesiser
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


def make(folder: Path) -> None:
    """Make the synthetic version: 30 English words by synthetic voices."""
    with open_synthesiser() as say:
        for split, per_word in PER_WORD.items():
            write_shards(
                folder, f"wds-audio-{split}", make_samples(say, split, per_word), name="{stem}-{index:07d}.tar"
            )


TASK = Task(
    name=NAME,
    domain="speech",
    description="keyword spotting",
    shards=ShardSet(
        patterns={split: f"wds-audio-{split}*.tar" for split in ("train", "valid", "test")}, zenodo="14722647"
    ),
    split=Splits(),
    target=ClassLabel("labels", WORDS),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64), KNN()),
    weight=2000,
    cluster="voice",
    mini=Mini(make=make, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.48550/arXiv.1804.03209",
    licence="CC-BY-4.0",
)
