"""CAM++, SimAM-ResNet34, x-vector: published tensors, their authors' output, frames, certificates."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal
from encoders import campplus, simam, xvector
from tests.helpers import encoder_facts as recorded

FACTS = {family: recorded.read_facts(family) for family in ("campplus", "simam", "xvector")}
MODULES: dict[str, ModuleType] = {"campplus": campplus, "simam": simam, "xvector": xvector}
every = pytest.mark.parametrize("family", FACTS)


def names(family: str, encoder: str = "") -> dict[str, tuple[int, ...]]:
    encoders: dict[str, Any] = FACTS[family]["encoders"]
    found = encoders[encoder or next(iter(encoders))]
    rest = encoders[found["otherwise"]]["tensors"] if "otherwise" in found else {}
    return recorded.expand_names(rest | found["tensors"])


def narrow(family: str) -> nn.Module:
    recorded.import_torchaudio("compliance.kaldi")
    golden = FACTS[family]["golden"]
    module: nn.Module
    if family == "campplus":
        module = campplus.Campplus(campplus.Config(**golden["config"]))
    elif family == "simam":
        module = simam.SimamResNet(tuple(map(tuple, golden["stages"])))
    else:
        module = xvector.Xvector(tuple(map(tuple, golden["layers"])), golden["embedding"])
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own, golden.get("gain", 1.0)))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("encoder", FACTS["campplus"]["encoders"])
def test_published_tensors_of_campplus(encoder: str) -> None:
    with torch.device("meta"):
        module = campplus.Campplus(campplus.Config(192 if encoder == "campplus-zh-common" else 512))
    recorded.assert_is_the_published_model(module, names("campplus", encoder), campplus.rename)


def test_published_tensors_of_simam_and_xvector() -> None:
    with torch.device("meta"):
        resnet, tdnn = simam.SimamResNet(), xvector.Xvector()
    classifier = {"projection.weight": (100_000, 256)}
    recorded.assert_is_the_published_model(resnet, names("simam") | classifier, simam.rename)
    recorded.assert_is_the_published_model(tdnn, names("xvector"), xvector.rename)


@pytest.mark.parametrize("family", ["campplus", "simam"])
def test_the_published_file_is_as_large_as_that(family: str) -> None:
    """Four bytes a number, eight a counter, and what torch writes around each tensor."""
    (size,) = FACTS[family]["bytes"].values()
    found = names(family)
    numbers = sum(8 if "num_batches" in name else 4 * math.prod(shape) for name, shape in found.items())
    assert 0 < size - numbers < 500 * len(found)


@every
def test_other_weights_are_refused(family: str) -> None:
    recorded.assert_other_weights_are_refused(narrow(family), names(family), MODULES[family].rename)


@every
def test_the_authors_code_answers_the_same(family: str) -> None:
    recorded.assert_golden(narrow(family), names(family), MODULES[family].rename, FACTS[family]["golden"])


@every
def test_certificate(family: str) -> None:
    encoder = narrow(family)
    if family == "simam":  # planted weights let rounding grow over 16 blocks
        torch.manual_seed(0)
        encoder = simam.SimamResNet(((8, 3), (16, 4), (32, 6), (64, 3))).eval().requires_grad_(False)
    certificate = certify(adapt(encoder))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "equal_length"
    first = 0 if family == "xvector" else 400
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (160, first)


@every
@pytest.mark.parametrize("samples", [1, 399, 880, 9000])
def test_one_thing_about_a_clip_however_short(family: str, samples: int) -> None:
    encoder = narrow(family)
    output = encoder(make_signal(samples, seed=1)[None])
    frames = samples // 160 + 1 if family == "xvector" else max(1, (samples - 400) // 160 + 1)
    assert output.shape == (1, frames, encoder.output_dim)
    assert output.isfinite().all()
    assert torch.equal(output, output[:, :1].expand_as(output))
