"""SimAM-ResNet34, the speaker embedding of VoxBlink2 in WeSpeaker (Lin et al., "VoxBlink2: A 100K+ speaker recognition
corpus and the open-set speaker-identification benchmark", Interspeech 2024; Qin et al., "Simple attention module based
speaker verification with iterative noisy label detection", ICASSP 2022).

Features as WeSpeaker's ResNet34 (``encoders.wespeaker``); a two-dimensional ResNet of 64 to 512 channels, where each
branch is weighed point by point by how far it is from its channel's mean over the clip (SimAM, which has no weights);
attentive mean and standard deviation over time; a linear layer. Architecture after wespeaker/models/samresnet.py;
tensors keep its names but for attention and shortcuts. The files are a user's copies of WeSpeaker's
voxblink2_samresnet34.zip and ..._ft.zip.

The model says one thing about a clip: 256 numbers. They stand in every frame of 10 ms, so their mean over any frames is
the embedding, and tasks on frames learn nothing about when. The network sees zeros beyond a clip's end, so clips of a
batch must have one length.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.weights import Weights, load, load_file
from encoders.wespeaker import BANDS, EMBEDDING, HOP, RATE, WINDOW, Block, compute_features

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels, blocks; each but the first halves both axes
ATTENTION = 128
LAMBDA = 1e-4
COPY = Weights(
    hub="gaunernst/wespeaker-voxblink2-samresnet34",
    revision="bebca658aae1f059569332de0e21537caba58d29",
    file="avg_model.pt",
    sha256="bcd9af2af0909c0e2ba664697de82ee04df5cfbd0e7a26cc1a3b11c3726a08f9",
)
TUNED = Weights(page="gaunernst/wespeaker-voxblink2-samresnet34-ft on the Hugging Face hub")  # no commit is known


class SimamBlock(Block):
    """ResNet34's, with SimAM: [B, C, F, T] -> [B, C', F / stride, T / stride]."""

    def compute_branch(self, x: Tensor) -> Tensor:
        return apply_simam(super().compute_branch(x))


def apply_simam(x: Tensor) -> Tensor:
    """Apply SimAM: points of [B, C, F, T] that are far from their channel's mean count more."""
    distance = (x - x.mean(dim=(2, 3), keepdim=True)).square()
    variance = distance.sum(dim=(2, 3), keepdim=True) / (x.shape[2] * x.shape[3] - 1)
    return x * torch.sigmoid(distance / (4 * (variance + LAMBDA)) + 0.5)


class SimamResNet(nn.Module):
    """[B, N] of equal length at 16 kHz -> [B, T, 256], T = floor((N - 400) / 160) + 1, the same in every frame."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, EMBEDDING, 1000 * HOP / RATE

    def __init__(self, stages: tuple[tuple[int, int], ...] = STAGES) -> None:
        super().__init__()
        first, last = stages[0][0], stages[-1][0] * BANDS // 8
        layers = OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(1, first, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(first), relu=nn.ReLU()
        )
        for number, ((inputs, _), (outputs, blocks)) in enumerate(pairwise(((first, 0), *stages)), 1):
            head = SimamBlock(inputs, outputs, 1 if number == 1 else 2)
            layers[f"layer{number}"] = nn.Sequential(head, *(SimamBlock(outputs, outputs, 1) for _ in range(1, blocks)))
        self.front = nn.Sequential(layers)
        self.attention = nn.Sequential(
            nn.Conv1d(last, ATTENTION, 1), nn.ReLU(), nn.BatchNorm1d(ATTENTION), nn.Conv1d(ATTENTION, last, 1),
            nn.Softmax(dim=2),
        )  # fmt: skip
        self.bottleneck = nn.Linear(2 * last, EMBEDDING)

    def forward(self, audio: Tensor) -> Tensor:
        frames = max(1, (audio.shape[1] - WINDOW) // HOP + 1)
        x = self.front(compute_features(audio).transpose(1, 2)[:, None]).flatten(1, 2)
        weight = self.attention(x)
        mean = (weight * x).sum(2, keepdim=True)
        variance = (weight * (x - mean).square()).sum(2)  # the authors' E x^2 - (E x)^2, without its rounding
        embedding: Tensor = self.bottleneck(torch.cat([mean[..., 0], variance.clamp(min=1e-5).sqrt()], dim=1))
        return embedding[:, None].expand(-1, frames, -1).clone()


def rename(name: str) -> str | None:
    """Map the name of a tensor of ``avg_model.pt`` to that in ``SimamResNet``; None for the classifier."""
    if name.startswith("projection."):
        return None
    return name.replace("pooling.attention.", "attention.").replace(".downsample.", ".shortcut.")


def _build_spec(name: str, weights: Weights, trained_on: tuple[str, ...]) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        load=functools.partial(load, SimamResNet, rename, weights),
        source=weights.source,
        revision=weights.revision,
        licence="CC-BY-NC-SA-4.0",  # the data set's, which WeSpeaker's models follow
        verified="random weights: tensor names and output of the authors' code; certificate",
        trained_on=trained_on,
        load_weights=functools.partial(load_file, SimamResNet, rename),
        sampling_rate=SimamResNet.sampling_rate,
        output_dim=SimamResNet.output_dim,
        hop_in_ms=SimamResNet.hop_size_in_ms,
    )


simam = _build_spec("wespeaker-simam-resnet34", COPY, ("voxblink2",))
simam_tuned = _build_spec("wespeaker-simam-resnet34-ft", TUNED, ("voxblink2", "voxceleb2"))
