"""MusicFM: its published tensors, the answer of the code it is made of, its frames, its certificate."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from encoders import musicfm
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("musicfm")
NAMES = recorded.expand_names(FACTS["encoders"]["musicfm-msd"]["tensors"])


def tiny(columns: int = 750) -> musicfm.MusicFm:
    module = musicfm.MusicFm(musicfm.Config(**FACTS["golden"]["config"], columns=columns))
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


def test_published_tensors() -> None:
    with torch.device("meta"):
        module = musicfm.MusicFm(musicfm.Config())
    recorded.assert_is_the_published_model(module, NAMES, musicfm.rename)
    numbers = sum(8 if "num_batches" in name else 4 * math.prod(shape) for name, shape in NAMES.items())
    assert 0 < FACTS["bytes"] - numbers < 500 * len(NAMES)  # and what torch writes around each tensor


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(tiny(), NAMES, musicfm.rename)


def test_the_authors_code_answers_the_same() -> None:
    recorded.assert_golden(tiny(), NAMES, musicfm.rename, FACTS["golden"])


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (1199, 1), (1200, 2), (2160, 3), (24_000, 25), (60_137, 63)])
def test_frames_every_40_ms(samples: int, frames: int) -> None:
    assert tiny()(make_signal(samples, seed=1)[None]).shape == (1, frames, 16)


def test_certificate() -> None:
    certificate = certify(adapt(tiny()))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (960, 240)


def test_hidden_states_pieces_and_padding() -> None:
    encoder = tiny(columns=20)
    long, short = make_signal(60_000, seed=2), make_signal(17_333, seed=3)
    states = encoder.hidden_states(long[None])
    assert [state.shape for state in states] == [(1, 63, 16)] * 3
    assert torch.equal(states[-1], encoder(long[None]))
    first = torch.cat([encoder.layers[0](piece, None) for piece in states[0].split(20, dim=1)], dim=1)
    assert measure_difference(first[0], states[1][0]) < 1e-5
    batch = nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    batch[1, 17_333:] = 0.3
    a, b = encoder(batch, torch.tensor([60_000, 17_333]))
    alone = encoder(short[None])[0]
    assert measure_difference(states[-1][0], a) < 1e-5
    assert measure_difference(alone, b[: len(alone)]) < 1e-5
