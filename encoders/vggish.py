"""VGGish: what came with AudioSet (Hershey et al., "CNN architectures for large-scale audio classification", ICASSP
2017; github.com/tensorflow/models/tree/master/research/audioset/vggish, as tensors in package ``torchvggish`` 0.2).

16 kHz; magnitudes of 25 ms every 10 ms, not centred, in a transform of 512 points; 64 mel bands, 125 to 7500 Hz, whose
triangles are straight on the mel scale; log(band + 0.01). Examples of 96 frames side by side go through four stages of
3 x 3 convolutions and pooling and three linear layers: 128 numbers every 960 ms, T = max(1, floor((n - 15600) / 15360)
+ 1). As with its authors a rest that fills no example is left out, so a clip's last 0.97 s may not be heard, and the
embedding is the value before any non-linearity (``torchvggish`` puts a ReLU after it). Their PCA and quantisation fit
the embeddings published with AudioSet and are left out. Clips shorter than an example have zeros after them.

Examples do not hear each other, so padding changes nothing.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import apply_to_each, compute_mel_triangles
from encoders.parts.weights import Weights, load, load_file

RATE = 16_000
WINDOW = 400
HOP = 160
FFT = 512
BANDS = 64
LOW = 125.0
HIGH = 7500.0
FRAMES = 96  # of an example
SHORTEST = WINDOW + (FRAMES - 1) * HOP  # samples that fill one
STAGES = ((64,), (128,), (256, 256), (512, 512))  # channels of the convolutions before each pooling
WEIGHTS = Weights(
    url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
)


class LogMel(nn.Module):
    """[B, N] -> [B, 64, floor((N - 400) / 160) + 1]: log(band + offset), N >= 400; of VGGish and YAMNet."""

    hann: Tensor
    filters: Tensor

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset
        self.register_buffer("hann", torch.hann_window(WINDOW), persistent=False)
        filters = compute_mel_triangles(rate=RATE, fft=FFT, bands=BANDS, low=LOW, high=HIGH).astype(np.float32)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            frames = audio.float().unfold(1, WINDOW, HOP) * self.hann
            magnitudes = torch.fft.rfft(frames, FFT).abs()
            level: Tensor = (magnitudes @ self.filters + self.offset).log()
        return level.transpose(1, 2)


class Vggish(nn.Module):
    """[B, N] -> [B, T, 128]."""

    sampling_rate, hop_size_in_ms = RATE, 10.0 * FRAMES

    def __init__(self, stages: tuple[tuple[int, ...], ...] = STAGES, hidden: int = 4096, dim: int = 128) -> None:
        super().__init__()
        self.output_dim = dim
        self.log_mel = LogMel(0.01)
        parts: list[nn.Module] = []
        inputs = 1
        for stage in stages:
            for outputs in stage:
                parts += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            parts.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*parts)
        size = inputs * (FRAMES >> len(stages)) * (BANDS >> len(stages))
        self.embeddings = nn.Sequential(
            nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        spectrum, _ = apply_to_each(self.log_mel, audio, lengths, SHORTEST)
        examples = spectrum.transpose(1, 2).unfold(1, FRAMES, FRAMES).transpose(2, 3)  # [B, T, 96, 64]
        x = self.features(examples.flatten(0, 1)[:, None])
        embedding: Tensor = self.embeddings(x.permute(0, 2, 3, 1).flatten(1))  # frames, bands, channels
        return embedding.reshape(*examples.shape[:2], -1)


def rename(name: str) -> str | None:
    """Return the name as it is: the package's names are ours."""
    return name


vggish = EncoderSpec(
    name="vggish",
    load=functools.partial(load, Vggish, rename, WEIGHTS),
    load_weights=functools.partial(load_file, Vggish, rename),
    source=WEIGHTS.source,
    revision=f"sha256:{WEIGHTS.sha256}",
    licence="Apache-2.0",
    verified="random weights: tensor names and output of torchvggish 0.2; certificate",
    trained_on=("YouTube-8M, a preliminary version",),
    sampling_rate=Vggish.sampling_rate,
    output_dim=128,
    hop_in_ms=Vggish.hop_size_in_ms,
)
