"""CAM++, a speaker embedding (Wang et al., "CAM++: A fast and efficient network for speaker verification using
context-aware masking", Interspeech 2023; github.com/modelscope/3D-Speaker, package ``speakerlab`` 0.0.6).

16 kHz; 80 log mel bands of Kaldi (25 ms every 10 ms), the clip's mean subtracted; a small two-dimensional ResNet that
divides the bands by 8; convolutions over every second frame, densely connected (12, 24 and 16 layers), each masked by
what its channels' mean over the clip and over segments of 100 says; mean and standard deviation over the clip; a linear
layer, normalised. Tensors keep the authors' names.

The model says one thing about a clip: 192 numbers (Chinese, 200,000 speakers) or 512 (VoxCeleb). They stand in every
frame of 10 ms, so their mean over any frames is the embedding, and tasks on frames learn nothing about when. The
network sees zeros beyond a clip's end, so clips of a batch must have one length. Clips of fewer than 4 frames are
filled with silence.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import compute_kaldi_fbank
from encoders.parts.weights import Weights, load, load_file

RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
SHORTEST = WINDOW + 3 * HOP  # samples that leave two frames of every second, as a deviation needs
SEGMENT = 100  # frames of every second


@dataclass(frozen=True, slots=True)
class Config:
    embedding: int
    channels: int = 32  # of the first network
    entering: int = 128  # channels of the densely connected one
    growth: int = 32
    blocks: tuple[tuple[int, int], ...] = ((12, 1), (24, 2), (16, 2))  # layers, dilation


class ResBlock(nn.Module):
    """Two convolutions beside a shortcut: [B, C, F, T] -> [B, C, F / stride, T]."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.extend([nn.Conv2d(channels, channels, 1, (stride, 1), bias=False), nn.BatchNorm2d(channels)])

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class Head(nn.Module):
    """[B, 80, T] -> [B, 10 C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.layer1, self.layer2 = (nn.Sequential(ResBlock(channels, 2), ResBlock(channels, 1)) for _ in range(2))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x[:, None])))))
        return torch.relu(self.bn2(self.conv2(x))).flatten(1, 2)


class Mask(nn.Module):
    """A convolution whose every value is weighed by the clip's mean plus the mean of the segment it is in."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(inputs, inputs // 2, 1)
        self.linear2 = nn.Conv1d(inputs // 2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        segments = nn.functional.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True)
        context = x.mean(2, keepdim=True) + segments.repeat_interleave(SEGMENT, dim=2)[:, :, : x.shape[2]]
        mask = torch.sigmoid(self.linear2(torch.relu(self.linear1(context))))
        masked: Tensor = self.linear_local(x) * mask
        return masked


class Dense(nn.Module):
    """[B, C, T] -> [B, growth, T]."""

    def __init__(self, inputs: int, growth: int, dilation: int) -> None:
        super().__init__()
        between = 4 * growth
        self.nonlinear1 = _build_normalisation(inputs)
        self.linear1 = nn.Conv1d(inputs, between, 1, bias=False)
        self.nonlinear2 = _build_normalisation(between)
        self.cam_layer = Mask(between, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        masked: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return masked


class Campplus(nn.Module):
    """[B, N] of equal length at 16 kHz -> [B, T, D], T = floor((N - 400) / 160) + 1, the same in every frame."""

    sampling_rate, hop_size_in_ms = RATE, 1000 * HOP / RATE

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output_dim = config.embedding
        self.head = Head(config.channels)
        width, growth = config.entering, config.growth
        parts = nn.ModuleDict()
        tdnn = nn.Conv1d(config.channels * BANDS // 8, width, 5, 2, padding=2, bias=False)
        parts["tdnn"] = nn.ModuleDict({"linear": tdnn, "nonlinear": _build_normalisation(width)})
        for number, (layers, dilation) in enumerate(config.blocks, 1):
            parts[f"block{number}"] = nn.ModuleDict(
                {f"tdnnd{i + 1}": Dense(width + i * growth, growth, dilation) for i in range(layers)}
            )
            width += layers * growth
            narrower = nn.Conv1d(width, width // 2, 1, bias=False)
            parts[f"transit{number}"] = nn.ModuleDict({"nonlinear": _build_normalisation(width), "linear": narrower})
            width //= 2
        parts["out_nonlinear"] = _build_normalisation(width)
        norm = nn.ModuleDict({"batchnorm": nn.BatchNorm1d(config.embedding, affine=False)})
        dense = nn.Conv1d(2 * width, config.embedding, 1, bias=False)
        parts["dense"] = nn.ModuleDict({"linear": dense, "nonlinear": norm})
        self.xvector, self.blocks = parts, len(config.blocks)

    def forward(self, audio: Tensor) -> Tensor:
        frames = max(1, (audio.shape[1] - WINDOW) // HOP + 1)
        part = self.xvector.get_submodule
        x = part("tdnn.nonlinear")(part("tdnn.linear")(self.head(compute_features(audio))))
        for number in range(1, self.blocks + 1):
            for layer in part(f"block{number}").children():
                x = torch.cat([x, layer(x)], dim=1)
            x = part(f"transit{number}.linear")(part(f"transit{number}.nonlinear")(x))
        x = part("out_nonlinear")(x)
        pooled = torch.cat([x.mean(2), x.std(2)], dim=1)[..., None]
        embedding: Tensor = part("dense.nonlinear.batchnorm")(part("dense.linear")(pooled))
        return embedding.transpose(1, 2).expand(-1, frames, -1).clone()


def compute_features(audio: Tensor) -> Tensor:
    """Compute features, [B, N] -> [B, 80, T].

    Raises:
        EncoderError: There is no torchaudio.
    """
    filled = nn.functional.pad(audio, (0, max(0, SHORTEST - audio.shape[1])))
    mel = compute_kaldi_fbank(filled, num_mel_bins=BANDS, sample_frequency=RATE)
    return mel - mel.mean(2, keepdim=True)


def _build_normalisation(channels: int) -> nn.Sequential:
    norm = nn.Sequential()
    norm.add_module("batchnorm", nn.BatchNorm1d(channels))
    norm.add_module("relu", nn.ReLU())
    return norm


def rename(name: str) -> str | None:
    """Return the name as it is: the authors' names are ours."""
    return name


def _build_spec(name: str, embedding: int, weights: Weights, licence: str, trained_on: tuple[str, ...]) -> EncoderSpec:
    make = functools.partial(Campplus, Config(embedding))
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        source=weights.source,
        revision=weights.revision,
        licence=licence,
        verified="random weights: tensor names and output of the authors' code; certificate",
        trained_on=trained_on,
        load_weights=functools.partial(load_file, make, rename),
        sampling_rate=Campplus.sampling_rate,
        output_dim=embedding,
        hop_in_ms=Campplus.hop_size_in_ms,
    )


COMMON = Weights(
    hub="funasr/campplus", revision="fb71fe990cbf6031ae6987a2d76fe64f94377b7e", file="campplus_cn_common.bin"
)
VOXCELEB = Weights(page="https://modelscope.cn/models/iic/speech_campplus_sv_en_voxceleb_16k")
campplus_common = _build_spec(
    "campplus-zh-common", 192, COMMON, "FunASR's model licence", ("200,000 Chinese speakers",)
)
campplus_voxceleb = _build_spec("campplus-voxceleb", 512, VOXCELEB, "Apache-2.0", ("voxceleb2",))
