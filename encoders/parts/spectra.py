"""Mel spectrograms that several families hear through, of every clip by itself.

``Mel`` is what ``torchaudio.transforms.MelSpectrogram`` (HTK mel scale, triangles of height 1) and nnAudio's and
librosa's (Slaney's mel scale, triangles of area 1) compute: Hann window, frames centred on 0, hop, ... with the signal
reflected at both ends, power. The filters are no weights: they are computed, not loaded. ``kaldi`` is torchaudio's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.types import EncoderError

SMALLEST = torch.finfo(torch.float32).eps
AMIN = 1e-10  # of ``AmplitudeToDB``: power below it counts as that


class Mel(nn.Module):
    """[B, N] -> power [B, bands, 1 + floor(N / hop)], N > fft / 2; in fp32 whatever the precision of the rest."""

    hann: Tensor
    filters: Tensor

    def __init__(
        self, *, fft: int, window: int, hop: int, bands: int, low: float, high: float, slaney: bool = False,
        rate: int = 16_000,
    ) -> None:  # fmt: skip
        super().__init__()
        self.fft, self.window, self.hop = fft, window, hop
        self.bands, self.low, self.high, self.slaney, self.rate = bands, low, high, slaney, rate  # for the fingerprint
        self.shortest = fft // 2 + 1  # samples: reflection needs as many
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        made = compute_mel_filters(rate=rate, fft=fft, bands=bands, low=low, high=high, slaney=slaney).astype(
            np.float32
        )
        self.register_buffer("filters", torch.from_numpy(made), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(
                audio.float(), self.fft, self.hop, self.window, self.hann, pad_mode="reflect", return_complex=True
            )
            return self.filters @ spectrum.abs().square()


def compute_mel_filters(
    *, rate: int, fft: int, bands: int, low: float, high: float, slaney: bool = False
) -> NDArray[np.float64]:
    """Compute [bands, fft / 2 + 1]: triangles between neighbouring points at equal distances on the mel scale."""
    to_mel, to_hz = (_hz_to_slaney_mel, _slaney_mel_to_hz) if slaney else (_hz_to_htk_mel, _htk_mel_to_hz)
    bottom, top = to_mel(np.array([low, high], dtype=np.float64)).tolist()
    points = to_hz(np.linspace(bottom, top, bands + 2))[:, None]
    bins = np.arange(fft // 2 + 1) * rate / fft
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters * 2 / (points[2:] - points[:-2]) if slaney else filters


def compute_mel_triangles(*, rate: int, fft: int, bands: int, low: float, high: float) -> NDArray[np.float64]:
    """Compute [bands, fft / 2 + 1]: triangles on HTK's scale whose sides are straight on that scale, not in Hz.

    As in Kaldi and in Google's ``mel_features``.
    """
    bottom, top = _hz_to_htk_mel(np.array([low, high], dtype=np.float64)).tolist()
    points = np.linspace(bottom, top, bands + 2)[:, None]
    bins = _hz_to_htk_mel(np.arange(fft // 2 + 1) * rate / fft)
    rising = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - bins) / (points[2:] - points[1:-1])
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters


def compute_kaldi_fbank(audio: Tensor, **options: Any) -> Tensor:
    """Compute log mel energies as Kaldi does, [B, N] -> [B, bands, T].

    Options are those of ``torchaudio.compliance.kaldi.fbank``. T = floor((N - 400) / 160) + 1 for its usual 25 ms every
    10 ms: frames are not centred, a rest is left out. Raises EncoderError where there is no torchaudio.
    """
    torchaudio = torchaudio_safe.load()
    if torchaudio is None:
        raise EncoderError("torchaudio", got="none", expected="a torchaudio that can be imported", where="encoders")
    with torch.autocast(audio.device.type, enabled=False):
        rows = [torchaudio.compliance.kaldi.fbank(clip[None].float(), **options) for clip in audio]
    return torch.stack(rows).transpose(1, 2)


def convert_to_decibels(power: Tensor, span: float) -> Tensor:
    """Convert power [B, bands, T] to dB, each clip cut off ``span`` dB below its own loudest point."""
    level = 10 * power.clamp(min=AMIN).log10()
    return torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - span)


def standardise(level: Tensor) -> Tensor:
    """Standardise [B, bands, T] to mean 0 and deviation 1 over each clip; zero where nothing varies."""
    mean: Tensor = level.mean(dim=(1, 2), keepdim=True)
    deviation: Tensor = level.std(dim=(1, 2), keepdim=True)
    return (level - mean) / deviation.clamp(min=SMALLEST)


def apply_to_each(
    front_end: Callable[[Tensor], Tensor], audio: Tensor, lengths: Tensor | None, shortest: int
) -> tuple[Tensor, Tensor | None]:
    """Apply ``front_end`` ([B, N] -> [B, bands, T]) to every clip without its padding; also return each T.

    Nothing of a clip's neighbours or padding gets into it: not by reflection at its end, not by its loudest point. A
    clip shorter than ``shortest`` samples has zeros after it.
    """
    if lengths is None:
        return front_end(nn.functional.pad(audio, (0, max(0, shortest - audio.shape[1])))), None
    sizes = lengths.tolist()
    rows: list[Tensor] = [audio] * len(sizes)
    for group in _group_by_length(sizes, together=audio.device.type != "cpu"):
        size = sizes[group[0]]
        clips = nn.functional.pad(audio[group, :size], (0, max(0, shortest - size)))
        for index, row in zip(group, front_end(clips).transpose(1, 2), strict=True):
            rows[index] = row
    counts = torch.tensor([len(row) for row in rows], device=audio.device)
    return nn.utils.rnn.pad_sequence(rows, batch_first=True).transpose(1, 2), counts


def _group_by_length(sizes: list[int], *, together: bool) -> list[list[int]]:
    """Group the clips that a front end gets at once: on a CPU, whose caches a clip fills, each by itself.

    On a GPU, where every operation costs the same however small, those of one length ``together``.
    """
    if not together:
        return [[index] for index in range(len(sizes))]
    groups: dict[int, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    return list(groups.values())


def _hz_to_htk_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595 * np.log10(1 + hz / 700)


def _htk_mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)


# Slaney, Auditory Toolbox (1998): linear to 1 kHz (15 mel), then 27 mel for every factor of 6.4
def _hz_to_slaney_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / math.log(6.4))


def _slaney_mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))
