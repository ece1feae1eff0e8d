"""BEATs: masked prediction of acoustic tokens, third iteration and its finely tuned taggers (Chen et al., "BEATs: Audio
Pre-Training with Acoustic Tokenizers", ICML 2023; github.com/microsoft/unilm/tree/master/beats).

16 kHz, times 2^15; Kaldi's 128 log mel energies of 25 ms every 10 ms, minus 15.41663, over 2 * 6.55582; patches of 16
frames by 16 bands, eight to a column, in the order of time, then band; layer normalisation, 512 to 768 dimensions.
Along that sequence of patches go a convolution of 128 (16 columns), which stands for positions, and a relative position
bias, gated in each layer, of the first layer's table; 12 layers, normalised after each branch (DeepNorm). The
configuration is that stored in BEATs_iter3_plus_AS2M.pt.

A column's vector is the mean of its eight patches, so T = max(1, floor((n - 2800) / 2560) + 1) every 160 ms, and their
mean is that of all patches, which is what the authors classify. The model has no longest clip; so that attention stays
affordable, clips longer than 30.72 s are encoded in pieces of 192 columns that do not hear each other. Clips too short
for a patch have zeros after them. Padded batches: patches after a clip are zero, as at the end of a clip, and masked.
The classifier of the tuned models is left out.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import apply_to_each, compute_kaldi_fbank
from encoders.parts.weights import Weights, load, load_file

BANDS = 128
PATCH = 16
ROWS = BANDS // PATCH
MEAN = 15.41663
STD = 6.55582
SHORTEST = 400 + 15 * 160  # samples that fill a patch
BUCKETS = 320
FARTHEST = 800


@dataclass(frozen=True, slots=True)
class Config:
    dim: int = 768
    depth: int = 12
    heads: int = 12
    embedding: int = 512
    hidden: int = 3072
    kernel: int = 128
    groups: int = 16
    columns: int = 192  # of a piece


class PositionalConvolution(nn.Module):
    """[B, L, D] -> [B, L, D], weights normalised over all but the position in the kernel."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(1, 1, kernel))
        self.weight_v = nn.Parameter(torch.ones(dim, dim // groups, kernel))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.kernel, self.groups = kernel, groups

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        y = nn.functional.conv1d(x.transpose(1, 2), weight, self.bias, padding=self.kernel // 2, groups=self.groups)
        return nn.functional.gelu(y[:, :, : x.shape[1]]).transpose(1, 2)  # an even kernel gives one too many


class Attention(nn.Module):
    """Scores q k / sqrt(d) + gate(q) * position; the gate is WavLM's (Chen et al. 2022, section 3.1)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: Tensor, position: Tensor, keep: Tensor | None) -> Tensor:
        """Attend over [B, L, D]; ``position`` [heads, L, L], ``keep`` [B, L]."""
        q, k, v = (p(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        a, b = self.grep_linear(q).unflatten(3, (2, 4)).sum(-1).sigmoid().chunk(2, dim=-1)  # [B, heads, L, 1]
        bias = (a * (b * self.grep_a - 1) + 2) * position
        if keep is not None:
            bias = bias.masked_fill(~keep[:, None, None], -math.inf)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self_attn = Attention(config.dim, config.heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.dim)
        self.fc1 = nn.Linear(config.dim, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.dim)
        self.final_layer_norm = nn.LayerNorm(config.dim)
        self.alpha = (2 * config.depth) ** 0.25

    def forward(self, x: Tensor, position: Tensor, keep: Tensor | None) -> Tensor:
        x = self.self_attn_layer_norm(x * self.alpha + self.self_attn(x, position, keep))
        y = self.fc2(nn.functional.gelu(self.fc1(x)))
        return self.final_layer_norm(x * self.alpha + y)  # type: ignore[no-any-return]


class Beats(nn.Module):
    """[B, N] -> [B, T, D]."""

    sampling_rate, hop_size_in_ms = 16_000, 160.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.output_dim, self.columns = config.dim, config.columns
        self.patch_embedding = nn.Conv2d(1, config.embedding, PATCH, PATCH, bias=False)
        self.layer_norm = nn.LayerNorm(config.embedding)
        self.post_extract_proj = nn.Linear(config.embedding, config.dim)
        self.pos_conv = PositionalConvolution(config.dim, config.kernel, config.groups)
        self.encoder_layer_norm = nn.LayerNorm(config.dim)
        self.relative_attention_bias = nn.Embedding(BUCKETS, config.heads)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first layer, then each layer's output; the last is what ``forward`` returns."""
        return self._run_layers(audio, lengths, every=True)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 128, floor((N - 400) / 160) + 1], normalised."""
        energies = compute_kaldi_fbank(
            audio * 2**15, num_mel_bins=BANDS, sample_frequency=self.sampling_rate, frame_length=25, frame_shift=10
        )
        return (energies - MEAN) / (2 * STD)

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, frames = apply_to_each(self.compute_spectrum, audio, lengths, SHORTEST)
        patches = self.patch_embedding(spectrum.transpose(1, 2)[:, None])  # [B, embedding, T, rows]
        patches = self.post_extract_proj(self.layer_norm(patches.flatten(2).transpose(1, 2)))
        counts = None if frames is None else frames // PATCH * ROWS
        done: list[list[Tensor]] = []
        for start in range(0, patches.shape[1], self.columns * ROWS):
            piece = patches[:, start : start + self.columns * ROWS]
            keep = None
            if counts is not None:
                keep = torch.arange(start, start + piece.shape[1], device=piece.device) < counts[:, None]
                piece = piece * keep[..., None]  # what the convolution meets after a clip
                keep[:, 0] = True  # a clip that ended before this piece: something must be looked at
            done.append(self._run_piece(piece, keep, every=every))
        joined = [torch.cat(parts, dim=1) for parts in zip(*done, strict=True)]
        return [x.reshape(len(x), -1, ROWS, x.shape[2]).mean(dim=2) for x in joined]

    def _run_piece(self, x: Tensor, keep: Tensor | None, *, every: bool) -> list[Tensor]:
        x = self.encoder_layer_norm(x + self.pos_conv(x))
        offsets = torch.arange(x.shape[1], device=x.device)
        position = self.relative_attention_bias(compute_buckets(offsets - offsets[:, None])).permute(2, 0, 1)
        outputs = [x]
        for layer in self.layers:
            x = layer(x, position, keep)
            if every:
                outputs.append(x)
        return outputs if every else [x]


def compute_buckets(offset: Tensor) -> Tensor:
    """Return the row of the table for a key ``offset`` patches after the query (T5's buckets, both ways)."""
    half = BUCKETS // 2
    exact = half // 2
    distance = offset.abs()
    coarse = (distance.clamp(min=1).float() / exact).log() / math.log(FARTHEST / exact) * (half - exact)
    far = (exact + coarse.long()).clamp(max=half - 1)
    return (offset > 0).long() * half + torch.where(distance < exact, distance, far)


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours; of the table of positions, listed in every layer, one is kept."""
    name = name.removeprefix("model.")
    if name.startswith("predictor."):
        return None
    if name.endswith("relative_attention_bias.weight"):
        return "relative_attention_bias.weight" if ".layers.0." in name else None
    for theirs, ours in (
        ("encoder.pos_conv.0.", "pos_conv."), ("encoder.layer_norm.", "encoder_layer_norm."),
        ("encoder.layers.", "layers."),
    ):  # fmt: skip
        name = name.replace(theirs, ours)
    return name


def _build_spec(name: str, file: str) -> EncoderSpec:
    make = functools.partial(Beats, Config())
    weights = Weights(page="https://github.com/microsoft/unilm/tree/master/beats#pre-trained-and-fine-tuned-models")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=f"https://github.com/microsoft/unilm/tree/master/beats, {file}",
        licence="MIT",
        verified="random weights: tensor names and output of the authors' code as kept in speechbrain 1.1.2; "
        "certificate",
        trained_on=("AudioSet",),
        sampling_rate=Beats.sampling_rate,
        output_dim=Config().dim,
        hop_in_ms=Beats.hop_size_in_ms,
    )


beats_iter3_plus = _build_spec("beats_iter3+", "BEATs_iter3_plus_AS2M.pt")
beats_tuned_1 = _build_spec("beats_iter3+_tuned1", "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt1.pt")
beats_tuned_2 = _build_spec("beats_iter3+_tuned2", "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt")
