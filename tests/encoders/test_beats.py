"""BEATs: its published tensors, its authors' output, its front end, its frames, its certificate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import beats
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("beats")
TINY = beats.Config(dim=8, depth=2, heads=2, embedding=6, hidden=16, groups=2, columns=5)


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS["encoders"][encoder]["tensors"])


@pytest.fixture(scope="module", autouse=True)
def front_end() -> None:
    recorded.import_torchaudio("compliance.kaldi")


@pytest.fixture(scope="module")
def tiny() -> beats.Beats:
    module = beats.Beats(TINY)
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("encoder", FACTS["encoders"])
def test_published_tensors(encoder: str) -> None:
    with torch.device("meta"):
        module = beats.Beats(beats.Config())
    recorded.assert_is_the_published_model(module, names(encoder), beats.rename)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(beats.Beats(TINY), names("beats_iter3+"), beats.rename)


def test_the_authors_code_answers_the_same() -> None:
    golden = FACTS["golden"]
    module = beats.Beats(beats.Config(**golden["config"]))
    recorded.assert_golden(module, names("beats_iter3+"), beats.rename, golden)


@pytest.mark.parametrize(("samples", "frames"), [(320, 1), (800, 1), (5359, 1), (5360, 2), (16_000, 6), (48_137, 18)])
def test_frames_every_160_ms(samples: int, frames: int, tiny: beats.Beats) -> None:
    assert tiny(make_signal(samples, seed=1)[None]).shape == (1, frames, 8)


def test_certificate(tiny: beats.Beats) -> None:
    certificate = certify(adapt(tiny))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (2560, 2800)


def test_pieces_and_hidden_states(tiny: beats.Beats) -> None:
    one, other = make_signal(40_000, seed=4), make_signal(40_000, seed=5)
    other[:13_200] = one[:13_200]  # five columns: a piece of their own
    a, b = tiny(torch.stack([one, other]))
    assert measure_difference(a[:5], b[:5]) < 1e-5
    assert measure_difference(a[5:], b[5:]) > 0.1
    layers = tiny.hidden_states(one[None])
    assert [layer.shape for layer in layers] == [(1, 15, 8)] * 3
    assert measure_difference(layers[-1][0], a) < 1e-5


def test_spectrum_is_kaldi_s(tiny: beats.Beats) -> None:
    """A second computation, in float64, from the definition (Kaldi's feat/feature-fbank, its defaults)."""
    clip = make_signal(2000, seed=6)
    frames = np.lib.stride_tricks.sliding_window_view(clip.double().numpy() * 2**15, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    povey = np.hanning(400) ** 0.85
    power = np.abs(np.fft.rfft((frames - 0.97 * before) * povey, 512)) ** 2
    mel = 1127 * np.log(1 + np.arange(257) * 16_000 / 512 / 700)
    points = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 8000 / 700), 130)[:, None]
    filters = np.minimum((mel - points[:-2]), (points[2:] - mel)) / (points[1] - points[0])
    energies = np.log(np.maximum(power[:, :256] @ filters.clip(min=0)[:, :256].T, np.finfo(np.float32).eps))
    wanted = (energies - 15.41663) / (2 * 6.55582)
    np.testing.assert_allclose(tiny.compute_spectrum(clip[None])[0].T, wanted, atol=1e-3)


def test_buckets() -> None:
    """The nearest 80 offsets have a bucket each, farther ones share, both directions differ."""
    near = beats.compute_buckets(torch.arange(-79, 80))
    assert near.unique().numel() == 159
    assert beats.compute_buckets(torch.tensor([0, 1, -1, 79, -79])).tolist() == [0, 161, 1, 239, 79]
    assert beats.compute_buckets(torch.tensor([800, 5000, -800, -5000])).tolist() == [319, 319, 159, 159]
    assert (beats.compute_buckets(torch.arange(1, 1000)).diff() >= 0).all()


def test_positional_convolution_is_weight_normalised() -> None:
    own = beats.PositionalConvolution(4, 8, 2)
    conv = nn.Conv1d(4, 4, 8, padding=4, groups=2)
    theirs = nn.utils.parametrizations.weight_norm(conv, dim=2)
    values = recorded.plant_weights({"weight_g": (1, 1, 8), "weight_v": (4, 2, 8), "bias": (4,)})
    own.load_state_dict(values)
    conv.load_state_dict(
        {
            "bias": values["bias"],
            "parametrizations.weight.original0": values["weight_g"],
            "parametrizations.weight.original1": values["weight_v"],
        }
    )
    x = torch.randn(2, 11, 4)
    wanted = nn.functional.gelu(theirs(x.transpose(1, 2))[:, :, :-1]).transpose(1, 2)
    torch.testing.assert_close(own(x), wanted)
