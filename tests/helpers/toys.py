"""Small shards, tasks and encoders for tests: tones whose pitch is their class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.metrics import accuracy, mean_average_precision
from bench.probes import KNN, LinearProbe
from bench.types import (
    Certificate,
    ClassLabel,
    Encoder,
    EncoderSpec,
    Folds,
    MultiLabel,
    Policy,
    ShardSet,
    Splits,
    Task,
)
from tasks.mini.write import Sample, write_shards

RATE = 16000
CLASSES = ("low", "middle", "high")
SPLIT_SIZES = {"train": 24, "valid": 9, "test": 12}


def tone(label: int, seed: int, seconds: float, rate: int = RATE) -> np.ndarray:
    """A noisy tone as int16 [N]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * (250 * 2**label) * time + rng.uniform(0, 6)) + 0.02 * rng.standard_normal(len(time))
    return np.rint(wave * 32767).astype(np.int16)


def samples(split: str, n: int, rate: int = RATE) -> list[Sample]:
    """``n`` clips of 0.2 to 0.6 s, classes in turn, two clips of each speaker."""
    first = (sorted(SPLIT_SIZES).index(split) if split in SPLIT_SIZES else ord(split[0])) * 1000
    return [
        Sample(
            f"{split}-{i:03d}",
            tone(i % 3, first + i, 0.2 + 0.02 * (i % 20), rate),
            rate,
            {"label": CLASSES[i % 3], "speaker": f"{split}{i // 2}"},
            "wav" if i % 2 else "flac",
        )
        for i in range(n)
    ]


def write_dataset(folder: Path, sizes: Mapping[str, int] = SPLIT_SIZES) -> Path:
    """Shards of the toy task: ``<split>_0000000.tar``."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, n in sizes.items():
        write_shards(folder, split, samples(split, n), per_shard=12)
    return folder


def task(**changes: object) -> Task:
    """The toy task."""
    values: dict[str, object] = {
        "name": "tones",
        "domain": "music",
        "shards": ShardSet({split: f"{split}_*.tar" for split in SPLIT_SIZES}),
        "split": Splits(),
        "target": ClassLabel("label", CLASSES),
        "metric": accuracy,
        "probes": (LinearProbe(epochs=3), KNN(k=3)),
        "cluster": "speaker",
    }
    return Task(**{**values, **changes})  # type: ignore[arg-type]


def folded() -> Task:
    """The toy task as three folds."""
    names = ("a", "b", "c")
    return task(name="folded", shards=ShardSet({n: f"{n}_*.tar" for n in names}), split=Folds(names))


def chords(split: str, n: int) -> list[Sample]:
    """``n`` clips of one to three of the tones at once, named in one string; every seventh is silent but for noise."""
    rng = np.random.default_rng(ord(split[1]))
    made = []
    for i in range(n):
        present = np.flatnonzero(rng.random(3) < 0.45) if i % 7 else np.array([], dtype=int)
        seconds = 0.2 + 0.02 * (i % 10)
        waves = [tone(int(label), 1000 * i + int(label), seconds).astype(float) for label in present]
        noise = 600 * rng.standard_normal(round(seconds * RATE))
        wave = np.rint(np.sum([noise, *waves], axis=0) / 3).astype(np.int16)
        tags = ";".join(CLASSES[label] for label in present)
        made.append(Sample(f"{split}-{i:03d}", wave, RATE, {"tags": tags, "speaker": f"{split}{i // 2}"}))
    return made


def many(**changes: object) -> Task:
    """Which of the tones sound: a task of several labels per clip, in the splits of the toy task."""
    values: dict[str, object] = {
        "name": "chords",
        "target": MultiLabel("tags", CLASSES, allow_empty=True),
        "metric": mean_average_precision,
        "probes": (LinearProbe(epochs=30, learning_rate=0.01),),
    }
    return task(**{**values, **changes})


TASK_FILE = """
from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task

tones = Task(
    name="{name}",
    domain="music",
    shards=ShardSet({{split: f"{{split}}_*.tar" for split in ("train", "valid", "test")}}),
    split=Splits(),
    target=ClassLabel("label", ("low", "middle", "high")),
    metric=accuracy,
    probes=(LinearProbe(epochs=3), KNN(k=3)),
    cluster="speaker",
)
"""

ENCODER_FILE = """
import torch

class {name}Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.sampling_rate, self.output_dim, self.hop_size_in_ms = 16000, {output_dim}, {hop}
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, audio):
        frames = audio.unfold(1, 160, 160)
        window = torch.hann_window(160)
        output = torch.fft.rfft(frames * window).abs()[..., :16].add(1e-3).log() * self.scale
        {then}
        return output
"""


def encoder_file(folder: Path, name: str = "Toy", *, output_dim: int = 16, hop: float = 10, then: str = "pass") -> Path:
    """An encoder file as a user writes it; ``then`` is a statement on ``output`` before it is returned."""
    path = folder / f"{name.lower()}.py"
    path.write_text(ENCODER_FILE.format(name=name, output_dim=output_dim, hop=hop, then=then))
    return path


def task_file(folder: Path, name: str = "tones") -> Path:
    path = folder / f"{name}_task.py"
    path.write_text(TASK_FILE.format(name=name))
    return path


def spec(name: str, encoder: Encoder) -> EncoderSpec:
    return EncoderSpec(name, lambda device: encoder)


def certificate(policy: Policy = "padded", hop: float = 160.0, first: float | None = 160.0) -> Certificate:
    return Certificate((), policy, hop, first)
