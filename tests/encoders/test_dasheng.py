"""Dasheng: its published tensors, its authors' output, its frames, its certificate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import dasheng
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("dasheng")
CONFIGS = {"dasheng_base": dasheng.BASE, "dasheng_0.6b": dasheng.B06, "dasheng_1.2b": dasheng.B12}
TINY = dasheng.Config(dim=8, depth=2, heads=2, columns=30)  # pieces of 1.2 s


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS["encoders"][encoder]["tensors"])


@pytest.fixture(scope="module")
def tiny() -> dasheng.MelTransformer:
    module = dasheng.MelTransformer(TINY)
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("encoder", CONFIGS)
def test_published_tensors(encoder: str) -> None:
    with torch.device("meta"):
        module = dasheng.MelTransformer(CONFIGS[encoder])
    found = names(encoder)
    recorded.assert_is_the_published_model(module, found, dasheng.rename)
    on_the_hub = {
        name.replace("model.", "encoder.", 1): shape for name, shape in found.items() if "front_end" not in name
    }
    recorded.assert_is_the_published_model(module, on_the_hub, dasheng.rename)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(
        dasheng.MelTransformer(dasheng.Config(8, 2, 2)), names("dasheng_base"), dasheng.rename
    )


def test_the_authors_code_answers_the_same() -> None:
    golden = FACTS["golden"]
    module = dasheng.MelTransformer(dasheng.Config(**golden["config"]))
    recorded.assert_golden(module, names("dasheng_base"), dasheng.rename, golden)


def test_a_file_becomes_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dasheng, "BASE", TINY)
    module = dasheng.MelTransformer(TINY)
    save_file({f"encoder.{name}": value for name, value in module.state_dict().items()}, tmp_path / "w.safetensors")
    spec = dasheng._build_spec("small", TINY, "small.pt")
    assert spec.load_weights is not None
    loaded = spec.load_weights(tmp_path / "w.safetensors", "cpu")
    assert isinstance(loaded, nn.Module)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


@pytest.mark.parametrize(("samples", "frames"), [(320, 1), (800, 1), (16_000, 25), (16_480, 26), (48_137, 75)])
def test_frames_every_40_ms(samples: int, frames: int, tiny: dasheng.MelTransformer) -> None:
    assert tiny(make_signal(samples, seed=1)[None]).shape == (1, frames, 8)


def test_certificate(tiny: dasheng.MelTransformer) -> None:
    certificate = certify(adapt(tiny))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (640, 480)


def test_hidden_states(tiny: dasheng.MelTransformer) -> None:
    audio = make_signal(40_000, seed=3)[None]
    layers = tiny.hidden_states(audio)
    assert [layer.shape for layer in layers] == [(1, 62, 8)] * 3
    assert torch.equal(layers[-1], tiny(audio))
    for index, block in enumerate(tiny.blocks[:1]):  # one row of patches, two pieces: what a block makes of each
        pieces = [block(piece) for piece in layers[index].split(30, dim=1)]
        assert measure_difference(torch.cat(pieces, dim=1)[0], layers[index + 1][0]) < 1e-5


def test_pieces_do_not_hear_each_other(tiny: dasheng.MelTransformer) -> None:
    """The 31st patch starts a new piece: what comes after it changes nothing before."""
    one, other = make_signal(40_000, seed=4), make_signal(40_000, seed=5)
    other[:19_600] = one[:19_600]
    a, b = tiny(torch.stack([one, other]))
    assert measure_difference(a[:30], b[:30]) < 1e-5
    assert measure_difference(a[30:], b[30:]) > 0.1


def test_spectrum_is_torchaudio_s(tiny: dasheng.MelTransformer) -> None:
    transforms = recorded.import_torchaudio("transforms")
    mel = transforms.MelSpectrogram(16_000, n_fft=512, hop_length=160, n_mels=64, f_min=0, f_max=8000)
    clip = make_signal(9_999, seed=6)[None]
    wanted = transforms.AmplitudeToDB(top_db=120)(mel(clip))
    np.testing.assert_allclose(tiny.compute_spectrum(clip), wanted, atol=1e-3)
    both = tiny.compute_spectrum(torch.cat([clip * 1e-7, clip]))  # the cut-off is each clip's own
    np.testing.assert_allclose(both[1:], wanted, atol=1e-3)
    np.testing.assert_allclose(both[:1], transforms.AmplitudeToDB(top_db=120)(mel(clip * 1e-7)), atol=1e-3)
