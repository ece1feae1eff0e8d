"""M2D, MSM-MAE and AudioMAE: their published tensors, their authors' steps, their frames, their certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import audiomae, m2d, msm_mae
from tests.helpers import encoder_facts as recorded

FACTS = {family: recorded.read_facts(family) for family in ("m2d", "msm_mae", "audiomae")}
TINY: dict[str, Callable[[], nn.Module]] = {
    "m2d": lambda: m2d.Mae(m2d.Config(8, 2, 2)),
    "msm_mae": lambda: m2d.Mae(msm_mae.build_config(13, token=True, dim=8, depth=2, heads=2)),
    "msm_mae without a token": lambda: m2d.Mae(msm_mae.build_config(13, token=False, dim=8, depth=2, heads=2)),
    "audiomae": lambda: audiomae.AudioMae(audiomae.Config(8, 2, 2)),
}
every = pytest.mark.parametrize("kind", TINY)


def names(family: str, encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS[family]["encoders"][encoder]["tensors"])


@pytest.fixture(scope="module", autouse=True)
def front_end() -> None:
    recorded.import_torchaudio("compliance.kaldi")


@pytest.fixture(scope="module")
def tiny() -> dict[str, nn.Module]:
    made = {}
    for kind, make in TINY.items():
        module = make()
        module.load_state_dict(recorded.plant_weights({k: tuple(v.shape) for k, v in module.state_dict().items()}))
        made[kind] = module.eval().requires_grad_(False)
    return made


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


def test_published_tensors() -> None:
    found = names("m2d", "m2d_0.7") | {"norm_stats": (2,)}  # newer files have it, others get it when read
    recorded.assert_is_the_published_model(on_meta(lambda: m2d.Mae(m2d.Config())), found, m2d.rename)
    found = names("audiomae", "audiomae")
    module = on_meta(lambda: audiomae.AudioMae(audiomae.Config()))
    recorded.assert_is_the_published_model(module, found, audiomae.rename)


@pytest.mark.parametrize("columns", [32, 13])
@pytest.mark.parametrize("token", [True, False])
def test_published_tensors_of_msm_mae(columns: int, token: bool) -> None:
    found = names("msm_mae", f"msm_mae_{16 * columns}{'' if token else ' without a token'}")
    given = msm_mae.join_biases({name: torch.empty(shape, device="meta") for name, shape in found.items()})
    module = on_meta(lambda: m2d.Mae(msm_mae.build_config(columns, token=token)))
    shapes = {name: tuple(value.shape) for name, value in given.items()}
    recorded.assert_is_the_published_model(module, shapes, m2d.rename)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(TINY["audiomae"](), names("audiomae", "audiomae"), audiomae.rename)
    found = names("m2d", "m2d_0.7") | {"norm_stats": (2,)}
    recorded.assert_other_weights_are_refused(TINY["m2d"](), found, m2d.rename)


@pytest.mark.parametrize("family", ["m2d", "audiomae"])
def test_the_authors_steps_give_the_same(family: str) -> None:
    golden = FACTS[family]["golden"]
    encoder = next(iter(FACTS[family]["encoders"]))
    found = names(family, encoder) | ({"model.norm_stats": (2,)} if family == "m2d" else {})
    recorded.assert_golden(TINY[family](), found, m2d.rename, golden)


@pytest.mark.parametrize("token", [True, False])
def test_the_authors_steps_give_the_same_for_msm_mae(
    token: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, whose class token is noticed and whose biases are of queries and values."""
    found = names("msm_mae", "msm_mae_208" if token else "msm_mae_208 without a token")
    kept = {
        name: tuple({768: 8, 2304: 24, 3072: 32}.get(size, size) for size in shape)
        for name, shape in found.items()
        if m2d.rename(name) and (".blocks." not in name or int(name.split(".")[2]) < 2)
    }
    weights = {name.removeprefix("model."): value for name, value in recorded.plant_weights(kept).items()}
    torch.save({"model": weights}, tmp_path / "w.pth")
    made: list[m2d.Config] = []

    def config(columns: int, *, token: bool) -> m2d.Config:
        made.append(m2d.Config(8, 2, 2, columns, token=token, standardised=True, full=True))
        return made[-1]

    monkeypatch.setattr(msm_mae, "build_config", config)
    module = msm_mae.load_file(13, tmp_path / "w.pth", "cpu")
    assert made[0].token == token
    recorded.assert_cases(module, FACTS["msm_mae"]["golden"]["token" if token else "no token"]["cases"])


def test_statistics_of_m2d_are_the_file_s_own_where_it_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = m2d.Config(8, 1, 2)
    state = m2d.Mae(small).state_dict()
    torch.save({"model": {k: v for k, v in state.items() if k != "norm_stats"}}, tmp_path / "old.pth")
    torch.save({"model": state | {"norm_stats": torch.tensor([-6.0, 5.0])}}, tmp_path / "new.pth")
    for file, statistics in (("old.pth", [-7.1, 4.2]), ("new.pth", [-6.0, 5.0])):
        loaded = m2d.load_file(small, tmp_path / file, "cpu")
        assert isinstance(loaded, m2d.Mae)
        assert loaded.norm_stats is not None
        assert loaded.norm_stats.tolist() == pytest.approx(statistics)


@every
@pytest.mark.parametrize("samples", [100, 800, 2560, 2719, 2720, 16_000, 170_137])
def test_frames_every_160_ms(kind: str, samples: int, tiny: dict[str, nn.Module]) -> None:
    expected = max(1, (samples - 400) // 2560 + 1) if kind == "audiomae" else max(1, -(-(samples // 160) // 16))
    assert tiny[kind](make_signal(samples, seed=1)[None]).shape == (1, expected, 8 if kind == "audiomae" else 40)


@every
def test_certificate(kind: str, tiny: dict[str, nn.Module]) -> None:
    certificate = certify(adapt(tiny[kind]))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert certificate.hop_in_samples == 2560
    assert certificate.first_frame_in_samples == (400 if kind == "audiomae" else 160)


@every
def test_hidden_states_and_padding_beyond_a_piece(kind: str, tiny: dict[str, nn.Module]) -> None:
    encoder = tiny[kind]
    long, short = make_signal(180_000, seed=3), make_signal(30_000, seed=4)
    layers = encoder.hidden_states(long[None])  # type: ignore[operator]
    assert len(layers) == 3
    assert layers[0].shape == layers[1].shape == layers[2].shape
    assert torch.equal(layers[2], encoder(long[None]))
    batch = nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    first, second = encoder(batch, torch.tensor([180_000, 30_000]))
    alone = encoder(short[None])[0]
    assert measure_difference(layers[2][0], first) < 1e-5
    assert measure_difference(alone, second[: len(alone)]) < 1e-5


def test_spectrum_of_audiomae_is_kaldi_s(tiny: dict[str, nn.Module]) -> None:
    """A second computation, in float64, from the definition."""
    clip = make_signal(2000, seed=6) + 0.1
    x = clip.double().numpy()
    frames = np.lib.stride_tricks.sliding_window_view(x - x.mean(), 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft((frames - 0.97 * before) * np.hanning(400), 512)) ** 2
    mel = 1127 * np.log(1 + np.arange(257) * 16_000 / 512 / 700)
    points = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 8000 / 700), 130)[:, None]
    filters = np.minimum((mel - points[:-2]), (points[2:] - mel)) / (points[1] - points[0])
    wanted = np.log(np.maximum(power[:, :256] @ filters.clip(min=0)[:, :256].T, np.finfo(np.float32).eps))
    spectrum = audiomae.compute_energies(clip[None])[0]
    np.testing.assert_allclose(spectrum.T, wanted, atol=2e-3)
