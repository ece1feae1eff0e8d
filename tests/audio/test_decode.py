"""Decoding, resampling, cropping and batching."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from bench.audio import decode
from bench.extraction import batching
from bench.types import DataError


def encoded(audio: np.ndarray, rate: int, container: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=container)
    return buffer.getvalue()


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_decodes_to_mono(container: str) -> None:
    time = np.arange(16000) / 16000
    stereo = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), np.zeros_like(time)], axis=1)
    audio, rate = decode.decode_mono(encoded(stereo, 16000, container), where="here")
    assert rate == 16000
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert np.abs(audio).max() == pytest.approx(0.25, abs=0.02)  # the mean of the two channels
    assert np.abs(np.fft.rfft(audio)).argmax() / (len(audio) / 16000) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("data", [b"", b"not audio", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_does_not_decode_names_the_clip(data: bytes) -> None:
    with pytest.raises(DataError, match=r"clip does not decode.*shard.tar:clip-7"):
        decode.decode_mono(data, where="shard.tar:clip-7")


@pytest.mark.parametrize("container", ["FLAC", "WAV", "WAVEX"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.999])
def test_a_truncated_clip_is_an_error(container: str, kept: float) -> None:
    data = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000, container)
    with pytest.raises(DataError, match=r"cut short|does not decode"):
        decode.decode_mono(data[: int(kept * len(data))], where="x")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_from_a_pipe_has_the_length_that_it_has(size: int) -> None:
    data = bytearray(encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 1000), 16000, "WAV"))
    place = data.index(b"data") + 4
    data[place : place + 4] = size.to_bytes(4, "little")
    assert len(decode.decode_mono(bytes(data), where="x")[0]) == 1000


def test_empty_and_not_finite_clips_are_errors() -> None:
    with pytest.raises(DataError, match="empty"):
        decode.decode_mono(encoded(np.zeros(0), 16000, "WAV"), where="x")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.array([0.0, np.nan, 0.1], dtype=np.float32), 16000, format="WAV", subtype="FLOAT")
    with pytest.raises(DataError, match="not finite: got nan at sample 1"):
        decode.decode_mono(buffer.getvalue(), where="x")


@given(st.integers(1, 4000), st.sampled_from([8000, 22050, 44100, 48000]))
def test_resampling_keeps_duration(n: int, rate: int) -> None:
    audio = decode.resample(np.zeros(n, dtype=np.float32), rate, 16000)
    assert abs(len(audio) - n * 16000 / rate) <= 1
    assert len(audio) >= 1


def test_resampling_keeps_a_tone() -> None:
    time = np.arange(44100) / 44100
    out = decode.resample(np.sin(2 * np.pi * 1000 * time).astype(np.float32), 44100, 16000)
    want = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / 16000)
    assert np.abs(out - want)[200:-200].max() < 1e-3


@given(st.integers(1, 10**6), st.floats(0.1, 30) | st.none())
def test_crops_cover_every_sample(n: int, crop_in_s: float | None) -> None:
    windows = decode.list_crops(n, 16000, crop_in_s)
    covered = np.zeros(n, dtype=bool)
    for start, stop in windows:
        assert 0 <= start < stop <= n
        covered[start:stop] = True
    assert covered.all()
    if crop_in_s is not None and n > round(crop_in_s * 16000):
        assert {stop - start for start, stop in windows} == {round(crop_in_s * 16000)}


@given(
    st.lists(st.integers(1, 5000), max_size=60),
    st.sampled_from(["padded", "equal_length", "single"]),
    st.integers(1, 20000),
    st.integers(1, 16),
)
def test_batches_are_a_partition_within_the_budget(lengths: list[int], policy: str, budget: int, most: int) -> None:
    batches = batching.plan_batches(lengths, policy, budget=budget, max_clips=most)  # type: ignore[arg-type]
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[index] for index in batch]
        assert len(batch) == 1 or max(sizes) * len(batch) <= budget
        assert len(batch) <= most
        if policy == "equal_length":
            assert len(set(sizes)) == 1
        if policy == "single":
            assert len(batch) == 1
