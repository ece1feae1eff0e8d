"""BYOL-S and Hybrid BYOL-S: BYOL-A trained on the speech of AudioSet (Scheidwasser-Clow et al., "SERAB", ICASSP 2022;
Elbanna et al., "Hybrid handcrafted and learnable audio representation for analysis of speech under cognitive and
physical load", Interspeech 2022; github.com/GasserElbanna/serab-byols).

16 kHz; 64 HTK mel bands, 60 to 7800 Hz, of 25 ms every 10 ms in a transform of 1024 points; log(power + 2^-23), minus
the clip's mean, over its deviation (the authors' ``compute_scene_stats``, which they call with one clip or many; here
it is always the clip's own). Clips shorter than 513 samples have zeros after them.

byols_audiontt is the network of BYOL-A of 2020 (``encoders.byola``): 2048 numbers every 80 ms.

byols_hybrid_cvt is a convolutional vision transformer (Wu et al., "CvT", ICCV 2021), also trained to predict openSMILE
features: three stages, each a strided convolution (by 4, 2 and 2 in both directions) and one block whose queries, keys
and values come from depthwise convolutions, keys and values from every second point. 512 channels of 4 bands are 2048
numbers every 160 ms, T = floor(n / 2560) + 1. Its attention and convolutions hear padding, so it takes no lengths: only
clips of one length share a batch. It was trained on 0.95 s and is applied to whole clips by its authors; so that
attention stays affordable, clips longer than 30.72 s are encoded in pieces that do not hear each other.

Both are frames before the authors' pooling, which is their mean plus their maximum; a mean over time cannot give that.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders import byola
from encoders.byola import BANDS, EPS, AudioNtt
from encoders.parts.spectra import Mel, standardise
from encoders.parts.weights import Rename, Weights, load, load_file

PAGE = "https://github.com/GasserElbanna/serab-byols/blob/main/checkpoints"
AUDIONTT = byola.Config(2048, window=400, mean=None)
HEAD = 64  # dimensions of a head of attention


@dataclass(frozen=True, slots=True)
class Config:
    """Of the three stages."""

    dims: tuple[int, int, int] = (64, 256, 512)
    heads: tuple[int, int, int] = (1, 3, 6)
    kernels: tuple[int, int, int] = (7, 3, 3)
    strides: tuple[int, int, int] = (4, 2, 2)
    frames: int = 3072  # of the spectrum, of a piece; a multiple of 16


class ChannelNorm(nn.Module):
    """Over the channels of [B, C, H, W]; the small number is added to the deviation, not to the variance."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        deviation = x.var(dim=1, unbiased=False, keepdim=True).sqrt()
        return (x - x.mean(dim=1, keepdim=True)) / (deviation + 1e-5) * self.g + self.b


class Block(nn.Module):
    """[B, C, H, W] -> the same: attention between points, then two linear layers in each."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = ChannelNorm(dim)
        self.to_q = _build_depthwise(dim, heads * HEAD, stride=1)
        self.to_kv = _build_depthwise(dim, 2 * heads * HEAD, stride=2)
        self.out = nn.Conv2d(heads * HEAD, dim, 1)
        self.norm2 = ChannelNorm(dim)
        self.fc1 = nn.Conv2d(dim, 4 * dim, 1)
        self.fc2 = nn.Conv2d(4 * dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        points = [
            z.flatten(2).reshape(len(z), self.heads, HEAD, -1).transpose(2, 3)  # [B, heads, points, 64]
            for z in (self.to_q(y), *self.to_kv(y).chunk(2, dim=1))
        ]
        mixed = nn.functional.scaled_dot_product_attention(*points)
        x = x + self.out(mixed.transpose(2, 3).reshape(len(x), self.heads * HEAD, *x.shape[2:]))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))  # type: ignore[no-any-return]


class Cvt(nn.Module):
    """[B, N] of one length -> [B, T, 4 C]."""

    sampling_rate, hop_size_in_ms = 16_000, 160.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output_dim, self.frames = config.dims[2] * BANDS // 16, config.frames
        self.mel = Mel(fft=1024, window=400, hop=160, bands=BANDS, low=60, high=7800)
        stages = []
        inputs = 1
        for dim, heads, kernel, stride in zip(config.dims, config.heads, config.kernels, config.strides, strict=True):
            convolution = nn.Conv2d(inputs, dim, kernel, stride, kernel // 2)
            stages.append(nn.Sequential(convolution, ChannelNorm(dim), Block(dim, heads)))
            inputs = dim
        self.stages = nn.Sequential(*stages)

    def forward(self, audio: Tensor) -> Tensor:
        spectrum = self.compute_spectrum(nn.functional.pad(audio, (0, max(0, self.mel.shortest - audio.shape[1]))))
        pieces = [
            self.stages(piece[:, None]) for piece in torch.split(spectrum, self.frames, dim=2)
        ]  # each [B, C, 4, T]
        return torch.cat(pieces, dim=3).permute(0, 3, 2, 1).flatten(2)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 64, 1 + floor(N / 160)], each clip with mean 0 and deviation 1."""
        level = (self.mel(audio) + EPS).log()
        return standardise(level)


def _build_depthwise(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
    )


NAMES = (
    (r"^layers\.(\d)\.2\.layers\.0\.0\.norm\.", r"stages.\1.2.norm1."),
    (r"^layers\.(\d)\.2\.layers\.0\.0\.fn\.(to_q|to_kv)\.net\.", r"stages.\1.2.\2."),
    (r"^layers\.(\d)\.2\.layers\.0\.0\.fn\.to_out\.0\.", r"stages.\1.2.out."),
    (r"^layers\.(\d)\.2\.layers\.0\.1\.norm\.", r"stages.\1.2.norm2."),
    (r"^layers\.(\d)\.2\.layers\.0\.1\.fn\.net\.0\.", r"stages.\1.2.fc1."),
    (r"^layers\.(\d)\.2\.layers\.0\.1\.fn\.net\.3\.", r"stages.\1.2.fc2."),
    (r"^layers\.(\d)\.([01])\.", r"stages.\1.\2."),
)


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor of the transformer to ours."""
    for theirs, ours in NAMES:
        name = re.sub(theirs, ours, name)
    return name


def _build_spec(name: str, make: Callable[[], nn.Module], names: Rename, file: str, hop_in_ms: float) -> EncoderSpec:
    weights = Weights(page=f"{PAGE}/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, names, weights),
        load_weights=functools.partial(load_file, make, names),
        source=weights.page,
        licence="MIT",
        verified="random weights: tensor names and output of s3prl 0.4.18; certificate",
        trained_on=("AudioSet",),
        sampling_rate=16_000,
        output_dim=2048,  # of both
        hop_in_ms=hop_in_ms,
    )


byols_audiontt = _build_spec(
    "byols_audiontt",
    functools.partial(AudioNtt, AUDIONTT),
    byola.rename,
    "default2048_BYOLAs64x96-2105311814-e100-bs256-lr0003-rs42.pth",
    AUDIONTT.hop_in_ms,
)
byols_hybrid_cvt = _build_spec(
    "byols_hybrid_cvt",
    functools.partial(Cvt, Config()),
    rename,
    "cvt_s1-d1-e64_s2-d1-e256_s3-d1-e512_BYOLAs64x96-osandbyolaloss6373-e100-bs256-lr0003-rs42.pth",
    Cvt.hop_size_in_ms,
)
