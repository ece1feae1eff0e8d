"""MFCC against torchaudio, eGeMAPS against opensmile where it is installed, and what is said where it is not."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import TOLERANCE, certify, make_signal, measure_difference
from bench.types import EncoderError
from encoders import egemaps, logmel, mfcc


def test_mfcc_certificate() -> None:
    certificate = certify(adapt(mfcc.load("cpu")))
    assert certificate.passed
    assert (certificate.policy, certificate.hop_in_samples, certificate.first_frame_in_samples) == ("padded", 160, 400)


def test_mfcc_is_torchaudio_s_dct_and_deltas() -> None:
    torchaudio = torchaudio_safe.load()
    if torchaudio is None:
        pytest.skip("to run it: pip install torchaudio, of the version of torch")
    functional = torchaudio.functional
    clip = make_signal(12_000, seed=1)
    cepstra = (logmel.load("cpu")(clip[None])[0, :, :64] @ functional.create_dct(20, 64, "ortho")).T
    first = functional.compute_deltas(cepstra)
    frames = torch.cat([cepstra, first, functional.compute_deltas(first)]).T
    wanted = torch.cat([frames, frames.std(0, correction=0).expand_as(frames)], dim=1)
    assert measure_difference(wanted, mfcc.load("cpu")(clip[None])[0]) <= TOLERANCE


def test_mfcc_of_padded_clips_is_that_of_clips_alone() -> None:
    some = [make_signal(n, seed=n) for n in (300, 5_003, 9_000)]
    lengths = torch.tensor([len(clip) for clip in some])
    encoder = mfcc.load("cpu")
    batch = encoder(nn.utils.rnn.pad_sequence(some, batch_first=True), lengths)
    for clip, row in zip(some, batch, strict=True):
        alone = encoder(clip[None])[0]
        assert measure_difference(alone, row[: len(alone)]) <= TOLERANCE


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(EncoderError, match=r'missing package: .* expected pip install "\.\[opensmile\]"'):
        egemaps.egemaps.load("cpu")


@pytest.mark.filterwarnings("ignore")
def test_egemaps_is_opensmile_s_own() -> None:
    opensmile = pytest.importorskip("opensmile", reason='to run it: pip install ".[opensmile]"')
    encoder = egemaps.load("cpu")
    certificate = certify(adapt(encoder))
    assert certificate.passed
    assert (certificate.policy, certificate.hop_in_samples, certificate.first_frame_in_samples) == ("padded", 160, 1)
    clip = make_signal(16_123, seed=4)
    features = opensmile.FeatureSet.eGeMAPSv02
    smile = opensmile.Smile(feature_set=features, feature_level=opensmile.FeatureLevel.Functionals)
    wanted = torch.from_numpy(smile.process_signal(clip.numpy(), 16_000).to_numpy()).float()
    assert measure_difference(wanted, encoder(clip[None])[0].mean(0)[None]) <= TOLERANCE
