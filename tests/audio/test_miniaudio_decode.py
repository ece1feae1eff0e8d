"""The quick decoder gives libsndfile's samples, bit by bit, and leaves to libsndfile what it does not know."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.audio import decode, miniaudio_decode
from bench.types import DataError

pytest.importorskip("miniaudio", reason="to run it: pip install miniaudio (no wheel for every platform)")
QUICK = [("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("WAV", "PCM_16"), ("WAV", "PCM_24")]
QUICK += [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAVEX", "PCM_16"), ("WAVEX", "FLOAT")]
SLOW = [("WAV", "PCM_U8"), ("WAV", "PCM_32"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM")]
SLOW += [("OGG", "VORBIS"), ("W64", "PCM_16")]


def encoded(kind: tuple[str, str], n: int, n_channels: int, seed: int, rate: int = 16000) -> bytes:
    rng = np.random.default_rng(seed)
    tone = 0.8 * np.sin(0.05 * np.arange(n)[:, None] * (1 + np.arange(n_channels)))
    buffer = io.BytesIO()
    soundfile.write(buffer, tone + 0.3 * rng.standard_normal(tone.shape), rate, format=kind[0], subtype=kind[1])
    return buffer.getvalue()


def by_libsndfile(data: bytes) -> tuple[np.ndarray, int]:
    audio, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return audio, rate


@given(
    st.sampled_from(QUICK), st.integers(1, 6000), st.integers(1, 3), st.integers(0, 99), st.sampled_from([8000, 44100])
)
def test_the_same_bits(kind: tuple[str, str], n: int, n_channels: int, seed: int, rate: int) -> None:
    data = encoded(kind, n, n_channels, seed, rate)
    got = miniaudio_decode.decode_with_miniaudio(data)
    assert got is not None
    expected, expected_rate = by_libsndfile(data)
    assert got[0].shape == expected.shape
    assert got[0].tobytes() == expected.tobytes()
    assert got[1] == expected_rate == rate


@pytest.mark.parametrize("kind", SLOW)
def test_what_it_does_not_know_is_left_to_libsndfile(kind: tuple[str, str]) -> None:
    data = encoded(kind, 3000, 1, 0)
    assert miniaudio_decode.decode_with_miniaudio(data) is None
    assert np.array_equal(decode.decode_mono(data, where="x")[0], by_libsndfile(data)[0][:, 0])


@given(
    st.sampled_from(QUICK),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=3),
)
@settings(max_examples=300)
def test_of_damaged_clips_it_gives_nothing_else_than_libsndfile(
    kind: tuple[str, str], n: int, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(encoded(kind, n, 1, 0))
    for place, value in changes:
        damaged[place % len(damaged)] = value
    got = miniaudio_decode.decode_with_miniaudio(bytes(damaged))
    assume(got is not None)
    assert got is not None
    try:
        expected, rate = decode.decode_with_libsndfile(bytes(damaged), "x")
    except DataError:  # as some do that are damaged beside the samples
        return
    assert got[0].tobytes() == expected.tobytes()
    assert got[1] == rate


@pytest.mark.parametrize(("container", "at", "n"), [("FLAC", 18, 3), ("WAV", 24, 4), ("WAV", 22, 2)])
def test_a_rate_of_0_hz_and_no_channels_are_errors(container: str, at: int, n: int) -> None:
    data = bytearray(encoded((container, "PCM_16"), 300, 1, 0))
    data[at : at + n] = bytes([*bytes(n - 1), data[at + n - 1] & 0x0F if container == "FLAC" else 0])
    with pytest.raises(DataError, match="clip does not decode"):
        decode.decode_mono(bytes(data), where="x")


def test_a_clip_can_be_written_to() -> None:
    audio, _ = decode.decode_mono(encoded(("FLAC", "PCM_16"), 100, 1, 0), where="x")
    audio *= 2


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("FLAC", "PCM_24")])
def test_without_miniaudio_all_is_libsndfiles(kind: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(kind, 500, 2, 1)
    there = decode.decode_channels(data, where="x")
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    miniaudio_decode.load_miniaudio.cache_clear()
    try:
        assert miniaudio_decode.decode_with_miniaudio(data) is None
        without = decode.decode_channels(data, where="x")
    finally:
        miniaudio_decode.load_miniaudio.cache_clear()
    assert without[0].tobytes() == there[0].tobytes()
    assert without[1] == there[1]


@pytest.mark.parametrize("promised", [2**35 - 1, 2**36 - 1])
@pytest.mark.parametrize("n_channels", [1, 8])
def test_a_header_that_promises_too_much_is_an_error(promised: int, n_channels: int) -> None:
    data = bytearray(encoded(("FLAC", "PCM_16"), 300, n_channels, 0))
    data[21] = data[21] & 0xF0 | promised >> 32
    data[22:26] = (promised & 0xFFFFFFFF).to_bytes(4, "big")
    with pytest.raises(DataError, match=r"clip does not decode|clip is cut short"):
        decode.decode_mono(bytes(data), where="x")
