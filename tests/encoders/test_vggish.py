"""VGGish and YAMNet: their published tensors, their authors' output, their frames, their certificates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import vggish, yamnet
from encoders.parts.weights import fill
from tests.helpers import encoder_facts as recorded

FACTS = {family: recorded.read_facts(family) for family in ("vggish", "yamnet")}
NAMES = {family: recorded.expand_names(FACTS[family]["encoders"][family]["tensors"]) for family in FACTS}
RENAME = {"vggish": vggish.rename, "yamnet": yamnet.rename}
both = pytest.mark.parametrize("family", FACTS)


def narrow(family: str) -> nn.Module:
    golden = FACTS[family]["golden"]
    module: nn.Module
    if family == "vggish":
        module = vggish.Vggish(tuple(map(tuple, golden["stages"])), golden["hidden"], golden["dim"])
    else:
        module = yamnet.Yamnet(tuple(map(tuple, golden["layers"])))
    weights = recorded.plant_weights(
        recorded.select_names(module, NAMES[family], RENAME[family]), golden.get("gain", 1.0)
    )
    fill(module, weights, RENAME[family], where="here")
    return module.eval().requires_grad_(False)


@both
def test_published_tensors(family: str) -> None:
    with torch.device("meta"):
        module = vggish.Vggish() if family == "vggish" else yamnet.Yamnet()
    recorded.assert_is_the_published_model(module, NAMES[family], RENAME[family])


@both
def test_other_weights_are_refused(family: str) -> None:
    recorded.assert_other_weights_are_refused(narrow(family), NAMES[family], RENAME[family])


@both
def test_the_authors_code_answers_the_same(family: str) -> None:
    recorded.assert_golden(narrow(family), NAMES[family], RENAME[family], FACTS[family]["golden"])


@pytest.mark.parametrize(
    ("samples", "examples", "patches"),
    [(100, 1, 1), (15_600, 1, 1), (15_601, 1, 2), (23_280, 1, 2), (23_281, 1, 3), (30_959, 1, 3), (30_960, 2, 3)],
)
def test_frames(samples: int, examples: int, patches: int) -> None:
    audio = make_signal(samples, seed=1)[None]
    assert narrow("vggish")(audio).shape == (1, examples, 6)
    assert narrow("yamnet")(audio).shape == (1, patches, 8)


@both
def test_certificate(family: str) -> None:
    certificate = certify(adapt(narrow(family)))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert certificate.hop_in_samples == (15_360 if family == "vggish" else 7680)


@both
def test_padding_changes_nothing(family: str) -> None:
    encoder = narrow(family)
    long, short = make_signal(60_000, seed=2), make_signal(23_333, seed=3)
    batch = nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    batch[1, 23_333:] = 0.3
    first, second = encoder(batch, torch.tensor([60_000, 23_333]))
    alone = encoder(short[None])[0]
    assert measure_difference(encoder(long[None])[0], first) < 1e-5
    assert measure_difference(alone, second[: len(alone)]) < 1e-5


def test_yamnet_hears_the_end_and_vggish_no_half_example() -> None:
    clip = make_signal(16_000, seed=4)
    other = clip.clone()
    other[15_700:] *= -0.5
    assert torch.equal(narrow("vggish")(clip[None]), narrow("vggish")(other[None]))
    assert measure_difference(narrow("yamnet")(clip[None])[0], narrow("yamnet")(other[None])[0]) > 1e-3
