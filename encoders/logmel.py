"""Log-mel statistics: the honest baseline, which knows how loud each band is and how much it varies, nothing else.

The harness averages frames over time. So that this yields mean and standard deviation, each frame is the log-mel
spectrum of its 25 ms (first half) followed by the standard deviation of each band over the whole clip (second half,
the same in every frame). 16 kHz, Hann window of 400 samples every 160, power spectrum of 512 points, 64 triangular
filters equally spaced on the HTK mel scale, mel = 2595 log10(1 + f / 700) (Young et al., The HTK Book), 0 to 8 kHz.
Frames are not centred: frame t is samples 160 t to 160 t + 400 and exists only where all of them do (a shorter clip is
padded to one frame), so that padding can leak into nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.types import EncoderSpec

RATE = 16_000
WINDOW = 400
HOP = 160
FFT = 512
BANDS = 64
FLOOR = 1e-6  # added to the power: about the noise of 16-bit recordings


class LogMel(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 128], T = floor((N - 400) / 160) + 1."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, 2 * BANDS, 1000 * HOP / RATE
    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        # float64 first: the rounded values are the same on every machine, and so is the fingerprint
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
        self.register_buffer("window", torch.from_numpy(hann.astype(np.float32)))
        self.register_buffer("filters", torch.from_numpy(compute_mel_filters().astype(np.float32)))

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((audio.shape[0],), audio.shape[1], device=audio.device)
        audio = nn.functional.pad(audio, (0, max(0, WINDOW - audio.shape[1])))
        frames = audio.unfold(1, WINDOW, HOP) * self.window  # [B, T, 400]
        power = torch.fft.rfft(frames, FFT).abs().square()  # [B, T, 257]
        mel = torch.log(power @ self.filters + FLOOR)  # [B, T, 64]
        valid = ((lengths - WINDOW) // HOP + 1).clamp(min=1)
        mask = (torch.arange(mel.shape[1], device=mel.device) < valid[:, None])[..., None]
        mean = (mel * mask).sum(1, keepdim=True) / valid[:, None, None]
        variance = ((mel - mean).square() * mask).sum(1, keepdim=True) / valid[:, None, None]
        return torch.cat([mel, variance.sqrt().expand_as(mel)], dim=2)


def compute_mel_filters() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Compute [257, 64]: triangles of height 1 between neighbouring points of the mel scale."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    points = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)  # Hz
    bins = np.arange(FFT // 2 + 1)[:, None] * RATE / FFT
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.clip(np.minimum(rising, falling), 0, None)
    return filters


def load(device: str) -> LogMel:
    return LogMel().eval().requires_grad_(False).to(device)


logmel = EncoderSpec(
    name="logmel",
    load=load,
    source="log-mel mean and standard deviation, no training",
    revision="1",
    licence="Apache-2.0",
    verified="against a computation in numpy; certificate",
    default=True,
    sampling_rate=LogMel.sampling_rate,
    output_dim=LogMel.output_dim,
    hop_in_ms=LogMel.hop_size_in_ms,
)
