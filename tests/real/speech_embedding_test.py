"""Google's speech embedding on real speech: our windows against openWakeWord's own, and its recorded answers.

    SPEECH_EMBEDDING=openwakeword-0.5.1-py3-none-any.whl SPOKEN_DIGITS=folder pytest tests/real/speech_embedding_test.py

SPEECH_EMBEDDING is what ``pip download --no-deps openwakeword==0.5.1`` brings; SPOKEN_DIGITS has the shards of the Free
Spoken Digit Dataset. Skipped without them and without onnxruntime; the comparison also where openwakeword is not
installed. Golden values: openWakeWord 0.5.1 with onnxruntime 1.31 on twelve recordings one after another, with silence
around them as in the comparison; the largest values of the mean.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from encoders import speech_embedding as module
from tests.helpers.skips import needs_files
from tests.real.whisper_base_test import clips

WHEEL = os.environ.get("SPEECH_EMBEDDING")
pytestmark = needs_files(SPEECH_EMBEDDING="WHEEL", SPOKEN_DIGITS="FOLDER")
GOLDEN = {37: 25.97203, 39: 25.26399, 42: 49.4061, 57: 26.70638, 79: -32.67883, 89: 26.58092}  # position -> value


@pytest.fixture(scope="module")
def encoder() -> module.SpeechEmbedding:
    pytest.importorskip("onnxruntime", reason='to run it: pip install ".[onnx]"')
    return module.load_weights(Path(str(WHEEL)), "cpu")


def some() -> list[Tensor]:
    """Clips of 16-bit numbers, the only ones that openWakeWord takes."""
    return [(clip * 32_767).round() / 32_768 for clip in (torch.cat(clips(12)), *clips(5))]


def test_wheel_is_the_published_one() -> None:
    assert hashlib.sha256(Path(str(WHEEL)).read_bytes()).hexdigest() == module.WHEEL.sha256


def test_certificate(encoder: module.SpeechEmbedding) -> None:
    assert certify(adapt(encoder)).passed


def test_golden_embedding(encoder: module.SpeechEmbedding) -> None:
    mean = encoder(some()[0][None])[0].mean(0)
    torch.testing.assert_close(mean[list(GOLDEN)], torch.tensor(list(GOLDEN.values())), atol=1e-3, rtol=1e-4)


def test_frames_agree_with_openwakeword(encoder: module.SpeechEmbedding) -> None:
    """Which is given the silence around a clip that puts its windows where ours are."""
    utils = pytest.importorskip("openwakeword.utils", reason="to run it: pip install openwakeword")
    original = utils.AudioFeatures()
    for clip in some():
        around = np.pad((clip * 32_768).to(torch.int16).numpy(), module.WINDOW // 2)
        wanted = torch.from_numpy(original._get_embeddings(around)).reshape(-1, module.WIDTH)
        frames = encoder(clip[None])[0]
        assert frames.shape == wanted.shape
        assert torch.cosine_similarity(wanted, frames).min() > 0.9999
