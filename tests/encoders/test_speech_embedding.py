"""Google's speech embedding with networks of our own in place of ONNX ones: windows, certificate, fingerprint."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.loading.fingerprint import compute_fingerprint
from bench.types import EncoderError
from encoders import speech_embedding as module
from encoders.speech_embedding import Array, SpeechEmbedding


def made(seed: int = 0, digest: str = "one") -> SpeechEmbedding:
    """Spectra and windows as the published networks take and give them, with other numbers in between."""
    generator = np.random.default_rng(seed)
    filters = generator.normal(size=(512, module.BANDS)).astype(np.float32)
    matrix = generator.normal(size=(module.SPECTRA * module.BANDS, module.WIDTH)).astype(np.float32) / 500

    def mel(samples: Array) -> Array:
        assert samples.dtype == np.float32
        frames = np.lib.stride_tricks.sliding_window_view(samples[0], 512)[::160]
        return (10 * np.log10(np.square(frames @ filters) + 1))[None, None]

    def embed(windows: Array) -> Array:
        assert windows.dtype == np.float32
        assert windows.shape[1:] == (module.SPECTRA, module.BANDS, 1)
        return np.tanh(windows.reshape(len(windows), -1) @ matrix)[:, None, None]

    return SpeechEmbedding(mel, embed, {"embedding_model.onnx": digest}).eval()


def test_certificate() -> None:
    certificate = certify(adapt(made()))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (1280, 0)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (1279, 1), (1280, 2), (16_000, 13)])
def test_frames_every_80_ms(samples: int, frames: int) -> None:
    assert made()(make_signal(samples, seed=1)[None]).shape == (1, frames, 96)


def test_a_window_is_centred_and_a_clip_alone() -> None:
    clip = make_signal(20_000, seed=2)
    changed = clip.clone()
    changed[6 * 1280 + 6256 :] = 0
    pairs = zip(made()(clip[None])[0], made()(changed[None])[0], strict=True)
    assert [measure_difference(a[None], b[None]) > 1e-5 for a, b in pairs] == [i > 6 for i in range(16)]
    batch = made()(torch.stack([changed, clip]), torch.tensor([9000, 20_000]))
    assert measure_difference(made()(changed[None, :9000])[0], batch[0, :8]) < 1e-6
    assert batch[0, 8:].abs().max() == 0


def test_the_fingerprint_follows_the_hidden_networks() -> None:
    first = compute_fingerprint(adapt(made()))
    assert compute_fingerprint(adapt(made())) == first
    assert compute_fingerprint(adapt(copy.deepcopy(made()))) == first
    assert compute_fingerprint(adapt(made(seed=1))) != first
    assert compute_fingerprint(adapt(made(digest="two"))) != first


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match=r"expected melspectrogram\.onnx and embedding_model\.onnx"):
        module.load_weights(tmp_path, "cpu")
    for name in module.FILES:
        (tmp_path / name).write_bytes(b"no network")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    missing = r'missing package: .* expected pip install "\.\[onnx\]"'
    with pytest.raises(EncoderError, match=missing):
        module.load_weights(tmp_path, "cpu")
    with pytest.raises(EncoderError, match=missing):
        module.load("cpu")


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason='to run it: pip install ".[onnx]"')
    for name in module.FILES:
        (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(EncoderError, match="expected an ONNX network"):
        module.load_weights(tmp_path, "cpu")
