"""ResNet34, the speaker embedding of WeSpeaker (Wang et al. 2022, arXiv 2210.17016; He et al. 2015).

``Wespeaker/wespeaker-voxceleb-resnet34-LM`` (CC-BY-4.0), trained on the development part of VoxCeleb 2 with a large
margin at last. As there: 80 log mel bands of Kaldi (Hamming window of 25 ms every 10 ms, 16-bit scale, no dither), the
clip's mean subtracted, a two-dimensional ResNet of 32 to 256 channels, mean and standard deviation over time, one
linear layer. Architecture after wespeaker/models/resnet.py; tensors keep its names.

The model says one thing about a clip: 256 numbers. They stand in every frame of 10 ms, so their mean over any frames is
the embedding, and tasks on frames learn nothing about when. The network sees zeros beyond a clip's end, so clips of a
batch must have one length.
"""

from __future__ import annotations

import functools
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import compute_kaldi_fbank
from encoders.parts.weights import Weights, load, load_file

RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
EMBEDDING = 256
STAGES = ((32, 3), (64, 4), (128, 6), (256, 3))  # channels, blocks; each but the first halves both axes
SHORTEST = WINDOW + 8 * HOP  # samples that leave two columns after three halvings, as a deviation needs
WEIGHTS = Weights(
    hub="Wespeaker/wespeaker-voxceleb-resnet34-LM",
    revision="f0c48c298fd835726c27956a5d617bad7115627e",
    file="avg_model.pt",
)


class Block(nn.Module):
    """Two convolutions beside a shortcut: [B, C, F, T] -> [B, C', F / stride, T / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut.extend([nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.compute_branch(x) + self.shortcut(x))

    def compute_branch(self, x: Tensor) -> Tensor:
        """Compute what is added to the shortcut."""
        y: Tensor = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return y


class ResNet34(nn.Module):
    """[B, N] of equal length at 16 kHz -> [B, T, 256], T = floor((N - 400) / 160) + 1, the same in every frame."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, EMBEDDING, 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        first = STAGES[0][0]
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        for number, ((inputs, _), (outputs, blocks)) in enumerate(pairwise(((first, 0), *STAGES)), 1):
            stage = [Block(inputs, outputs, 1 if number == 1 else 2)]
            self.add_module(
                f"layer{number}", nn.Sequential(*stage, *(Block(outputs, outputs, 1) for _ in range(1, blocks)))
            )
        self.seg_1 = nn.Linear(2 * STAGES[-1][0] * BANDS // 8, EMBEDDING)

    def forward(self, audio: Tensor) -> Tensor:
        frames = max(1, (audio.shape[1] - WINDOW) // HOP + 1)
        x = compute_features(audio).transpose(1, 2)[:, None]
        x = torch.relu(self.bn1(self.conv1(x)))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        deviation = (x.var(-1) + 1e-7).sqrt()
        embedding: Tensor = self.seg_1(torch.cat([x.mean(-1).flatten(1), deviation.flatten(1)], dim=1))
        return embedding[:, None].expand(-1, frames, -1).clone()


def compute_features(audio: Tensor) -> Tensor:
    """Compute WeSpeaker's features, [B, N] -> [B, T, 80]; a clip of fewer than 9 frames is filled with silence.

    Raises EncoderError where there is no torchaudio.
    """
    audio = nn.functional.pad(audio, (0, max(0, SHORTEST - audio.shape[1]))) * 2**15
    mel = compute_kaldi_fbank(audio, num_mel_bins=BANDS, window_type="hamming", sample_frequency=RATE).transpose(1, 2)
    return mel - mel.mean(1, keepdim=True)


def rename(name: str) -> str | None:
    """Map the name of a tensor of ``avg_model.pt`` to that in ``ResNet34``; None for the classifier."""
    return None if name.startswith("projection.") else name


resnet34 = EncoderSpec(
    name="wespeaker-resnet34",
    load=functools.partial(load, ResNet34, rename, WEIGHTS),
    source=WEIGHTS.source,
    revision=WEIGHTS.revision,
    licence="CC-BY-4.0",
    verified="random weights: equal to the class in pyannote.audio 4.0.7; certificate",
    trained_on=("voxceleb2",),
    load_weights=functools.partial(load_file, ResNet34, rename),
    sampling_rate=ResNet34.sampling_rate,
    output_dim=ResNet34.output_dim,
    hop_in_ms=ResNet34.hop_size_in_ms,
)
