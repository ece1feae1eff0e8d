"""M2D: Masked Modeling Duo (Niizumi et al., "Masked modeling duo: learning representations by encouraging both networks
to model the input", ICASSP 2023; github.com/nttcslab/m2d).

16 kHz; 80 mel bands (Slaney, 50 to 8000 Hz) of 25 ms every 10 ms; log(power + 2^-23), minus -7.1, over 4.2 (the
authors' numbers for the models of 2022; a file's own ``norm_stats`` where it has some); patches of 16 bands by 16
frames, five to a column; class token, positions for 38 columns (6.08 s). A column's five vectors are put one after the
other, as the authors do: 3840 numbers every 160 ms, T = max(1, ceil(floor(n / 160) / 16)).

As in the authors' portable runtime, longer clips are encoded in pieces of 38 columns, the last as long as it comes, and
a column that is not full has zeros after it (of the normalised spectrum); but where the last frame, which is centred on
the clip's end, would begin a column by itself, it is left out. Padded batches: each clip's spectrum is of its own
samples, attention is masked.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderSpec
from encoders.parts.spectra import SMALLEST, Mel, apply_to_each, standardise
from encoders.parts.vit import EPS, Block, encode_patches
from encoders.parts.weights import Weights, fetch, fill_encoder, read_tensors

BANDS = 80
PATCH = 16
ROWS = BANDS // PATCH
STATISTICS = (-7.1, 4.2)  # mean and deviation of the spectrum, of the models of 2022
NOT_THE_ENCODER = ("decoder_", "mask_token", "target_", "optimizer.", "scaler.")
PAGE = "https://github.com/nttcslab/m2d/releases"


@dataclass(frozen=True, slots=True)
class Config:
    dim: int = 768
    depth: int = 12
    heads: int = 12
    columns: int = 38  # that there are positions for
    token: bool = True  # class token
    standardised: bool = False  # by the clip's own mean and deviation
    full: bool = False  # pieces are always ``columns`` long, zeros after the clip

    @property
    def output_dim(self) -> int:
        return ROWS * self.dim


class Mae(nn.Module):
    """[B, N] -> [B, T, 5 D]."""

    sampling_rate, hop_size_in_ms = 16_000, 160.0
    norm_stats: Tensor | None

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, self.columns, self.full = config.dim, config.columns, config.full
        self.output_dim = config.output_dim
        self.mel = Mel(fft=400, window=400, hop=160, bands=BANDS, low=50, high=8000, slaney=True)
        self.register_buffer("norm_stats", None if config.standardised else torch.tensor(STATISTICS))
        self.patch_embed = nn.Conv2d(1, dim, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim)) if config.token else None
        self.pos_embed = nn.Parameter(torch.zeros(1, config.token + ROWS * config.columns, dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, EPS)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output; the last is what ``forward`` returns."""
        return self._run_layers(audio, lengths, every=True)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 80, 1 + floor(N / 160)], normalised."""
        level: Tensor = (self.mel(audio) + SMALLEST).log()
        return standardise(level) if self.norm_stats is None else (level - self.norm_stats[0]) / self.norm_stats[1]

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, frames = apply_to_each(self.compute_spectrum, audio, lengths, self.mel.shortest)
        # the last frame is centred on the clip's end: it begins no column, which would speak for no time
        valid = (spectrum.shape[2] + PATCH - 2) // PATCH  # columns
        columns = -(-valid // self.columns) * self.columns if self.full else valid
        filled = nn.functional.pad(spectrum, (0, columns * PATCH - spectrum.shape[2]))
        patches = self.patch_embed(filled[:, None]).permute(0, 2, 3, 1)  # [B, rows, columns, D]
        counts = None if self.full or frames is None else (frames + PATCH - 2) // PATCH
        first, token = None, 0
        if self.cls_token is not None:
            first, token = self.cls_token + self.pos_embed[:, :1], 1
        position = self.pos_embed[:, token:].reshape(1, ROWS, self.columns, -1)
        layers = encode_patches(self.blocks, self.norm, patches, position, counts=counts, first=first, every=every)
        return [layer[:, :, :valid].transpose(1, 2).flatten(2) for layer in layers]


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours; None for decoder, target network and what else only training uses."""
    name = name.removeprefix("model.")
    return None if name.startswith(NOT_THE_ENCODER) else name.replace("patch_embed.proj.", "patch_embed.")


def load_file(config: Config, path: Path, device: str) -> Encoder:
    """Load the encoder with the weights of the authors' file.

    Raises:
        EncoderError: The file does not fit the model.
    """
    tensors = read_tensors(path)
    if not any(name.endswith("norm_stats") for name in tensors):
        tensors["norm_stats"] = torch.tensor(STATISTICS)
    return fill_encoder(Mae(config), tensors, rename, path, device)


def load(config: Config, weights: Weights, device: str) -> Encoder:
    """Load the encoder with the weights from where they are published."""
    return load_file(config, fetch(weights), device)


def _build_spec(name: str, release: str) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        load=functools.partial(load, Config(), Weights(page=PAGE)),
        load_weights=functools.partial(load_file, Config()),
        source=f"{PAGE}, {release}",
        licence="NTT, for evaluation (LICENSE.pdf of the repository)",
        verified="random weights: tensor names of the authors' code, their steps rebuilt with nnAudio; certificate",
        trained_on=("AudioSet",),
        sampling_rate=Mae.sampling_rate,
        output_dim=Config().output_dim,
        hop_in_ms=Mae.hop_size_in_ms,
    )


m2d_06 = _build_spec("m2d_0.6", "m2d_vit_base-80x608p16x16-221006-mr6")
m2d_07 = _build_spec("m2d_0.7", "m2d_vit_base-80x608p16x16-220930-mr7")
