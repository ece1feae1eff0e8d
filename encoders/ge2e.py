"""GE2E, a speaker embedding (Wan et al. 2018, arXiv 1710.10467), with the weights of Resemblyzer.

Three LSTM layers over a mel spectrum (40 bands, not logarithmic, 25 ms every 10 ms), the last state projected,
rectified and normalised. As in Resemblyzer a clip is embedded in windows of 1.6 s; windows begin every 770 ms, the last
one counts if the clip fills three quarters of it, and each is a frame here: their mean is the embedding of the
utterance up to its norm. A clip softer than -30 dBFS is raised to that. Resemblyzer also cuts long silences out with a
voice activity detector, which would move every later frame: not done here. Each clip is measured alone, so padding
changes nothing.

Trained on LibriSpeech train-other-500, VoxCeleb 1 and 2 (dev), as the authors of the checkpoint say
(CorentinJ/Real-Time-Voice-Cloning, wiki, Training).
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.weights import Weights, load, load_file

RATE = 16_000
FFT = 400
STEP = 160
BANDS = 40
WIDTH = 256
FRAMES = 160  # spectra in a window, 1.6 s
WINDOW = FRAMES * STEP  # samples
HOP = 77 * STEP  # 77 spectra: 1.3 windows a second
COVERED = WINDOW * 3 // 4  # samples that the last window must have
LOUDNESS = 10 ** (-30 / 20)  # least root mean square of a clip
COMMIT = "15d828edebe06bc72b9cabc8ef8ca5ab2cb457ce"
WEIGHTS = Weights(
    url=f"https://raw.githubusercontent.com/resemble-ai/Resemblyzer/{COMMIT}/resemblyzer/pretrained.pt",
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
)


class Ge2e(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 256], T = max(1, floor((n - 19200) / 12320) + 1)."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, WIDTH, 1000 * HOP / RATE
    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.register_buffer("filters", compute_mel_filters(), persistent=False)
        self.lstm = nn.LSTM(BANDS, WIDTH, 3, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        sizes = [audio.shape[1]] * len(audio) if lengths is None else [int(n) for n in lengths]
        windows = [self.compute_windows(row[:size]) for row, size in zip(audio, sizes, strict=True)]
        _, (state, _) = self.lstm(torch.cat(windows))
        embedded = torch.relu(self.linear(state[-1]))
        # a window in which every unit is silent has norm 0, which the authors would make NaN
        embedded = embedded / embedded.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return nn.utils.rnn.pad_sequence(list(embedded.split([len(w) for w in windows])), batch_first=True)

    def compute_windows(self, clip: Tensor) -> Tensor:
        """Compute mel spectra of every window, [n] -> [T, 160, 40], zeros after the clip."""
        count = count_windows(len(clip))
        with torch.autocast(clip.device.type, enabled=False):
            rms = clip.float().square().mean().sqrt()
            clip = clip * (LOUDNESS / rms.clamp(min=1e-12)).clamp(min=1)
            clip = nn.functional.pad(clip, (0, max(0, (count - 1) * HOP + WINDOW - len(clip))))
            spectrum = torch.stft(
                clip, FFT, STEP, window=self.window, center=True, pad_mode="constant", return_complex=True
            )
            mel = torch.view_as_real(spectrum).square().sum(-1).T @ self.filters  # [spectra, 40]
        return mel.unfold(0, FRAMES, HOP // STEP)[:count].transpose(1, 2)


def count_windows(n: int) -> int:
    """Count the windows of a clip of n samples."""
    return max(1, (n - COVERED) // HOP + 1)


def compute_mel_filters() -> Tensor:
    """Compute [201, 40]: Slaney's mel scale (linear to 1 kHz, then logarithmic), unit area (Auditory Toolbox, 1998)."""
    step = np.log(6.4) / 27  # above 1 kHz, which is 15 mel
    top = 15 + np.log(RATE / 2 / 1000) / step
    mel = np.linspace(0, top, BANDS + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(step * (np.maximum(mel, 15) - 15)))
    bins = np.arange(FFT // 2 + 1)[:, None] * RATE / FFT
    rising = (bins - hz[:-2]) / (hz[1:-1] - hz[:-2])
    falling = (hz[2:] - bins) / (hz[2:] - hz[1:-1])
    filters = np.clip(np.minimum(rising, falling), 0, None) * 2 / (hz[2:] - hz[:-2])
    return torch.from_numpy(filters.astype(np.float32))


def rename(name: str) -> str | None:
    """Map the name of a tensor of ``pretrained.pt`` to that in ``Ge2e``; None for the two scalars of the loss."""
    kind, _, rest = name.partition(".")
    return rest if kind == "model_state" and not rest.startswith("similarity_") else None


ge2e = EncoderSpec(
    name="ge2e",
    load=functools.partial(load, Ge2e, rename, WEIGHTS),
    source="https://github.com/resemble-ai/Resemblyzer",
    revision=COMMIT,
    licence="Apache-2.0",
    verified="real weights: equal to Resemblyzer 0.1.4 on real speech; certificate",
    trained_on=("voxceleb1", "voxceleb2", "librispeech", "librispeechmalefemale"),
    load_weights=functools.partial(load_file, Ge2e, rename),
    sampling_rate=Ge2e.sampling_rate,
    output_dim=Ge2e.output_dim,
    hop_in_ms=Ge2e.hop_size_in_ms,
)
