"""x-vector, a speaker embedding (Snyder et al., "X-vectors: Robust DNN embeddings for speaker recognition", ICASSP
2018), with SpeechBrain's weights.

``speechbrain/spkrec-xvect-voxceleb`` (Apache-2.0), trained on the development parts of VoxCeleb 1 and 2. Features as
ECAPA-TDNN's there, of 24 bands (``encoders.ecapa``); five convolutions over time with leaky ReLU and batch
normalisation, mean and standard deviation over the clip, a linear layer. SpeechBrain adds noise of up to 9e-5 to the
mean; here there is none.

The model says one thing about a clip: 512 numbers. They stand in every frame of 10 ms, so their mean over any frames is
the published embedding, and tasks on frames learn nothing about when. Convolutions reflect the clip's end, so clips of
a batch must have one length.
"""

from __future__ import annotations

import functools
import re

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.ecapa import HOP, RATE, Features
from encoders.parts.weights import Weights, load, load_file

BANDS = 24
EMBEDDING = 512
LAYERS = ((512, 5, 1), (512, 3, 2), (512, 3, 3), (512, 1, 1), (1500, 1, 1))  # channels, kernel, dilation
EPS = 1e-5  # added to the deviation
WEIGHTS = Weights(
    hub="speechbrain/spkrec-xvect-voxceleb",
    revision="e2cc27f853f99bd5d539432f0cba3f124c059f71",
    file="embedding_model.ckpt",
)


class Xvector(nn.Module):
    """[B, N] of equal length at 16 kHz -> [B, T, 512], T = floor(N / 160) + 1, the same in every frame."""

    sampling_rate, hop_size_in_ms = RATE, 1000 * HOP / RATE

    def __init__(self, layers: tuple[tuple[int, int, int], ...] = LAYERS, embedding: int = EMBEDDING) -> None:
        super().__init__()
        self.output_dim = embedding
        self.features = Features(BANDS)
        parts: list[nn.Module] = []
        inputs = BANDS
        for outputs, kernel, dilation in layers:
            conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding="same", padding_mode="reflect")
            parts += [conv, nn.LeakyReLU(), nn.BatchNorm1d(outputs)]
            inputs = outputs
        self.blocks = nn.Sequential(*parts)
        self.embed = nn.Linear(2 * inputs, embedding)

    def forward(self, audio: Tensor) -> Tensor:
        x = self.blocks(self.features(audio).transpose(1, 2))
        embedding: Tensor = self.embed(torch.cat([x.mean(2), x.std(2) + EPS], dim=1))
        return embedding[:, None].expand(-1, audio.shape[1] // HOP + 1, -1).clone()


def rename(name: str) -> str | None:
    """Map the name of a tensor of ``embedding_model.ckpt`` to that in ``Xvector``."""
    name = re.sub(r"^(blocks\.\d+)\.(conv|norm)\.", r"\1.", name)
    return re.sub(r"^blocks\.\d+\.w\.", "embed.", name)


xvector = EncoderSpec(
    name="xvector",
    load=functools.partial(load, Xvector, rename, WEIGHTS),
    source=WEIGHTS.source,
    revision=WEIGHTS.revision,
    licence="Apache-2.0",
    verified="random weights: tensor names and output of speechbrain 1.1.2; certificate",
    trained_on=("voxceleb1", "voxceleb2"),
    load_weights=functools.partial(load_file, Xvector, rename),
    sampling_rate=Xvector.sampling_rate,
    output_dim=EMBEDDING,
    hop_in_ms=Xvector.hop_size_in_ms,
)
