"""Whisper base on real speech: the wrapper against transformers' own feature extractor and encoder.

    WHISPER_BASE=folder SPOKEN_DIGITS=folder pytest tests/real/whisper_base_test.py

WHISPER_BASE is what ``whisper_from_ctranslate2`` writes (or a download of openai/whisper-base), SPOKEN_DIGITS has
WebDataset shards with FLAC clips. Skipped without them.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from encoders import hf
from tests.helpers.skips import needs_files

torchaudio_safe.install()
MODEL, DIGITS = os.environ.get("WHISPER_BASE"), os.environ.get("SPOKEN_DIGITS")
pytestmark = needs_files(WHISPER_BASE="FOLDER", SPOKEN_DIGITS="FOLDER")


def clips(count: int) -> list[torch.Tensor]:
    with tarfile.open(sorted(Path(str(DIGITS)).glob("test*.tar"))[0]) as tar:
        members = [member for member in tar.getmembers() if member.name.endswith(".flac")]
        audio = []
        for member in members[:: len(members) // count][:count]:
            file = tar.extractfile(member)
            assert file is not None
            samples, rate = soundfile.read(io.BytesIO(file.read()), dtype="float32")
            audio.append(torch.from_numpy(soxr.resample(samples, rate, 16_000).astype(np.float32)))
    return audio


def test_encoder_alone_and_padded_agrees_with_transformers() -> None:
    from transformers import WhisperFeatureExtractor, WhisperModel

    encoder = adapt(hf.build_spec(str(MODEL)).load("cpu"))
    extractor = WhisperFeatureExtractor.from_pretrained(MODEL)
    own = WhisperModel.from_pretrained(MODEL, dtype=torch.float32).eval().encoder
    some = clips(6)
    lengths = torch.tensor([len(clip) for clip in some])
    with torch.inference_mode():
        batch = encoder(torch.nn.utils.rnn.pad_sequence(some, batch_first=True), lengths)
        for clip, row in zip(some, batch, strict=True):
            mel = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
            wanted = own(mel).last_hidden_state[0, : -(-len(clip) // 320)]
            for frames in (encoder(clip[None])[0], row[: len(wanted)]):
                assert frames.shape == wanted.shape
                assert torch.nn.functional.cosine_similarity(wanted, frames).min() > 0.9999
                assert (wanted.mean(0) - frames.mean(0)).abs().max() < 1e-4


def test_certificate() -> None:
    certificate = certify(adapt(hf.build_spec(str(MODEL)).load("cpu")))
    assert certificate.passed
    assert (certificate.policy, certificate.hop_in_samples, certificate.first_frame_in_samples) == ("padded", 320, 1)
