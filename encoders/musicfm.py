"""MusicFM: a conformer that predicts quantised spectra of masked music (Won, Hung, Le, "A foundation model for music
informatics", ICASSP 2024; github.com/minzwon/musicfm, model/musicfm_25hz.py), trained on the Million Song Dataset.

24 kHz; 128 mel bands (HTK, 0 to 12 kHz) of 85 ms every 10 ms, in dB, without the last frame, minus 6.768, over 18.418
(the authors' numbers for that data set); two residual blocks of convolutions that halve time and bands, a linear layer;
12 layers of wav2vec 2.0's conformer with rotary positions, which turn what queries and keys are made of, before the
linear layers; normalisation. 1024 numbers every 40 ms, T = max(1, floor((n - 240) / 960) + 1).

The authors take layer 12 when no other is named, as ``forward`` here; 0 to 12 are in ``hidden_states``. The model was
trained on 30 s; longer clips are encoded in pieces of 30 s that do not hear each other in the conformer. Clips shorter
than 1025 samples have zeros after them. Padded batches: what lies behind a clip is set to zero before each convolution
and masked in attention.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import AMIN, Mel, apply_to_each
from encoders.parts.weights import Weights, load, load_file

RATE = 24_000
HOP = 240
BANDS = 128
MEAN = 6.768444971712967  # dB, of the Million Song Dataset (msd_stats.json)
DEVIATION = 18.417922652295623  # dB
KERNEL = 31
ROTARY_BASE = 10_000.0
NOT_THE_ENCODER = (
    "preprocessor_",
    "quantizer_",
    "linear.",
    "cls_token",
    "conformer.pos_conv_embed.",
    "conformer.embed_",
)
WEIGHTS = Weights(
    hub="minzwon/MusicFM",
    revision="4513b38bc25ad1d227b1980819b9691ba97f4d87",
    file="pretrained_msd.pt",
    sha256="218b483a0256ddef736267425fabb166fd97008983696bb9270def464b47bded",
)


@dataclass(frozen=True, slots=True)
class Config:
    dim: int = 1024
    depth: int = 12
    heads: int = 16
    hidden: int = 4096
    channels: int = 512  # of the convolutions before the conformer
    columns: int = 750  # of a piece


class HalvingConvolution(nn.Module):
    """[B, C, F, T] -> [B, C', F / 2, T / 2], rounded up; ``mask`` [B, 1, 1, T / 2]: columns that are the clip's."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.conv3 = (nn.Conv2d(inputs, outputs, 3, 2, padding=1) for _ in range(2))
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(outputs) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y if mask is None else y * mask))
        y = torch.relu(y + self.bn3(self.conv3(x)))
        return y if mask is None else y * mask


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.intermediate_dense, self.output_dense = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output_dense(nn.functional.silu(self.intermediate_dense(x)))
        return y


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        turned = rotate(x, self.heads)
        parts = (self.linear_q(turned), self.linear_k(turned), self.linear_v(x))
        q, k, v = (part.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for part in parts)
        mask = None if keep is None else keep[:, None, None]
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y: Tensor = self.linear_out(mixed.transpose(1, 2).flatten(2))
        return y


class TimeConvolution(nn.Module):
    """The conformer's convolution over time."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        y = nn.functional.glu(self.pointwise_conv1(self.layer_norm(x).transpose(1, 2)), dim=1)
        y = self.depthwise_conv(y if keep is None else y * keep[:, None])
        y = self.pointwise_conv2(nn.functional.silu(self.batch_norm(y)))
        along: Tensor = y.transpose(1, 2)
        return along


class Layer(nn.Module):
    """A conformer's: half a feed-forward, attention, convolution, half a feed-forward, normalisation."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.dim
        self.ffn1_layer_norm, self.self_attn_layer_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ffn2_layer_norm, self.final_layer_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ffn1, self.ffn2 = FeedForward(dim, config.hidden), FeedForward(dim, config.hidden)
        self.self_attn = Attention(dim, config.heads)
        self.conv_module = TimeConvolution(dim)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        x = x + self.ffn1(self.ffn1_layer_norm(x)) / 2
        x = x + self.self_attn(self.self_attn_layer_norm(x), keep)
        x = x + self.conv_module(x, keep)
        y: Tensor = self.final_layer_norm(x + self.ffn2(self.ffn2_layer_norm(x)) / 2)
        return y


class MusicFm(nn.Module):
    """[B, N] -> [B, T, D]."""

    sampling_rate, hop_size_in_ms = RATE, 40.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output_dim, self.columns = config.dim, config.columns
        self.mel = Mel(fft=2048, window=2048, hop=HOP, bands=BANDS, low=0, high=RATE / 2, rate=RATE)
        self.conv = nn.ModuleList(
            [HalvingConvolution(1, config.channels), HalvingConvolution(config.channels, config.channels)]
        )
        self.entering = nn.Linear(config.channels * BANDS // 4, config.dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))
        self.layer_norm = nn.LayerNorm(config.dim)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.hidden_states(audio, lengths)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first layer, then each layer's output; the last is what ``forward`` returns."""
        x, counts = apply_to_each(self.compute_spectrum, audio, lengths, self.mel.shortest)
        x = x[:, None]
        for halving in self.conv:
            counts = None if counts is None else -(-counts // 2)
            columns = torch.arange(-(-x.shape[3] // 2), device=x.device)
            x = halving(x, None if counts is None else (columns < counts[:, None])[:, None, None])
        x = self.entering(x.permute(0, 3, 1, 2).flatten(2))
        done = []
        for start in range(0, x.shape[1], self.columns):
            piece = x[:, start : start + self.columns]
            keep = None
            if counts is not None:
                keep = torch.arange(start, start + piece.shape[1], device=x.device) < counts[:, None]
                keep[:, 0] = True  # a clip that ended before this piece: something must be looked at
            states = [piece]
            for layer in self.layers:
                states.append(layer(states[-1], keep))
            done.append([*states[:-1], self.layer_norm(states[-1])])
        return [torch.cat(parts, dim=1) for parts in zip(*done, strict=True)]

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 128, floor(N / 240)], normalised."""
        level: Tensor = 10 * self.mel(audio)[..., :-1].clamp(min=AMIN).log10()
        return (level - MEAN) / DEVIATION


def rotate(x: Tensor, heads: int) -> Tensor:
    """Rotate [B, T, D]: of the d numbers of each head, the pair i, i + d / 2 by t / 10000^(2 i / d)."""
    half = x.shape[2] // heads // 2
    frequency = ROTARY_BASE ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = torch.arange(x.shape[1], device=x.device)[:, None, None] * frequency  # [T, 1, half]
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.reshape(*x.shape[:2], heads, 2, half).unbind(3)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=3).flatten(2)


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours; None for the quantiser and what their conformer does not use."""
    name = name.removeprefix("state_dict.").removeprefix("model.")
    if name.startswith(NOT_THE_ENCODER):
        return None
    for theirs, ours in (("conv.conv.", "conv."), ("conv.linear.", "entering."), ("conformer.", "")):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


MAKE = functools.partial(MusicFm, Config())
musicfm = EncoderSpec(
    name="musicfm-msd",
    load=functools.partial(load, MAKE, rename, WEIGHTS),
    load_weights=functools.partial(load_file, MAKE, rename),
    source=WEIGHTS.source,
    revision=WEIGHTS.revision,
    licence="MIT",
    verified="random weights: tensor names of the authors' code, blocks equal to transformers' conformer; certificate",
    trained_on=("million song dataset",),
    sampling_rate=MusicFm.sampling_rate,
    output_dim=Config().dim,
    hop_in_ms=MusicFm.hop_size_in_ms,
)
