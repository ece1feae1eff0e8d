"""ATST-Clip and ATST-Frame: their published tensors, their authors' output, their frames, their certificates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import atst
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("atst")
CONFIGS = {
    "atst_clip_small": atst.CLIP_SMALL,
    "atst_clip_base": atst.CLIP_BASE,
    "atst_frame_small": atst.FRAME_SMALL,
    "atst_frame_base": atst.FRAME_BASE,
}
TINY = {kind: atst.Config(8, 2, 2, clip=kind == "clip") for kind in ("clip", "frame")}
both = pytest.mark.parametrize("kind", TINY)


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS["encoders"][encoder]["tensors"])


@pytest.fixture(scope="module")
def tiny() -> dict[str, atst.Atst]:
    made = {}
    for kind, config in TINY.items():
        module = atst.Atst(config)
        module.load_state_dict(recorded.plant_weights({k: tuple(v.shape) for k, v in module.state_dict().items()}))
        made[kind] = module.eval().requires_grad_(False)
    return made


@pytest.mark.parametrize("encoder", CONFIGS)
def test_published_tensors(encoder: str) -> None:
    with torch.device("meta"):
        module = atst.Atst(CONFIGS[encoder])
    recorded.assert_is_the_published_model(module, names(encoder), atst.rename)


@both
def test_other_weights_are_refused(kind: str) -> None:
    module, found = atst.Atst(TINY[kind]), names(f"atst_{kind}_small")
    recorded.assert_other_weights_are_refused(module, found, atst.rename)


@both
def test_the_authors_code_answers_the_same(kind: str) -> None:
    module = atst.Atst(TINY[kind])
    recorded.assert_golden(module, names(f"atst_{kind}_small"), atst.rename, FACTS["golden"][kind])


@both
@pytest.mark.parametrize(("samples", "frames"), [(320, 1), (800, 1), (16_000, 25), (16_480, 26), (165_000, 258)])
def test_frames_every_40_ms(kind: str, samples: int, frames: int, tiny: dict[str, atst.Atst]) -> None:
    assert tiny[kind](make_signal(samples, seed=1)[None]).shape == (1, frames, 16 if kind == "clip" else 8)


@both
def test_certificate(kind: str, tiny: dict[str, atst.Atst]) -> None:
    certificate = certify(adapt(tiny[kind]))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert certificate.hop_in_samples == 640


@both
def test_hidden_states(kind: str, tiny: dict[str, atst.Atst]) -> None:
    encoder = tiny[kind]
    audio = make_signal(170_000, seed=3)[None]
    entered, first, last = encoder.hidden_states(audio)
    assert entered.shape == first.shape == last.shape == encoder(audio).shape
    assert measure_difference(entered[0], first[0]) > 0.1
    assert torch.equal(last, encoder(audio))
    halves = first.split(8, dim=2)
    undone = [(half - encoder.norm.bias) / encoder.norm.weight for half in halves]
    assert max(float(half.mean(dim=2).abs().max()) for half in undone) < 1e-4  # normalised
    if kind == "clip":  # one token for each piece of 250 patches, before each of them
        assert torch.equal(last[0, :250, :8], last[0, :1, :8].expand(250, 8))
        assert measure_difference(last[0, :1, :8], last[0, 250:251, :8]) > 1e-3


def test_spectrum_is_torchaudio_s(tiny: dict[str, atst.Atst]) -> None:
    transforms = recorded.import_torchaudio("transforms")
    mel = transforms.MelSpectrogram(16_000, n_fft=1024, hop_length=160, n_mels=64, f_min=60, f_max=7800)
    clips = torch.stack([make_signal(9_999, seed=6) * 1e-3, make_signal(9_999, seed=7)])
    wanted = [transforms.AmplitudeToDB(stype="power", top_db=80)(mel(clip[None])) for clip in clips]
    scaled = (torch.cat(wanted) + 79.6482) / (50.6842 + 79.6482) * 2 - 1
    np.testing.assert_allclose(tiny["frame"].compute_spectrum(clips), scaled, atol=1e-4)
