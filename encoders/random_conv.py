"""An untrained convolutional encoder on the waveform: what architecture alone gives.

Five strided convolutions (hop 20 ms), each followed by layer normalisation over the channels of a frame and GELU, in
the manner of the feature encoder of wav2vec 2.0 (Baevski et al. 2020) but smaller. Weights are drawn once from a seed.
There is no padding inside and normalisation is per frame, so a frame depends on its own 325 samples and nothing else.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec

SEED = 20_260
RATE = 16_000
LAYERS = ((1, 64, 10, 5), (64, 128, 4, 4), (128, 128, 4, 4), (128, 256, 2, 2), (256, 256, 2, 2))
"""(channels in, channels out, kernel, stride)"""
HOP = math.prod(stride for *_, stride in LAYERS)  # 320 samples
FIELD = 325  # samples that one frame sees


class RandomConv(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 256], T = floor((N - 325) / 320) + 1; a shorter clip is padded to one frame."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, LAYERS[-1][1], 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED)  # its own: the global one stays as it is
        self.weights = nn.ParameterList()
        for inputs, outputs, kernel, _ in LAYERS:
            # uniform, since uniform numbers are the same bits on every machine; He's variance, 2 / fan-in
            weight = torch.rand(kernel * inputs, outputs, generator=generator) * 2 - 1
            self.weights.append(nn.Parameter(weight * math.sqrt(6 / (inputs * kernel)), requires_grad=False))

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        del lengths  # frames within a clip do not see what follows it
        hidden = nn.functional.pad(audio, (0, max(0, FIELD - audio.shape[1])))[..., None]  # [B, T, C] throughout
        for weight, (inputs, _, kernel, stride) in zip(self.weights, LAYERS, strict=True):
            if kernel == stride:  # windows that do not overlap are a view, and the convolution one matrix product
                count = hidden.shape[1] // stride
                windows = hidden[:, : count * stride].reshape(len(hidden), count, kernel * inputs)
            else:
                windows = hidden.unfold(1, kernel, stride).transpose(2, 3).flatten(2)
            hidden = windows @ weight
            hidden = nn.functional.gelu(nn.functional.layer_norm(hidden, hidden.shape[-1:]))
        return hidden


def load(device: str) -> RandomConv:
    return RandomConv().eval().to(device)


random_conv = EncoderSpec(
    name="random_conv",
    load=load,
    source="untrained convolutions, seeded",
    revision="1",
    licence="Apache-2.0",
    verified="certificate",
    default=True,
    sampling_rate=RandomConv.sampling_rate,
    output_dim=RandomConv.output_dim,
    hop_in_ms=RandomConv.hop_size_in_ms,
)
