"""EfficientAT: its published tensors, torchvision's answer on its authors' spectrum, its frames, its certificate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal
from encoders import efficientat
from encoders.parts.weights import fill
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("efficientat")
NAMES = recorded.expand_names(FACTS["encoders"]["mn10"]["tensors"])


def narrow(gain: float = 1.0) -> efficientat.MobileNet:
    golden = FACTS["golden"]
    module = efficientat.MobileNet(golden["width"])
    weights = recorded.plant_weights(recorded.select_names(module, NAMES, efficientat.rename), gain)
    fill(module, weights, efficientat.rename, where="here")
    return module.eval().requires_grad_(False)


def test_published_tensors() -> None:
    with torch.device("meta"):
        module = efficientat.MobileNet(1.0)
    recorded.assert_is_the_published_model(module, NAMES, efficientat.rename)
    numbers = sum(8 if "num_batches" in name else 4 * math.prod(shape) for name, shape in NAMES.items())
    assert 0 < FACTS["bytes"]["mn10"] - numbers < 500 * len(NAMES)  # and what torch writes around each tensor


@pytest.mark.parametrize("width", [0.4, 1.0, 2.0, 4.0])
def test_every_width_has_as_many_numbers_as_torchvision_s(width: float) -> None:
    with torch.device("meta"):
        module = efficientat.MobileNet(width)
    last = efficientat.round_channels(1280 * width)
    classifier = (module.output_dim + 1) * last + (last + 1) * 527
    numbers = sum(value.numel() for value in module.state_dict().values())
    assert numbers + classifier == FACTS["numbers"][str(width)]


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(narrow(), NAMES, efficientat.rename)


def test_the_same_network_of_torchvision_answers_the_same() -> None:
    recorded.assert_golden(narrow(), NAMES, efficientat.rename, FACTS["golden"])


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (513, 1), (10_240, 1), (10_241, 2), (32_000, 4), (320_000, 32)]
)
def test_frames_every_320_ms(samples: int, frames: int) -> None:
    encoder = narrow()
    assert encoder(make_signal(samples, seed=1)[None]).shape == (1, frames, encoder.output_dim)


def test_certificate() -> None:
    certificate = certify(adapt(narrow()))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "equal_length"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (10_240, 1)


def test_filters_are_kaldi_s() -> None:
    banks, _ = recorded.import_torchaudio("compliance.kaldi").get_mel_banks(128, 1024, 32_000, 0, 15_000, 100, -500, 1)
    np.testing.assert_allclose(efficientat.MobileNet(0.1).filters[:, :512], banks, atol=1e-4)
