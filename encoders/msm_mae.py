"""MSM-MAE: masked autoencoders of spectrograms (Niizumi et al., "Masked spectrogram modeling using masked autoencoders
for learning general-purpose audio representation", HEAR 2021, PMLR 166; github.com/nttcslab/msm-mae).

The spectrum, the patches and the transformer are M2D's (``encoders.m2d``), normalised by the clip's own mean and
deviation; the authors' runtime takes those of the batch, so that a clip's embedding depends on its neighbours. 3840
numbers every 160 ms, T = max(1, ceil(floor(n / 160) / 16)).

As in the authors' runtime, a clip is encoded in pieces of the length that the model was trained on, 32 columns (5.12 s)
or 13 (2.08 s), the last filled up with zeros (the clip's mean level), which attention does hear; the columns after the
clip are cut. What fills a piece does not depend on the batch, so padded batches need no mask.

The authors' blocks have biases for queries and values only: the keys' are zero. Whether a file has a class token is
seen from it, as in the authors' code.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from bench.types import Encoder, EncoderSpec
from encoders.m2d import Config, Mae, rename
from encoders.parts.weights import Weights, fetch, fill_encoder, read_tensors

PAGE = "https://github.com/nttcslab/msm-mae/releases"


def build_config(columns: int, *, token: bool, dim: int = 768, depth: int = 12, heads: int = 12) -> Config:
    return Config(dim, depth, heads, columns, token=token, standardised=True, full=True)


def join_biases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join ``attn.q_bias`` and ``attn.v_bias`` to one bias of queries, keys and values."""
    joined = dict(tensors)
    for name in tensors:
        if name.endswith("attn.q_bias"):
            block = name.removesuffix("q_bias")
            q, v = joined.pop(name), joined.pop(f"{block}v_bias", torch.zeros(0))
            joined[f"{block}qkv.bias"] = torch.cat([q, torch.zeros_like(q), v])
    return joined


def load_file(columns: int, path: Path, device: str) -> Encoder:
    """Load the encoder with the weights of the authors' file.

    Raises:
        EncoderError: The file does not fit the model.
    """
    tensors = join_biases(read_tensors(path))
    token = any(name.removeprefix("model.") == "cls_token" for name in tensors)
    return fill_encoder(Mae(build_config(columns, token=token)), tensors, rename, path, device)


def load(columns: int, weights: Weights, device: str) -> Encoder:
    """Load the encoder with the weights from where they are published."""
    return load_file(columns, fetch(weights), device)


def _build_spec(name: str, columns: int, release: str) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        load=functools.partial(load, columns, Weights(page=PAGE)),
        load_weights=functools.partial(load_file, columns),
        source=f"{PAGE}, {release}",
        licence="NTT, for evaluation (LICENSE of the repository)",
        verified="random weights: tensor names of the authors' code, their steps rebuilt with nnAudio; certificate",
        trained_on=("AudioSet",),
        sampling_rate=Mae.sampling_rate,
        output_dim=Config().output_dim,
        hop_in_ms=Mae.hop_size_in_ms,
    )


msm_mae_512 = _build_spec("msm_mae_512", 32, "80x512p16x16_paper")
msm_mae_512_0425 = _build_spec("msm_mae_512_0425", 32, "80x512p16x16_0425")
msm_mae_208 = _build_spec("msm_mae_208", 13, "80x208p16x16_0422")
