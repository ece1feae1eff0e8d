"""ECAPA-TDNN, a speaker embedding (Desplanques et al. 2020, arXiv 2005.07143), with SpeechBrain's weights.

``speechbrain/spkrec-ecapa-voxceleb`` (Apache-2.0), trained on the development parts of VoxCeleb 1 and 2. Features as
there: log-mel spectrum of 80 bands in dB, Hamming window of 25 ms every 10 ms, centred, zeros outside the clip, at most
80 dB below the clip's loudest value, mean of the clip subtracted; then three SE-Res2Net blocks, aggregation, attentive
mean and standard deviation over the clip, and a linear layer.

The model says one thing about a clip: 192 numbers. They stand in every frame of 10 ms, so their mean over any frames is
the published embedding, and tasks on frames learn nothing about when. Convolutions reflect the clip's end, so clips of
a batch must have one length.
"""

from __future__ import annotations

import functools
import math
import re

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.weights import Weights, load, load_file

RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
RANGE_IN_DB = 80.0
CHANNELS = 1024
GROUPS = 8
SQUEEZED = 128
AGGREGATED = 3072
ATTENTION = 128
EMBEDDING = 192
MIN_FRAMES = 5  # the widest convolution reflects 4
WEIGHTS = Weights(
    hub="speechbrain/spkrec-ecapa-voxceleb",
    revision="0f99f2d0ebe89ac095bcc5903c4dd8f72b367286",
    file="embedding_model.ckpt",
    sha256="0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2",
)


class Tdnn(nn.Sequential):
    """Convolution, ReLU, batch normalisation: [B, C, T] -> [B, C', T]; ends are reflected."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding="same", padding_mode="reflect")
        super().__init__(conv, nn.ReLU(), nn.BatchNorm1d(outputs))


class Block(nn.Module):
    """SE-Res2Net: groups of channels see each other in turn, then channels are weighed by their mean over the clip."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.before, self.after = Tdnn(CHANNELS, CHANNELS), Tdnn(CHANNELS, CHANNELS)
        width = CHANNELS // GROUPS
        self.groups = nn.ModuleList(Tdnn(width, width, 3, dilation) for _ in range(GROUPS - 1))
        self.squeeze, self.excite = nn.Conv1d(CHANNELS, SQUEEZED, 1), nn.Conv1d(SQUEEZED, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = self.before(x).chunk(GROUPS, dim=1)
        parts, last = [first], torch.zeros_like(first)
        for group, part in zip(self.groups, rest, strict=True):
            last = group(part + last)
            parts.append(last)
        y = self.after(torch.cat(parts, dim=1))
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean(2, keepdim=True)))))
        result: Tensor = x + scale * y
        return result


class Features(nn.Module):
    """[B, N] -> [B, T, bands] in dB, each clip's mean removed; fewer than 5 frames are filled with silence.

    SpeechBrain's for speakers, T = floor(N / 160) + 1.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hamming_window(WINDOW), persistent=False)
        self.register_buffer("filters", compute_mel_filters(bands), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            audio = nn.functional.pad(audio.float(), (0, max(0, (MIN_FRAMES - 1) * HOP - audio.shape[1])))
            spectrum = torch.stft(
                audio, WINDOW, HOP, window=self.window, center=True, pad_mode="constant", return_complex=True
            )
            mel = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2) @ self.filters
            db = 10 * mel.clamp(min=1e-10).log10()
            db = torch.maximum(db, db.amax(dim=(1, 2), keepdim=True) - RANGE_IN_DB)
            return db - db.mean(1, keepdim=True)


class Ecapa(nn.Module):
    """[B, N] of equal length at 16 kHz -> [B, T, 192], T = floor(N / 160) + 1, the same in every frame."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, EMBEDDING, 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        self.features = Features(BANDS)
        self.stem = Tdnn(BANDS, CHANNELS, 5)
        self.blocks = nn.ModuleList(Block(dilation) for dilation in (2, 3, 4))
        self.aggregate = Tdnn(3 * CHANNELS, AGGREGATED)
        self.attention = nn.Sequential(
            Tdnn(3 * AGGREGATED, ATTENTION), nn.Tanh(), nn.Conv1d(ATTENTION, AGGREGATED, 1), nn.Softmax(dim=2)
        )
        self.norm = nn.BatchNorm1d(2 * AGGREGATED)
        self.embed = nn.Conv1d(2 * AGGREGATED, EMBEDDING, 1)

    def forward(self, audio: Tensor) -> Tensor:
        frames = audio.shape[1] // HOP + 1
        hidden = [self.stem(self.features(audio).transpose(1, 2))]
        for block in self.blocks:
            hidden.append(block(hidden[-1]))
        x = self.aggregate(torch.cat(hidden[1:], dim=1))
        context = [s[..., None].expand_as(x) for s in compute_statistics(x, x.new_full((1, 1, 1), 1 / x.shape[2]))]
        weight = self.attention(torch.cat([x, *context], dim=1))
        pooled = torch.cat(compute_statistics(x, weight), dim=1)[..., None]
        embedding: Tensor = self.embed(self.norm(pooled))
        return embedding.transpose(1, 2).expand(-1, frames, -1).clone()


def compute_statistics(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the weighted mean and standard deviation of [B, C, T] over T."""
    mean = (weight * x).sum(2)
    variance = (weight * (x - mean[..., None]).square()).sum(2)
    return mean, variance.clamp(min=1e-12).sqrt()


def compute_mel_filters(bands: int) -> Tensor:
    """Compute [201, bands]: triangles on the HTK mel scale, both sides as wide as the left one should be."""
    mel = torch.linspace(0, 2595 * math.log10(1 + RATE / 2 / 700), bands + 2)
    hz = 700 * (10 ** (mel / 2595) - 1)
    distance = (torch.linspace(0, RATE // 2, WINDOW // 2 + 1)[:, None] - hz[1:-1]) / hz.diff()[:-1]
    return (1 - distance.abs()).clamp(min=0)


RULES = (  # SpeechBrain's names, outermost first
    (r"^blocks\.0\.", "stem."),
    (r"^blocks\.([123])\.", lambda m: f"blocks.{int(m[1]) - 1}."),
    (r"\.tdnn1\.", ".before."),
    (r"\.tdnn2\.", ".after."),
    (r"\.res2net_block\.blocks\.", ".groups."),
    (r"\.se_block\.conv1\.conv\.", ".squeeze."),
    (r"\.se_block\.conv2\.conv\.", ".excite."),
    (r"^mfa\.", "aggregate."),
    (r"^asp\.tdnn\.", "attention.0."),
    (r"^asp\.conv\.conv\.", "attention.2."),
    (r"^asp_bn\.norm\.", "norm."),
    (r"^fc\.conv\.", "embed."),
    (r"\.conv\.conv\.", ".0."),
    (r"\.norm\.norm\.", ".2."),
)


def rename(name: str) -> str:
    """Map the name of a tensor of ``embedding_model.ckpt`` to that in ``Ecapa``."""
    for pattern, own in RULES:
        name = re.sub(pattern, own, name)
    return name


ecapa = EncoderSpec(
    name="ecapa",
    load=functools.partial(load, Ecapa, rename, WEIGHTS),
    source=WEIGHTS.source,
    revision=WEIGHTS.revision,
    licence="Apache-2.0",
    verified="real weights: cosine above .9999997 with speechbrain 1.1.2 on real speech; certificate",
    trained_on=("voxceleb1", "voxceleb2"),
    load_weights=functools.partial(load_file, Ecapa, rename),
    sampling_rate=Ecapa.sampling_rate,
    output_dim=Ecapa.output_dim,
    hop_in_ms=Ecapa.hop_size_in_ms,
)
