"""The same features for every clip: the floor that a valid task keeps at chance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec

RATE = 16_000
HOP = 320
WIDTH = 16


class Constant(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 16], T = floor(N / 320), at least 1; hears nothing, and its certificate says so."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, WIDTH, 1000 * HOP / RATE
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.arange(1, WIDTH + 1) / WIDTH)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        del lengths
        return self.values.expand(audio.shape[0], max(1, audio.shape[1] // HOP), WIDTH).clone()


def load(device: str) -> Constant:
    return Constant().eval().to(device)


constant = EncoderSpec(
    name="constant",
    load=load,
    source="constant features",
    revision="1",
    licence="Apache-2.0",
    verified="fails its certificate on purpose: it does not listen",
    default=False,
    sampling_rate=Constant.sampling_rate,
    output_dim=Constant.output_dim,
    hop_in_ms=Constant.hop_size_in_ms,
)
