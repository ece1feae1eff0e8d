"""EfficientAT: MobileNets that learned from transformers that tag AudioSet (Schmid, Koutini, Widmer, "Efficient
large-scale audio tagging via transformer-to-CNN knowledge distillation", ICASSP 2023; github.com/fschmid56/EfficientAT,
models/mn).

32 kHz; x[n] - 0.97 x[n - 1]; power of 25 ms (a symmetric Hann window) every 10 ms in a transform of 1024 points,
centred, the ends reflected; 128 mel bands, 0 to 15 kHz, whose triangles are straight on the mel scale; log(band +
1e-5), plus 4.5, over 5. MobileNetV3-Large (Howard et al. 2019) with its channels times 0.4, 1, 2 or 4, halved five
times in time and bands; squeeze and excitation over channels. The mean over bands of the last convolution: 960 numbers
(mn10) every 320 ms, T = floor((n - 1) / 10240) + 1. Their mean over time is the authors' embedding. The classifier is
left out. Clips shorter than 514 samples have zeros after them; there is no longest clip.

Squeeze and excitation hears the whole clip and convolutions what is after it, so clips of a batch must have one length.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import compute_mel_triangles
from encoders.parts.weights import Weights, load, load_file

RATE = 32_000
WINDOW = 800
HOP = 320
FFT = 1024
BANDS = 128
HIGH = 15_000.0
SHORTEST = FFT // 2 + 2  # samples: one goes to the difference, reflection needs the others
EPS = 1e-3  # of batch normalisation
STEM = 16
BLOCKS = (  # kernel, channels within, channels out, squeeze and excitation, hard swish, stride (MobileNetV3, table 1)
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
)  # fmt: skip
LAST = 6  # channels of the last convolution to one of the last block
RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1"


def round_channels(channels: float) -> int:
    """Round to the nearest multiple of 8 that is not more than 10% below."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole + 8 if whole < 0.9 * channels else whole


class Convolution(nn.Sequential):
    """Convolution, batch normalisation, what follows: [B, C, F, T] -> [B, C', F / stride, T / stride], rounded up."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, then: type | None = None
    ) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs, EPS), *([then()] if then else []))


class Squeeze(nn.Module):
    """Channels weighed by what their means over the clip say together."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_channels(channels // 4)
        layers = nn.ModuleDict({"fc1": nn.Linear(channels, squeezed), "fc2": nn.Linear(squeezed, channels)})
        self.conc_se_layers = nn.ModuleList([layers])

    def forward(self, x: Tensor) -> Tensor:
        layers = self.conc_se_layers[0]
        scale = torch.sigmoid(layers.get_submodule("fc2")(torch.relu(layers.get_submodule("fc1")(x.mean(dim=(2, 3))))))
        return x * scale[..., None, None]


class Block(nn.Module):
    """Inverted residual: wider, along time and bands within channels, narrower."""

    def __init__(self, inputs: int, kernel: int, within: int, outputs: int, se: bool, swish: bool, stride: int) -> None:
        super().__init__()
        then = nn.Hardswish if swish else nn.ReLU
        parts: list[nn.Module] = [] if within == inputs else [Convolution(inputs, within, then=then)]
        parts.append(Convolution(within, within, kernel, stride, groups=within, then=then))
        if se:
            parts.append(Squeeze(within))
        self.block = nn.Sequential(*parts, Convolution(within, outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """[B, N] of equal length at 32 kHz -> [B, T, D]."""

    sampling_rate, hop_size_in_ms = RATE, 320.0
    window: Tensor
    filters: Tensor

    def __init__(self, width: float) -> None:
        super().__init__()
        inputs = round_channels(STEM * width)
        parts: list[nn.Module] = [Convolution(1, inputs, 3, 2, then=nn.Hardswish)]
        for kernel, within, outputs, se, swish, stride in BLOCKS:
            block = Block(
                inputs, kernel, round_channels(within * width), round_channels(outputs * width), se, swish, stride
            )
            inputs = round_channels(outputs * width)
            parts.append(block)
        self.output_dim = compute_output_dim(width)
        self.features = nn.Sequential(*parts, Convolution(inputs, self.output_dim, then=nn.Hardswish))
        filters = compute_mel_triangles(rate=RATE, fft=FFT, bands=BANDS, low=0, high=HIGH).astype(np.float32)
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=False), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        x: Tensor = self.features(self.compute_spectrum(audio)[:, None])
        return x.mean(dim=2).transpose(1, 2)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 128, floor((N - 1) / 320) + 1], normalised."""
        with torch.autocast(audio.device.type, enabled=False):
            audio = nn.functional.pad(audio.float(), (0, max(0, SHORTEST - audio.shape[1])))
            audio = audio[:, 1:] - 0.97 * audio[:, :-1]
            spectrum = torch.stft(audio, FFT, HOP, WINDOW, self.window, pad_mode="reflect", return_complex=True)
            level = (self.filters @ spectrum.abs().square() + 1e-5).log()
            return (level + 4.5) / 5


def compute_output_dim(width: float) -> int:
    return LAST * round_channels(BLOCKS[-1][2] * width)


def rename(name: str) -> str | None:
    """Return the name as it is; None for the classifier, which is left out."""
    return None if name.startswith("classifier.") else name


def _build_spec(name: str, width: float, file: str) -> EncoderSpec:
    make = functools.partial(MobileNet, width)
    weights = Weights(page=f"{RELEASE}/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="MIT",
        verified="random weights: tensor names of the authors' code, blocks equal to torchvision's; certificate",
        trained_on=("imagenet", "AudioSet"),
        sampling_rate=MobileNet.sampling_rate,
        output_dim=compute_output_dim(width),
        hop_in_ms=MobileNet.hop_size_in_ms,
    )


mn04 = _build_spec("efficientat_mn04", 0.4, "mn04_as_mAP_432.pt")
mn10 = _build_spec("efficientat_mn10", 1.0, "mn10_as_mAP_471.pt")
mn20 = _build_spec("efficientat_mn20", 2.0, "mn20_as_mAP_478.pt")
mn40 = _build_spec("efficientat_mn40", 4.0, "mn40_as_mAP_484.pt")
