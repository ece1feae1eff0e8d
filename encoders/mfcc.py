"""MFCC statistics: the classic features of speech recognition, 20 cepstra with their first and second differences.

The log-mel spectrum of ``logmel.py`` (64 HTK bands, 25 ms every 10 ms), its orthonormal DCT-II of which the first 20
coefficients are kept (Davis and Mermelstein 1980), and twice the regression over five frames
d_t = sum_k k (c_{t+k} - c_{t-k}) / (2 sum_k k^2), k = 1, 2, ends repeated (Young et al., The HTK Book, eq. 5.16).
As there, each frame is followed by the standard deviation over the clip, so that the average over time says both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.logmel import BANDS, HOP, RATE, WINDOW, LogMel

CEPSTRA = 20
REACH = 2


class Mfcc(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 120], T = floor((N - 400) / 160) + 1."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, 6 * CEPSTRA, 1000 * HOP / RATE
    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = LogMel()
        self.register_buffer("basis", compute_dct().float())

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((audio.shape[0],), audio.shape[1], device=audio.device)
        valid = ((lengths - WINDOW) // HOP + 1).clamp(min=1)
        cepstra = self.spectrum(audio, lengths)[..., :BANDS] @ self.basis
        first = compute_differences(cepstra, valid)
        x = torch.cat([cepstra, first, compute_differences(first, valid)], dim=2)
        mask = (torch.arange(x.shape[1], device=x.device) < valid[:, None])[..., None]
        mean = (x * mask).sum(1, keepdim=True) / valid[:, None, None]
        variance = ((x - mean).square() * mask).sum(1, keepdim=True) / valid[:, None, None]
        return torch.cat([x, variance.sqrt().expand_as(x)], dim=2)


def compute_differences(x: Tensor, valid: Tensor) -> Tensor:
    """Compute the regression of [B, T, D] over time, each clip's first and last ``valid`` frames repeated."""
    time = torch.arange(x.shape[1], device=x.device)

    def shifted(by: int) -> Tensor:
        index = torch.minimum((time + by).clamp(min=0), valid[:, None] - 1)
        return x.gather(1, index[..., None].expand_as(x))

    total = sum((k * (shifted(k) - shifted(-k)) for k in range(1, REACH + 1)), torch.zeros_like(x))
    return total / (2 * sum(k * k for k in range(1, REACH + 1)))


def compute_dct() -> Tensor:
    """Compute the orthonormal DCT-II, [64, 20] float64."""
    n, k = torch.arange(BANDS, dtype=torch.float64)[:, None] + 0.5, torch.arange(CEPSTRA, dtype=torch.float64)
    basis = torch.cos(math.pi / BANDS * n * k) * math.sqrt(2 / BANDS)
    basis[:, 0] /= math.sqrt(2)
    return basis


def load(device: str) -> Mfcc:
    return Mfcc().eval().requires_grad_(False).to(device)


mfcc = EncoderSpec(
    name="mfcc",
    load=load,
    source="20 MFCC with differences, mean and standard deviation, no training",
    revision="1",
    licence="Apache-2.0",
    verified="equal to torchaudio's MFCC and differences; certificate",
    sampling_rate=Mfcc.sampling_rate,
    output_dim=Mfcc.output_dim,
    hop_in_ms=Mfcc.hop_size_in_ms,
)
