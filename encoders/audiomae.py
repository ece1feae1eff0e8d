"""AudioMAE: a masked autoencoder of spectrograms (Huang et al., "Masked autoencoders that listen", NeurIPS 2022;
github.com/facebookresearch/AudioMAE), the pretrained model.

16 kHz, the clip's mean taken off; Kaldi's 128 log mel energies (Hann window of 25 ms every 10 ms) with zeros after them
up to a multiple of 1024 frames, then minus -4.2677393, over 2 * 4.5689974 (AudioSet's); patches of 16 frames by 16
bands, eight to a column, class token, positions for 64 columns. As in the authors' code attention hears what fills up a
piece; the columns after the clip are cut: T = max(1, floor((n - 400) / 2560) + 1), one every 160 ms. Longer clips,
which the authors cut at 10.24 s, are encoded in pieces of 1024 frames that do not hear each other. Clips shorter than
400 samples have zeros after them.

A column's vector is the mean of its eight patches, normalised as at the end of the authors' ``forward_encoder``; the
mean over time is then that of all patches. What fills a piece does not depend on the batch, so padded batches need no
mask.

The tuned model normalises the mean of the patches instead of the patches and is not offered.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import apply_to_each, compute_kaldi_fbank
from encoders.parts.vit import EPS, Block, encode_patches
from encoders.parts.weights import Weights, load, load_file

BANDS = 128
PATCH = 16
ROWS = BANDS // PATCH
MEAN = -4.2677393
DEVIATION = 4.5689974
SHORTEST = 400  # samples
NOT_THE_ENCODER = ("decoder_", "mask_token", "optimizer.", "scaler.")


@dataclass(frozen=True, slots=True)
class Config:
    dim: int = 768
    depth: int = 12
    heads: int = 12
    columns: int = 64


class AudioMae(nn.Module):
    """[B, N] -> [B, T, D]."""

    sampling_rate, hop_size_in_ms = 16_000, 160.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = self.output_dim = config.dim
        self.columns = config.columns
        self.patch_embed = nn.Conv2d(1, dim, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + ROWS * config.columns, dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, EPS)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output; the last is what ``forward`` returns."""
        return self._run_layers(audio, lengths, every=True)

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, _ = apply_to_each(compute_energies, audio, lengths, SHORTEST)
        columns = -(-spectrum.shape[2] // PATCH)
        pieces = -(-columns // self.columns)
        filled = nn.functional.pad(spectrum, (0, pieces * self.columns * PATCH - spectrum.shape[2]))
        normalised = (filled - MEAN) / (2 * DEVIATION)
        patches = self.patch_embed(normalised.transpose(1, 2)[:, None]).permute(0, 3, 2, 1)  # [B, rows, columns, D]
        position = self.pos_embed[:, 1:].reshape(1, self.columns, ROWS, -1).transpose(1, 2)
        first = self.cls_token + self.pos_embed[:, :1]
        layers = encode_patches(self.blocks, self.norm, patches, position, first=first, every=every)
        return [layer[:, :, :columns].mean(dim=1) for layer in layers]


def compute_energies(audio: Tensor) -> Tensor:
    """Compute Kaldi's log mel energies without the mean, [B, N] -> [B, 128, floor((N - 400) / 160) + 1]."""
    return compute_kaldi_fbank(
        audio - audio.mean(dim=1, keepdim=True), htk_compat=True, sample_frequency=AudioMae.sampling_rate,
        use_energy=False, window_type="hanning", num_mel_bins=BANDS, dither=0.0, frame_shift=10,
    )  # fmt: skip


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours; None for the decoder and what else only training uses."""
    name = name.removeprefix("model.")
    return None if name.startswith(NOT_THE_ENCODER) else name.replace("patch_embed.proj.", "patch_embed.")


MAKE = functools.partial(AudioMae, Config())
FILE = "https://drive.google.com/file/d/1rRsmU8x7D-x4BvcPyroUJwU18eixNfKg"
audiomae = EncoderSpec(
    name="audiomae",
    load=functools.partial(load, MAKE, rename, Weights(page=FILE)),
    load_weights=functools.partial(load_file, MAKE, rename),
    source=f"https://github.com/facebookresearch/AudioMAE, {FILE}",
    licence="CC-BY-4.0",
    verified="random weights: tensor names of the authors' code, their steps rebuilt with torchaudio; certificate",
    trained_on=("AudioSet",),
    sampling_rate=AudioMae.sampling_rate,
    output_dim=Config().dim,
    hop_in_ms=AudioMae.hop_size_in_ms,
)
