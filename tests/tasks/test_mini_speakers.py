"""Speaker encoders without their weights: published tensors fit, features, frames, certificate."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.types import EncoderError, EncoderSpec
from encoders import ecapa, ge2e, wespeaker

FACTS = Path(__file__).parents[1] / "facts" / "encoders"


@pytest.mark.parametrize(
    ("module", "spec"),
    [(ecapa, ecapa.ecapa), (ge2e, ge2e.ge2e), (wespeaker, wespeaker.resnet34)],
    ids=["ecapa", "ge2e", "wespeaker"],
)
def test_the_published_tensors_fit(module: ModuleType, spec: EncoderSpec, tmp_path: Path) -> None:
    """Names and shapes as recorded from the published file (WeSpeaker: class), with values of our own."""
    facts = json.loads((FACTS / f"{module.__name__.rpartition('.')[2]}.json").read_text())["tensors"]
    given = {key: torch.full(shape, float(i)) for i, (key, shape) in enumerate(facts.items())}
    torch.save(given, tmp_path / "w.pt")
    assert spec.load_weights is not None
    filled = cast(nn.Module, spec.load_weights(tmp_path / "w.pt", "cpu")).state_dict()
    assert sorted(float(v.flatten()[0]) for v in filled.values()) == [
        i for i, key in enumerate(given) if module.rename(key)
    ]
    lost = next(key for key in given if module.rename(key))
    torch.save({key: value for key, value in given.items() if key != lost}, tmp_path / "w.pt")
    with pytest.raises(EncoderError, match=f"missing weights: got {module.rename(lost)}"):
        spec.load_weights(tmp_path / "w.pt", "cpu")


@pytest.mark.parametrize(
    ("encoder", "rule"),
    [
        (ecapa.Ecapa, ("equal_length", 160, 0)),
        (ge2e.Ge2e, ("padded", 12_320, 19_200)),
        (wespeaker.ResNet34, ("equal_length", 160, 400)),
    ],
    ids=["ecapa", "ge2e", "wespeaker"],
)
def test_certificate(encoder: type[nn.Module], rule: tuple[str, int, int]) -> None:
    torch.manual_seed(0)
    made = encoder()
    if isinstance(made, ge2e.Ge2e):  # torch's own first weights forget the input over three layers
        for parameter in made.parameters():
            nn.init.normal_(parameter, std=0.2)
    certificate = certify(adapt(made))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert (certificate.policy, certificate.hop_in_samples, certificate.first_frame_in_samples) == rule


def test_ecapa_says_one_thing_about_a_clip_however_short() -> None:
    torch.manual_seed(0)
    encoder = ecapa.Ecapa().eval()
    with torch.inference_mode():
        for n in (1, 319, 640, 9000):
            out = encoder(make_signal(n, seed=1)[None])
            assert out.shape == (1, n // 160 + 1, 192)
            assert out.isfinite().all()
            assert torch.equal(out, out[:, :1].expand_as(out))


def test_wespeaker_says_one_thing_about_a_clip_however_short() -> None:
    torch.manual_seed(0)
    encoder = wespeaker.ResNet34().eval()
    with torch.inference_mode():
        for n in (1, 1_679, 9_000):
            out = encoder(make_signal(n, seed=1)[None])
            assert out.shape == (1, max(1, (n - 400) // 160 + 1), 256)
            assert out.isfinite().all()
            assert torch.equal(out, out[:, :1].expand_as(out))


def test_ecapa_features_are_decibels_above_the_clip_s_floor() -> None:
    clip = make_signal(8000, seed=2)
    clip[4000:] = 0
    features = ecapa.Ecapa().features(clip[None])[0]
    assert features.mean(0).abs().max() < 1e-4
    assert measure_difference(features, ecapa.Ecapa().features(clip[None] / 64)[0]) < 1e-4  # gain is a constant in dB
    assert features.max(0).values.sub(features.min(0).values).max() <= 80.001


def test_ge2e_filters_are_those_of_transformers() -> None:
    torchaudio_safe.install()
    from transformers.audio_utils import mel_filter_bank

    wanted = mel_filter_bank(201, 40, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(ge2e.compute_mel_filters().numpy(), wanted, atol=1e-7)


def partials(n: int) -> int:
    """How many windows an utterance of n samples has, as the authors' rule is worded."""
    spectra = -(-(n + 1) // 160)
    starts = list(range(0, max(1, spectra - 160 + 77 + 1), 77))
    if len(starts) > 1 and (n - starts[-1] * 160) / 25_600 < 0.75:
        starts.pop()
    return len(starts)


@given(st.integers(1, 2_000_000))
def test_ge2e_has_the_authors_windows(n: int) -> None:
    assert ge2e.count_windows(n) == partials(n)


def test_ge2e_raises_soft_clips_only() -> None:
    torch.manual_seed(0)
    encoder, clip = ge2e.Ge2e().eval(), make_signal(30_000, seed=3)
    with torch.inference_mode():
        assert clip.square().mean().sqrt() > 0.0317
        soft, softer = encoder(clip[None] / 10), encoder(clip[None] / 100)
        assert measure_difference(soft[0], softer[0]) < 1e-5
        assert measure_difference(soft[0], encoder(clip[None])[0]) > 1e-4
