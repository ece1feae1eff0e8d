"""What a published checkpoint of transformers becomes: an EncoderSpec that loads it from the hub or a user's folder."""

from __future__ import annotations

import functools

from bench.types import EncoderSpec
from encoders import hf

REAL = "real weights: equal to transformers' own encoder on real speech; certificate"
RANDOM = "random weights: equal to transformers' own model with the authors' processor; certificate"


def build_published_spec(
    name: str,
    identity: str,
    *,
    revision: str = "",
    width: int,
    rate: int = 16_000,
    hop_in_ms: float = 20.0,
    licence: str,
    trained_on: tuple[str, ...],
    verified: str = RANDOM,
) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        load=functools.partial(hf.load, identity, revision or None),
        source=f"https://huggingface.co/{identity}",
        revision=revision,
        licence=licence,
        trained_on=trained_on,
        verified=verified,
        load_weights=hf.load_folder,
        sampling_rate=rate,
        output_dim=width,
        hop_in_ms=hop_in_ms,
    )
