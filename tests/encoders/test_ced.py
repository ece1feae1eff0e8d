"""CED: its published tensors, its authors' output, its frames, its certificate."""

from __future__ import annotations

import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import ced
from encoders.dasheng import MelTransformer, rename
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("ced")
SIZES = {"ced_tiny": ced.TINY, "ced_mini": ced.MINI, "ced_small": ced.SMALL, "ced_base": ced.BASE}


def names(encoder: str) -> dict[str, tuple[int, ...]]:
    return recorded.expand_names(FACTS["encoders"][encoder]["tensors"])


@pytest.fixture(scope="module")
def tiny() -> MelTransformer:
    module = MelTransformer(ced.build_config(8, 2, depth=2))
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("encoder", SIZES)
def test_published_tensors(encoder: str) -> None:
    with torch.device("meta"):
        module = MelTransformer(SIZES[encoder])
    found = names(encoder)
    recorded.assert_is_the_published_model(module, found, rename)
    on_the_hub = {
        name if name.startswith("outputlayer.") else f"encoder.{name.replace('init_bn.1', 'init_bn')}": shape
        for name, shape in found.items()
        if not name.startswith("front_end")
    }
    recorded.assert_is_the_published_model(module, on_the_hub, rename)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(
        MelTransformer(ced.build_config(8, 2, depth=2)), names("ced_tiny"), rename
    )


def test_the_authors_code_answers_the_same() -> None:
    golden = FACTS["golden"]
    module = MelTransformer(ced.build_config(**golden["config"]))
    recorded.assert_golden(module, names("ced_tiny"), rename, golden)


@pytest.mark.parametrize(
    ("samples", "frames"), [(320, 1), (800, 1), (2399, 1), (2560 + 2399, 1), (2560 + 2400, 2), (16_000, 6)]
)
def test_frames_every_160_ms(samples: int, frames: int, tiny: MelTransformer) -> None:
    assert tiny(make_signal(samples, seed=1)[None]).shape == (1, frames, 8)


def test_certificate(tiny: MelTransformer) -> None:
    certificate = certify(adapt(tiny))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (2560, 2400)


def test_long_clips_and_hidden_states(tiny: MelTransformer) -> None:
    audio = make_signal(200_000, seed=3)[None]
    layers = tiny.hidden_states(audio)
    assert [layer.shape for layer in layers] == [(1, 78, 8)] * 3
    assert torch.equal(layers[-1], tiny(audio))
    lengths = torch.tensor([200_000, 30_000])
    short = make_signal(30_000, seed=4)
    padded = torch.stack([audio[0], torch.nn.functional.pad(short, (0, 170_000))])
    long_row, short_row = tiny(padded, lengths)
    assert measure_difference(layers[-1][0], long_row) < 1e-5
    assert measure_difference(tiny(short[None])[0], short_row[:11]) < 1e-5
