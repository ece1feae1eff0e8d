"""What is measured on: shards of noise and tones, and encoders of published sizes with random weights.

Speed does not depend on what the weights are, so nothing is downloaded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.types import Certificate, Encoder
from encoders import dasheng, logmel
from encoders.parts import hf_waveform
from tasks.mini.write import Sample, write_shards

RATE = 16_000
FIXED_IN_S = 5.0
SHORTEST_IN_S = 1.0  # of mixed lengths, which have the same mean
LONGEST_IN_S = 9.0


class Model(NamedTuple):
    """An encoder, and how much audio is enough to time it on a CPU."""

    about: str
    load: Callable[[], Encoder]
    certificate: Certificate
    seconds: float


def load_light() -> Encoder:
    return logmel.load("cpu")


def load_medium() -> Encoder:
    import torch

    torch.manual_seed(0)
    return cast(Encoder, dasheng.MelTransformer(dasheng.BASE).eval().requires_grad_(False))


def load_heavy() -> Encoder:
    """wav2vec 2.0 LARGE (Baevski et al. 2020, table 7) with layer normalisation and attention masks, as LV-60 has."""
    import torch

    torchaudio_safe.install()
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True,
    )  # fmt: skip
    torch.manual_seed(0)
    extractor: Any = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    model = hf_waveform.build_waveform(Wav2Vec2Model(config), extractor, [])
    return cast(Encoder, model.eval().requires_grad_(False))


def _make_certificate(hop: float, first: float) -> Certificate:
    return Certificate((), "padded", hop, first)


MODELS = {
    "light": Model("log-mel statistics", load_light, _make_certificate(160, 400), 4000),
    "medium": Model("Dasheng base (86M)", load_medium, _make_certificate(640, 480), 400),
    "heavy": Model("wav2vec 2.0 large (315M)", load_heavy, _make_certificate(320, 400), 160),
}


def load_encoder(model: Model, device: str = "cpu") -> Encoder:
    return adapt(cast(Any, model.load()).to(device), device)


def draw_durations(lengths: str, seconds: float) -> list[float]:
    """Clip durations that add up to about ``seconds``: all the same, or drawn evenly."""
    n = round(seconds / FIXED_IN_S)
    if lengths == "fixed":
        return [FIXED_IN_S] * n
    drawn: list[float] = np.random.default_rng(0).uniform(SHORTEST_IN_S, LONGEST_IN_S, n).round(2).tolist()
    return drawn


def make_clips(seconds: list[float], rate: int, container: Any) -> Iterator[Sample]:
    """16-bit mono: a tone in noise, so that FLAC has something to do."""
    for index, length in enumerate(seconds):
        rng = np.random.default_rng(index)
        time = np.arange(round(length * rate)) / rate
        wave = 0.2 * np.sin(2 * np.pi * rng.uniform(100, 2000) * time) + 0.05 * rng.standard_normal(len(time))
        sidecar = {"label": index % 50, "fold": index % 5, "source": f"recording-{index // 3:06d}"}
        yield Sample(f"clip-{index:06d}", np.rint(32767 * wave).astype(np.int16), rate, sidecar, container)


def write_clip_shards(
    folder: Path, seconds: list[float], rate: int = RATE, per_shard: int = 400, container: str = "flac"
) -> list[Path]:
    """Shards of clips of these durations, written now."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        folder / name
        for name in write_shards(folder, "test", make_clips(seconds, rate, container), per_shard=per_shard)
    ]


def copy_shard(path: Path, to: Path, prefix: str) -> Path:
    """A copy of a shard whose keys, and so its digest, are others."""
    import tarfile

    with tarfile.open(path) as source, tarfile.open(to, "w", format=tarfile.USTAR_FORMAT) as out:
        for member in source:
            content = cast(Any, source.extractfile(member)).read()
            member.name = f"{prefix}-{member.name}"
            out.addfile(member, io.BytesIO(content))
    return to
