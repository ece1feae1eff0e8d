"""Dasheng: masked autoencoders of general audio (Dinkel et al., "Scaling up masked audio encoder learning for general
audio classification", Interspeech 2024; github.com/XiaoMi/dasheng, package ``dasheng`` 0.0.9).

16 kHz; 64 mel bands (HTK, 0 to 8 kHz) of 32 ms every 10 ms, in dB, cut off 120 dB below the loudest point; batch
normalisation of each band with trained statistics; patches of all 64 bands by 4 frames, so one vector every 40 ms: T =
floor((floor(n / 160) + 1) / 4). Positions are learned for 252 patches (10.08 s). As in the authors' code, longer clips
are encoded in consecutive pieces of 252 patches whose vectors are joined. Clips too short for a patch have zeros after
them.

The cut-off is each clip's own here; ``AmplitudeToDB`` of the authors' code takes the loudest point of the batch. Padded
batches: each clip's spectrum is of its own samples and attention is masked.

Why not the package: it downloads without a digest, and ``torchaudio`` is imported with it. What it computes is what
this computes: tests/facts/encoders/dasheng.json has its output.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import Mel, apply_to_each, convert_to_decibels
from encoders.parts.vit import EPS, Block, encode_patches
from encoders.parts.weights import Weights, load, load_file

BANDS = 64
SPAN_IN_DB = 120


@dataclass(frozen=True, slots=True)
class Config:
    dim: int
    depth: int
    heads: int
    patch: tuple[int, int] = (64, 4)  # bands, frames
    columns: int = 252  # patches in time that there are positions for

    @property
    def hop_in_ms(self) -> float:
        return 10.0 * self.patch[1]


BASE = Config(dim=768, depth=12, heads=12)
B06 = Config(dim=1280, depth=32, heads=16)
B12 = Config(dim=1536, depth=40, heads=24)


class MelTransformer(nn.Module):
    """[B, N] -> [B, T, D]: a column of patches becomes one vector, the mean of its rows (Dasheng has one row)."""

    sampling_rate = 16_000

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, (height, width) = config.dim, config.patch
        self.output_dim, self.hop_size_in_ms = dim, config.hop_in_ms
        self.mel = Mel(fft=512, window=512, hop=160, bands=BANDS, low=0, high=8000)
        self.shortest = max(self.mel.shortest, 160 * (width - 1))  # samples that fill a patch
        self.init_bn = nn.BatchNorm1d(BANDS)
        self.patch_embed = nn.Conv2d(1, dim, config.patch, config.patch)
        self.time_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, config.columns))
        self.freq_pos_embed = nn.Parameter(torch.zeros(1, dim, BANDS // height, 1))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, EPS)
        self.width = width

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output; the last is what ``forward`` returns."""
        return self._run_layers(audio, lengths, every=True)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> dB [B, 64, 1 + floor(N / 160)]."""
        return convert_to_decibels(self.mel(audio), SPAN_IN_DB)

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, frames = apply_to_each(self.compute_spectrum, audio, lengths, self.shortest)
        patches = self.patch_embed(self.init_bn(spectrum)[:, None]).permute(0, 2, 3, 1)  # [B, rows, columns, D]
        counts = None if frames is None else frames // self.width
        position = (self.time_pos_embed + self.freq_pos_embed).permute(0, 2, 3, 1)
        layers = encode_patches(self.blocks, self.norm, patches, position, counts=counts, every=every)
        return [layer.mean(dim=1) for layer in layers]


def rename(name: str) -> str | None:
    """Map names of the authors' files (``model.``) and of their hub repositories (``encoder.``) to ours."""
    name = name.removeprefix("model.").removeprefix("encoder.")
    if name.startswith(("front_end.", "outputlayer.")):  # computed here; the classifier of CED
        return None
    return name.replace("init_bn.1.", "init_bn.").replace("patch_embed.proj.", "patch_embed.")


def _build_spec(name: str, config: Config, file: str) -> EncoderSpec:
    make = functools.partial(MelTransformer, config)
    weights = Weights(page=f"https://zenodo.org/records/11511780/files/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="Apache-2.0",
        verified="random weights: tensor names and output of dasheng 0.0.9, beyond 10 s too; certificate",
        trained_on=("AudioSet", "VGGSound", "MTG-Jamendo", "ACAV100M"),
        sampling_rate=MelTransformer.sampling_rate,
        output_dim=config.dim,
        hop_in_ms=config.hop_in_ms,
    )


dasheng_base = _build_spec("dasheng_base", BASE, "dasheng_base.pt")
dasheng_06b = _build_spec("dasheng_0.6b", B06, "dasheng_06b.pt")
dasheng_12b = _build_spec("dasheng_1.2b", B12, "dasheng_12b.pt")
