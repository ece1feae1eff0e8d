"""BYOL-A and BYOL-S: their published tensors, their authors' output, their frames, their certificates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal
from encoders import byola, byols
from tests.helpers import encoder_facts as recorded

A, S = recorded.read_facts("byola"), recorded.read_facts("byols")
SECOND = {"hidden": 2048, "stacked": True, "slaney": True, "mean": -9.660292, "deviation": 4.7219563}
PUBLISHED: dict[str, tuple[Callable[[], nn.Module], recorded.Rename]] = {
    "byola_2020_512": (lambda: byola.AudioNtt(byola.D512), byola.rename),
    "byola_2020_1024": (lambda: byola.AudioNtt(byola.D1024), byola.rename),
    "byola_2020_2048": (lambda: byola.AudioNtt(byola.D2048), byola.rename),
    "byola_2022": (lambda: byola.AudioNtt(byola.SECOND), byola.rename),
    "byola_2022_2048": (lambda: byola.AudioNtt(byola.SECOND_2048), byola.rename),
    "byols_audiontt": (lambda: byola.AudioNtt(byols.AUDIONTT), byola.rename),
    "byols_hybrid_cvt": (lambda: byols.Cvt(byols.Config()), byols.rename),
}
TINY: dict[str, Callable[[], nn.Module]] = {
    "2020": lambda: byola.AudioNtt(byola.Config(6)),
    "2022": lambda: byola.AudioNtt(byola.Config(1030, convolutions=2, **SECOND)),  # type: ignore[arg-type]
    "audiontt": lambda: byola.AudioNtt(byola.Config(6, window=400, mean=None)),
    "cvt": lambda: byols.Cvt(byols.Config((4, 6, 8))),
}
HOPS = {"2020": 1280, "2022": 640, "audiontt": 1280, "cvt": 2560}
GOLDEN = {**A["golden"], **S["golden"]}
every = pytest.mark.parametrize("kind", TINY)


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names((A["encoders"] | S["encoders"])[encoder]["tensors"])


@pytest.fixture(scope="module")
def tiny() -> dict[str, nn.Module]:
    made = {}
    for kind, make in TINY.items():
        module = make()
        module.load_state_dict(recorded.plant_weights({k: tuple(v.shape) for k, v in module.state_dict().items()}))
        made[kind] = module.eval().requires_grad_(False)
    return made


@pytest.mark.parametrize("encoder", PUBLISHED)
def test_published_tensors(encoder: str) -> None:
    make, rename = PUBLISHED[encoder]
    with torch.device("meta"):
        module = make()
    recorded.assert_is_the_published_model(module, names(encoder), rename)


@pytest.mark.parametrize(("kind", "encoder"), [("2020", "byola_2020_512"), ("cvt", "byols_hybrid_cvt")])
def test_other_weights_are_refused(kind: str, encoder: str) -> None:
    recorded.assert_other_weights_are_refused(TINY[kind](), names(encoder), PUBLISHED[encoder][1])


@pytest.mark.parametrize(
    ("kind", "encoder"),
    [
        ("2020", "byola_2020_512"),
        ("2022", "byola_2022"),
        ("audiontt", "byols_audiontt"),
        ("cvt", "byols_hybrid_cvt"),
    ],
)
def test_the_authors_code_answers_the_same(kind: str, encoder: str) -> None:
    module = TINY[kind]()
    assert getattr(module, "hop_size_in_ms") == HOPS[kind] / 16  # noqa: B009
    recorded.assert_golden(module, names(encoder), PUBLISHED[encoder][1], GOLDEN[kind])


@every
@pytest.mark.parametrize("samples", [320, 800, 2399, 16_000, 48_137])
def test_frames(kind: str, samples: int, tiny: dict[str, nn.Module]) -> None:
    hop, columns = HOPS[kind], samples // 160 + 1
    expected = -(-columns // 16) if kind == "cvt" else max(1, columns // (hop // 160))
    assert tiny[kind](make_signal(samples, seed=1)[None]).shape[:2] == (1, expected)


@every
def test_certificate(kind: str, tiny: dict[str, nn.Module]) -> None:
    certificate = certify(adapt(tiny[kind]))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == ("equal_length" if kind == "cvt" else "padded")
    assert certificate.hop_in_samples == HOPS[kind]


@every
def test_silence_and_other_clips_change_nothing(kind: str, tiny: dict[str, nn.Module]) -> None:
    clips = torch.stack([make_signal(8000, seed=1), torch.zeros(8000), make_signal(8000, seed=2) * 9])
    together = tiny[kind](clips)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(together[:1], tiny[kind](clips[:1]), atol=1e-4, rtol=1e-4)


def test_long_clips_of_the_transformer_are_encoded_in_pieces() -> None:
    module = byols.Cvt(byols.Config((4, 6, 8), frames=160))
    module.load_state_dict(recorded.plant_weights({k: tuple(v.shape) for k, v in module.state_dict().items()}))
    module.eval().requires_grad_(False)
    audio = make_signal(50_000, seed=3)[None]
    pieces = [module.stages(piece[:, None]) for piece in module.compute_spectrum(audio).split(160, dim=2)]
    assert [piece.shape[3] for piece in pieces] == [10, 10]
    joined = torch.cat(pieces, dim=3)[0].permute(2, 1, 0).flatten(1)
    torch.testing.assert_close(module(audio)[0], joined)


def test_spectra(tiny: dict[str, nn.Module]) -> None:
    """Slaney's bands from their definition, in float64: linear to 1 kHz, then 27 mel for every factor of 6.4."""
    clip = make_signal(6000, seed=6)
    around = np.pad(clip.double().numpy(), 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    power = np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(around, 1024)[::160] * window)) ** 2
    points = []
    for mel in np.linspace(60 * 3 / 200, 15 + 27 * np.log(7.8) / np.log(6.4), 66):
        points.append(mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27))
    bins = np.arange(513) * 16_000 / 1024
    filters = [
        np.interp(bins, [low, middle, high], [0, 1, 0]) * 2 / (high - low)
        for low, middle, high in zip(points, points[1:], points[2:], strict=False)
    ]
    level = np.log(power @ np.stack(filters).T + 2.0**-23)
    wanted = (level + 9.660292) / 4.7219563
    spectrum = tiny["2022"].compute_spectrum  # type: ignore[operator,union-attr]
    np.testing.assert_allclose(spectrum(clip[None])[0].T, wanted, atol=2e-3)  # type: ignore[operator]
    own = tiny["audiontt"].compute_spectrum(torch.stack([clip, clip * 1e-3]))  # type: ignore[operator,union-attr]
    np.testing.assert_allclose(own.mean(dim=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(own.std(dim=(1, 2)), 1, atol=1e-5)
