"""ATST-Clip and ATST-Frame: teacher-student transformers (Li and Li, "ATST: Audio representation learning with
teacher-student transformer", Interspeech 2022; Li, Shao, Li, "Self-supervised audio teacher-student transformer for
both clip-level and frame-level tasks", TASLP 2024; github.com/Audio-WestlakeU/audiossl).

16 kHz; 64 mel bands (HTK, 60 to 7800 Hz) of 64 ms every 10 ms, in dB, cut off 80 dB below the clip's loudest point,
-79.6482 to 50.6842 dB mapped to -1 to 1; patches of all 64 bands by 4 frames: a vector every 40 ms, T = floor((floor(n
/ 160) + 1) / 4). The teacher's encoder is used, as by the authors.

ATST-Frame: the normalised output of the last block. ATST-Clip was trained on its class token, and its authors classify
that token beside the mean of the patches: here every vector is the token followed by the patch, 2 D, so that the mean
over time is theirs. The authors' scripts take all 12 blocks of either; they are in ``hidden_states``.

Positions are learned for 250 patches. Longer clips are encoded in pieces of 250 patches (10 s), each with a class token
of its own, the last as long as it comes. (The authors cut the spectrum every 1001 frames, which loses one frame at each
joint.) Clips too short for a patch have zeros after them. Padded batches: each clip's spectrum is of its own samples
and attention is masked.

The authors' files are Lightning checkpoints: where they hold more than tensors and plain values they cannot be read
without running code, and want converting to tensors first (any file with the names of ``state_dict`` will do).
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
WIDTH = 4
SPAN_IN_DB = 80
LOWEST = -79.6482  # dB
HIGHEST = 50.6842  # dB


@dataclass(frozen=True, slots=True)
class Config:
    dim: int
    depth: int
    heads: int
    clip: bool  # with a class token
    columns: int = 250  # patches that there are positions for

    @property
    def output_dim(self) -> int:
        return 2 * self.dim if self.clip else self.dim


class Atst(nn.Module):
    """[B, N] -> [B, T, D], of ATST-Clip [B, T, 2 D]."""

    sampling_rate, hop_size_in_ms = 16_000, 40.0

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.dim
        self.output_dim = config.output_dim
        self.mel = Mel(fft=1024, window=1024, hop=160, bands=BANDS, low=60, high=7800)
        self.patch_embed = nn.Linear(BANDS * WIDTH, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim)) if config.clip else None
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.columns, dim))  # the class token's first
        self.blocks = nn.ModuleList(Block(dim, config.heads, bias=False) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, EPS)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run_layers(audio, lengths, every=False)[-1]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output, normalised as the authors use it."""
        return self._run_layers(audio, lengths, every=True)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 64, 1 + floor(N / 160)], about -1 to 1."""
        return 2 * (convert_to_decibels(self.mel(audio), SPAN_IN_DB) - LOWEST) / (HIGHEST - LOWEST) - 1

    def _run_layers(self, audio: Tensor, lengths: Tensor | None, *, every: bool) -> list[Tensor]:
        spectrum, frames = apply_to_each(self.compute_spectrum, audio, lengths, self.mel.shortest)
        columns = spectrum.unfold(2, WIDTH, WIDTH).transpose(1, 2).flatten(2)  # [B, T, 256]: bands, then frames
        patches = self.patch_embed(columns)[:, None]
        counts = None if frames is None else frames // WIDTH
        first = None if self.cls_token is None else self.cls_token + self.pos_embed[:, :1]
        layers = encode_patches(
            self.blocks, self.norm, patches, self.pos_embed[:, None, 1:], counts=counts, first=first,
            join_first=True, every=every,
        )  # fmt: skip
        *inner, last = [layer[:, 0] for layer in layers]
        dim = self.pos_embed.shape[2]  # of the token and of the patch: each is normalised by itself
        normalised = [self.norm(x.unflatten(2, (-1, dim))).flatten(2) for x in inner[1:]]  # type: ignore[no-untyped-call]
        return [*inner[:1], *normalised, last]


def rename(name: str) -> str | None:
    """Map the authors' name of a tensor to ours: the teacher's encoder, without what only training uses."""
    _, teacher, rest = name.partition("teacher.encoder.")
    if not teacher and name.startswith(("state_dict.", "optimizer", "loops.", "callbacks.", "hyper_parameters.")):
        return None
    name = rest or name
    if name in ("mask_embed", "head.weight", "head.bias"):
        return None
    return name.replace("patch_embed.patch_embed.", "patch_embed.").replace("norm_frame.", "norm.")


def _build_spec(name: str, config: Config, page: str) -> EncoderSpec:
    make = functools.partial(Atst, config)
    weights = Weights(page=page)
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=page,
        licence="MIT",
        verified="random weights: tensor names of the authors' code; ATST-Clip equal to audiossl 0.1, ATST-Frame "
        "read, not run; certificate",
        trained_on=("AudioSet",),
        sampling_rate=Atst.sampling_rate,
        output_dim=config.output_dim,
        hop_in_ms=Atst.hop_size_in_ms,
    )


CLIP_SMALL = Config(384, 12, 6, clip=True)
CLIP_BASE = Config(768, 12, 12, clip=True)
FRAME_SMALL = Config(384, 12, 6, clip=False)
FRAME_BASE = Config(768, 12, 12, clip=False)
CLIP_FILES = "https://checkpointstorage.oss-cn-beijing.aliyuncs.com/atst"
FRAME_FILES = "https://github.com/Audio-WestlakeU/audiossl/tree/main/audiossl/methods/atstframe"

atst_clip_small = _build_spec("atst_clip_small", CLIP_SMALL, f"{CLIP_FILES}/small.ckpt")
atst_clip_base = _build_spec("atst_clip_base", CLIP_BASE, f"{CLIP_FILES}/base.ckpt")
atst_frame_small = _build_spec("atst_frame_small", FRAME_SMALL, FRAME_FILES)
atst_frame_base = _build_spec("atst_frame_base", FRAME_BASE, FRAME_FILES)
