"""PANNs' CNN14: its published tensors, its authors' output, its frames, its certificate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import panns
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("panns")
CONFIGS = {"panns_cnn14_16k": panns.K16, "panns_cnn14_32k": panns.K32}
NARROW = tuple(FACTS["golden"]["channels"])


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS["encoders"][encoder]["tensors"])


def narrow(rate: int) -> panns.Cnn14:
    config = panns.K16 if rate == 16_000 else panns.K32
    module = panns.Cnn14(dataclasses.replace(config, channels=NARROW))
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("encoder", CONFIGS)
def test_published_tensors(encoder: str) -> None:
    with torch.device("meta"):
        module = panns.Cnn14(CONFIGS[encoder])
    recorded.assert_is_the_published_model(module, names(encoder), panns.rename)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(narrow(16_000), names("panns_cnn14_16k"), panns.rename)


def test_the_authors_code_answers_the_same() -> None:
    recorded.assert_golden(narrow(16_000), names("panns_cnn14_16k"), panns.rename, FACTS["golden"])


@pytest.mark.parametrize("rate", [16_000, 32_000])
@pytest.mark.parametrize(("milliseconds", "frames"), [(20, 1), (310, 1), (629, 1), (630, 2), (1000, 3), (10_000, 31)])
def test_frames_every_320_ms(rate: int, milliseconds: int, frames: int) -> None:
    audio = make_signal(milliseconds * rate // 1000, seed=1)[None]
    assert narrow(rate)(audio).shape == (1, frames, NARROW[-1])


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_certificate(rate: int) -> None:
    certificate = certify(adapt(narrow(rate)))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert certificate.hop_in_samples == rate * 0.32


def test_padding_changes_nothing() -> None:
    encoder = narrow(16_000)
    long, short = make_signal(60_000, seed=2), make_signal(23_333, seed=3)
    batch = torch.nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    batch[1, 23_333:] = 0.3
    first, second = encoder(batch, torch.tensor([60_000, 23_333]))
    alone = encoder(short[None])[0]
    assert measure_difference(encoder(long[None])[0], first) < 1e-5
    assert measure_difference(alone, second[: len(alone)]) < 1e-5


def test_spectrum_at_32_khz_is_librosa_s() -> None:
    """By its definition, in float64: Hann window, frames centred with reflection, Slaney's triangles of area 1."""
    encoder = narrow(32_000)
    clip = make_signal(6400, seed=6)
    padded = np.pad(clip.double().numpy(), 512, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[::320]
    power = np.abs(np.fft.rfft(frames * np.hanning(1025)[:-1])) ** 2

    def mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    mels = np.array([mel(hz) for hz in np.linspace(0, 14_000, 140_001)])
    hz = np.interp(np.linspace(mel(50), mel(14_000), 66), mels, np.linspace(0, 14_000, 140_001))
    bins = np.arange(513) * 31.25
    rows = [np.interp(bins, hz[i : i + 3], [0, 2 / (hz[i + 2] - hz[i]), 0]) for i in range(64)]
    wanted = 10 * np.log10(np.maximum(np.array(rows) @ power.T, 1e-10))
    np.testing.assert_allclose(encoder.compute_spectrum(clip[None])[0], wanted, atol=2e-2)
