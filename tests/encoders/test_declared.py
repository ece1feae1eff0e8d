"""What a spec says of an encoder before it is loaded is what the loaded encoder says of itself, and what comes out."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.audio import torchaudio_safe
from bench.loading.sources import discover_encoders
from bench.types import Encoder, EncoderSpec
from encoders import hf

FOLDER = Path(__file__).parents[2] / "encoders"
SPECS, _ = discover_encoders(FOLDER)
OWN = {
    name: spec
    for name, spec in SPECS.items()
    if spec.load_weights not in (None, hf.load_folder) and not spec.extra  # an extra's networks are files, not tensors
}


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files hold nothing and everything fits, so that architectures of any size are built without memory."""
    if torchaudio_safe.load() is not None:
        importlib.import_module("torchaudio.compliance.kaldi")  # it makes tensors when it is imported: real ones
    for path in FOLDER.rglob("*.py"):
        module = importlib.import_module(".".join(("encoders", *path.relative_to(FOLDER).with_suffix("").parts)))
        if hasattr(module, "read_tensors"):
            monkeypatch.setattr(module, "read_tensors", lambda path: {})
        if hasattr(module, "fill"):
            monkeypatch.setattr(module, "fill", lambda *given, **where: None)
    monkeypatch.setattr(torch, "autocast", lambda *device, **options: contextlib.nullcontext())  # knows no meta
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("spec", OWN.values(), ids=OWN.keys())
def test_a_spec_says_what_the_encoder_will_be(spec: EncoderSpec) -> None:
    assert spec.load_weights is not None
    encoder = spec.load_weights(Path("none.pt"), "meta")
    assert isinstance(encoder, Encoder)
    declared = (spec.sampling_rate, spec.output_dim, spec.hop_in_ms)
    assert declared == (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms)
    output = encoder(torch.zeros(1, 2 * spec.sampling_rate))
    assert output.shape[0] == 1
    assert abs(output.shape[1] - 2000 / spec.hop_in_ms) <= 2
    assert output.shape[2] == spec.output_dim


def test_all_families_declare() -> None:
    assert len(OWN) > 25
    assert [
        name for name, spec in SPECS.items() if not (spec.sampling_rate and spec.output_dim and spec.hop_in_ms)
    ] == []
