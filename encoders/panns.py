"""PANNs' CNN14: an AudioSet tagger (Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern
recognition", TASLP 2020; github.com/qiuqiangkong/audioset_tagging_cnn, package ``panns-inference`` 0.1.1).

64 mel bands (Slaney) in dB, of 32 ms every 10 ms: 50 to 14000 Hz at 32 kHz, 50 to 8000 Hz at 16 kHz; batch
normalisation of each band; six blocks of two 3 x 3 convolutions, batch normalisation, ReLU, all but the last averaged
over 2 x 2; the mean over bands. One vector of 2048 every 320 ms, T = max(1, floor((floor(n / hop) + 1) / 32)).

These are the numbers before the authors' pooling. Their embedding of a clip is the maximum over time plus the mean,
through one more linear layer and ReLU, which a mean over time cannot give; that layer and the classifier are left out.
Clips too short for a vector have zeros after them; there is no longest clip.

Padded batches: after each convolution what lies behind a clip is set to zero, which is what the next meets at its end.

Why not the package: it calls wget when it loads and unpickles what comes. What it computes is what this computes:
tests/facts/encoders/panns.json has its output.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import AMIN, Mel, apply_to_each
from encoders.parts.weights import Weights, load, load_file

BANDS = 64
POOLED = 32  # frames of the spectrum to a vector
NOT_THE_ENCODER = ("spectrogram_extractor.", "logmel_extractor.", "fc1.", "fc_audioset.")  # computed here; the head


@dataclass(frozen=True, slots=True)
class Config:
    rate: int
    window: int  # samples
    hop: int  # samples
    high: int  # Hz
    channels: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)

    @property
    def hop_in_ms(self) -> float:
        return 1000 * self.hop * POOLED / self.rate


class Block(nn.Module):
    """[B, C, T, bands] -> [B, C', T, bands]; ``mask`` [B, 1, T, 1] says which frames are the clip's."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for convolution, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2)):
            x = torch.relu(norm(convolution(x)))
            x = x if mask is None else x * mask
        return x


class Cnn14(nn.Module):
    """[B, N] -> [B, T, 2048]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.sampling_rate, self.hop_size_in_ms = config.rate, config.hop_in_ms
        self.output_dim = config.channels[-1]
        self.mel = Mel(
            fft=config.window, window=config.window, hop=config.hop, bands=BANDS, low=50, high=config.high, slaney=True,
            rate=config.rate,
        )  # fmt: skip
        self.shortest = max(self.mel.shortest, config.hop * (POOLED - 1))
        self.bn0 = nn.BatchNorm2d(BANDS)
        self.blocks = nn.ModuleList(Block(inputs, outputs) for inputs, outputs in pairwise((1, *config.channels)))

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        spectrum, counts = apply_to_each(self.compute_spectrum, audio, lengths, self.shortest)
        x = self.bn0(spectrum[..., None]).permute(0, 3, 2, 1)  # [B, 1, T, bands]
        mask = None
        if counts is not None:
            mask = _mask_frames(counts, x)
            x = x * mask
        for number, block in enumerate(self.blocks, 1):
            x = block(x, mask)
            if number < len(self.blocks):
                x = nn.functional.avg_pool2d(x, 2)
                if counts is not None:
                    counts = counts // 2
                    mask = _mask_frames(counts, x)
                    x = x * mask
        frames: Tensor = x.mean(dim=3)
        return frames.transpose(1, 2)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> dB [B, 64, 1 + floor(N / hop)]."""
        level: Tensor = 10 * self.mel(audio).clamp(min=AMIN).log10()
        return level


def _mask_frames(counts: Tensor, x: Tensor) -> Tensor:
    mask: Tensor = torch.arange(x.shape[2], device=x.device) < counts[:, None]
    return mask[:, None, :, None]


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours."""
    name = name.removeprefix("model.")
    if name.startswith(NOT_THE_ENCODER):
        return None
    if name.startswith("conv_block"):
        number, _, rest = name.removeprefix("conv_block").partition(".")
        return f"blocks.{int(number) - 1}.{rest}"
    return name


def _build_spec(name: str, config: Config, file: str) -> EncoderSpec:
    make = functools.partial(Cnn14, config)
    weights = Weights(page=f"https://zenodo.org/records/3987831/files/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="MIT (code), CC-BY-4.0 (weights)",
        verified="random weights: tensor names and output of the authors' code (panns-inference 0.1.1); certificate",
        trained_on=("AudioSet",),
        sampling_rate=config.rate,
        output_dim=config.channels[-1],
        hop_in_ms=config.hop_in_ms,
    )


K16 = Config(16_000, 512, 160, 8000)
K32 = Config(32_000, 1024, 320, 14_000)
cnn14_16k = _build_spec("panns_cnn14_16k", K16, "Cnn14_16k_mAP%3D0.438.pth")
cnn14_32k = _build_spec("panns_cnn14_32k", K32, "Cnn14_mAP%3D0.431.pth")
