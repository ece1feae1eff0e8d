"""CED: small transformers distilled from ensembles of AudioSet taggers (Dinkel et al., "CED: Consistent ensemble
distillation for audio tagging", ICASSP 2024; github.com/RicherMans/CED).

The front end and the transformer are Dasheng's (``encoders.dasheng``), with patches of 16 bands by 16 frames: four rows
of patches, a column every 160 ms: T = max(1, floor((floor(n / 160) + 1) / 16)). A column's vector is the mean of its
four rows, as in the authors' wrapper for HEAR (github.com/RicherMans/HEAR_CED, frames that do not overlap). The
classifier is left out.

Positions are learned for 63 columns. Longer clips are encoded in pieces of 63 columns (10.08 s), the last as long as it
comes. The authors cut the spectrum every 1012 frames instead, which loses 4 frames at each joint, and fill the last
piece with zeros; hop and number of frames would then be off after each joint. Up to 10.12 s there is no difference.
Clips shorter than a patch have zeros after them.
"""

from __future__ import annotations

import functools

from bench.types import EncoderSpec
from encoders.dasheng import Config, MelTransformer, rename
from encoders.parts.weights import Weights, load, load_file

COLUMNS = 63


def build_config(dim: int, heads: int, depth: int = 12) -> Config:
    return Config(dim=dim, depth=depth, heads=heads, patch=(16, 16), columns=COLUMNS)


TINY = build_config(192, 3)
MINI = build_config(256, 4)
SMALL = build_config(384, 6)
BASE = build_config(768, 12)


def _build_spec(name: str, size: Config, file: str) -> EncoderSpec:
    make = functools.partial(MelTransformer, size)
    weights = Weights(page=f"https://zenodo.org/record/8275347/files/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="Apache-2.0",
        verified="random weights: tensor names; output of the same authors' transformer in dasheng 0.0.9; certificate",
        trained_on=("AudioSet",),
        sampling_rate=MelTransformer.sampling_rate,
        output_dim=size.dim,
        hop_in_ms=size.hop_in_ms,
    )


ced_tiny = _build_spec("ced_tiny", TINY, "audiotransformer_tiny_mAP_4814.pt")
ced_mini = _build_spec("ced_mini", MINI, "audiotransformer_mini_mAP_4896.pt")
ced_small = _build_spec("ced_small", SMALL, "audiotransformer_small_mAP_4958.pt")
ced_base = _build_spec("ced_base", BASE, "audiotransformer_base_mAP_4999.pt")
