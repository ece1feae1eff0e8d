"""EAT and SSLAM: masked prediction of a teacher's patches and of its clip (Chen et al., "EAT: Self-supervised
pre-training with efficient audio transformer", IJCAI 2024; github.com/cwx-worst-one/EAT; Alex et al., "SSLAM: Enhancing
self-supervised models with audio mixtures for polyphonic soundscapes", ICLR 2025; github.com/ta012/SSLAM).

One architecture, two trainings. AudioMAE's spectrum (16 kHz, the clip's mean taken off, Kaldi's 128 log mel energies),
minus -4.268, over 2 * 4.569; patches of 16 frames by 16 bands, eight to a column; positions of sines and cosines that
are computed, not trained; a class token without position; normalisation; 12 blocks, normalised after each branch as in
data2vec 2.0, so nothing is normalised at the end.

The authors take the class token for clips and the patches for frames: every vector is the token followed by the mean of
the column's eight patches, 2 D, so that the mean over time holds both. T = max(1, floor((n - 400) / 2560) + 1), one
every 160 ms. The authors fill or cut the spectrum to a length chosen for each data set (1024 frames, 10.24 s, in
pretraining; 128 for clips of a second); here a clip is as long as it is, zeros fill its last column, and clips longer
than 64 columns are encoded in pieces of 64, each with a class token of its own. Padded batches: attention is masked.

``trust_remote_code`` would be needed to load the published repositories by transformers; their tensors are enough. The
digests are as recorded by users of these files, not computed here: a file that differs is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderError, EncoderSpec
from encoders.audiomae import PATCH, ROWS, SHORTEST, compute_energies
from encoders.parts.spectra import apply_to_each
from encoders.parts.vit import EPS, Attention, Mlp, encode_patches
from encoders.parts.weights import Weights, fetch, fill_encoder, read_tensors

MEAN = -4.268
DEVIATION = 4.569
TOLERANCE = 1e-4  # of a position
TRAINING_ONLY = ("_ema.", "decoder.", "last_optimizer_state.")


@dataclass(frozen=True, slots=True)
class Config:
    dim: int = 768
    depth: int = 12
    heads: int = 12
    columns: int = 64  # of a piece


class Block(nn.Module):
    """norm1(x + attention x), then norm2 of that plus its mlp."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(dim, heads, bias=True)
        self.norm1, self.norm2 = nn.LayerNorm(dim, EPS), nn.LayerNorm(dim, EPS)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        x = self.norm1(x + self.attn(x, keep))
        y: Tensor = self.norm2(x + self.mlp(x))
        return y


class Eat(nn.Module):
    """[B, N] -> [B, T, 2 D]."""

    sampling_rate, hop_size_in_ms = 16_000, 160.0
    positions: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, self.columns = config.dim, config.columns
        self.output_dim = 2 * dim
        self.patch_embed = nn.Conv2d(1, dim, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.register_buffer("positions", compute_positions(dim, config.columns), persistent=False)
        self.pre_norm = nn.LayerNorm(dim, EPS)
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output; the last is what ``forward`` returns."""
        return self._run_layers(audio, lengths, every=True)

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, frames = apply_to_each(compute_energies, audio, lengths, SHORTEST)
        filled = nn.functional.pad(spectrum, (0, -spectrum.shape[2] % PATCH))
        image = ((filled - MEAN) / (2 * DEVIATION)).transpose(1, 2)[:, None]
        patches = self.patch_embed(image).permute(0, 3, 2, 1)  # [B, rows, columns, D]
        counts = None if frames is None else -(-frames // PATCH)
        positions = self.positions.reshape(1, self.columns, ROWS, -1).transpose(1, 2)
        column = torch.arange(patches.shape[2], device=patches.device) % self.columns
        # each patch by itself, so it may come before ``encode_patches``
        entering = self.pre_norm(patches + positions[:, :, column])
        layers = encode_patches(
            self.blocks, nn.Identity(), entering, torch.zeros_like(positions), counts=counts,
            first=self.pre_norm(self.cls_token), join_first=True, every=every,
        )  # fmt: skip
        return [layer.mean(dim=1) for layer in layers]


def compute_positions(dim: int, columns: int) -> Tensor:
    """Compute [1, 8 * columns, D] in the order of time, then band: D / 2 numbers for the band, D / 2 for the time.

    Of D / 2, the first half are sines and the second cosines of n / 10000^(4 i / D), as in AudioMAE.
    """
    frequency = 10_000.0 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    time, band = torch.meshgrid(torch.arange(columns), torch.arange(ROWS), indexing="ij")
    parts = []
    for place in (band.flatten(), time.flatten()):
        angle = place[:, None] * frequency
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1)[None].float()


def rename(name: str) -> str | None:
    """Map names of the hub's files (``model.``) and the authors' (``model.modality_encoders.IMAGE.``) to ours."""
    name = name.removeprefix("model.").removeprefix("modality_encoders.IMAGE.")
    if name.startswith(TRAINING_ONLY) or name == "fixed_positional_encoder.positions":  # compared by ``load_file``
        return None
    for theirs, ours in (
        ("local_encoder.proj.", "patch_embed."), ("context_encoder.norm.", "pre_norm."), ("extra_tokens", "cls_token"),
    ):  # fmt: skip
        name = name.replace(theirs, ours)
    return name


def check_positions(tensors: Mapping[str, Tensor], dim: int, where: object) -> None:
    """Raise EncoderError when a file was trained with other positions than those computed here."""
    for name, stored in tensors.items():
        if not name.endswith("fixed_positional_encoder.positions"):
            continue
        columns = stored.shape[1] // ROWS if stored.ndim == 3 else 0
        expected = compute_positions(dim, columns)
        off = float((stored - expected).abs().max()) if stored.shape == expected.shape else float("inf")
        if not off < TOLERANCE:
            raise EncoderError(
                name, got=f"{list(stored.shape)}, off by {off:.2g}", expected=list(expected.shape), where=where
            )


def load_file(config: Config, path: Path, device: str) -> Encoder:
    """Load the encoder with the weights of the authors' file.

    Raises:
        EncoderError: The file does not fit the model.
    """
    tensors = read_tensors(path)
    check_positions(tensors, config.dim, path)
    return fill_encoder(Eat(config), tensors, rename, path, device)


def load(config: Config, weights: Weights, device: str) -> Encoder:
    """Load the encoder with the weights from where they are published."""
    return load_file(config, fetch(weights), device)


def _build_spec(name: str, hub: str, digest: str, licence: str) -> EncoderSpec:
    weights = Weights(url=f"https://huggingface.co/{hub}/resolve/main/model.safetensors", sha256=digest)
    return EncoderSpec(
        name=name,
        load=functools.partial(load, Config(), weights),
        load_weights=functools.partial(load_file, Config()),
        source=f"https://huggingface.co/{hub}",
        revision=f"sha256:{digest}",
        licence=licence,
        verified="random weights: tensor names of the authors' code; certificate",
        trained_on=("AudioSet",),
        sampling_rate=Eat.sampling_rate,
        output_dim=2 * Config().dim,
        hop_in_ms=Eat.hop_size_in_ms,
    )


eat_base = _build_spec(
    "eat_base",
    "worstchan/EAT-base_epoch30_pretrain",
    "8623072d09aac4f3ad1168b4fed3a24e4f68fe1da25b9fe733375efb237e5f48",
    "MIT",
)
sslam = _build_spec(
    "sslam",
    "ta012/SSLAM_pretrain",
    "8ec670adb241c710422ddd894ff1bade142ef0b25cf1ee68577aa45f89432298",
    "MIT",  # LICENSE of the repository
)
