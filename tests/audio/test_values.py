"""Samples, rates and lengths that no recording has are bounded, counted and said."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from bench.audio import decode, judge, libsndfile_decode, miniaudio_decode
from bench.audio.notes import compute_note_rates
from bench.types import BEYOND_SCALE, CANCELLED, SECOND_DECODER, DataError
from tests.helpers import sounds

RATE = 16_000
TONE = sounds.make_tone(8_000)


def notes_of(data: bytes) -> tuple[str, ...]:
    return decode.decode_file(data, where="here").notes


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("AIFF", "FLOAT"), ("W64", "DOUBLE")]
)
def test_floats_beyond_full_scale_are_kept_and_noted(container: str, subtype: str) -> None:
    for scale, noted in ((2.0, True), (1 / np.abs(TONE).max(), False)):
        data = sounds.encode(TONE * np.float32(scale), RATE, container, subtype)
        decoded = decode.decode_file(data, where="here")
        assert decoded.notes == ((BEYOND_SCALE,) if noted and np.abs(TONE).max() * scale > 1 else ())
        assert np.array_equal(decoded.audio, TONE * np.float32(scale))
    data = sounds.encode(TONE * 5, RATE, container, subtype)
    assert notes_of(data) == (BEYOND_SCALE,)
    assert decode.decode_mono(data, where="here")[0].max() > 1.5


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF"])
def test_integers_that_were_written_as_floats_are_an_error(container: str) -> None:
    data = sounds.encode(TONE * 32768, RATE, container, "FLOAT")
    with pytest.raises(DataError, match=r"clip is out of scale: got a peak of .*, expected at most 100"):
        decode.decode_mono(data, where="here")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_values_that_are_not_finite_are_an_error(value: float, subtype: str) -> None:
    audio = TONE.astype(np.float64)
    audio[77] = value
    with (
        np.errstate(over="ignore"),
        pytest.raises(DataError, match=r"not finite: got -?(nan|inf) at sample 77"),
    ):
        decode.decode_mono(sounds.encode(audio, RATE, "WAV", subtype), where="here")


def test_lossy_formats_may_overshoot() -> None:
    loud = np.sign(TONE) * np.float32(0.99)
    assert notes_of(sounds.encode(loud, RATE, "MP3")) == ()
    assert notes_of(sounds.encode(loud, RATE, "OGG", "VORBIS")) == ()


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 10_000_000, 0xFFFFFFF])
def test_rates_that_no_recording_has_are_an_error(rate: int) -> None:
    data = sounds.write_wave(TONE, RATE)
    data = data[:24] + struct.pack("<I", rate) + data[28:]
    with pytest.raises(DataError, match=rf"sampling rate of a clip: got {rate} Hz, expected 1000 Hz to 1000000 Hz"):
        decode.decode_mono(data, where="here")


@pytest.mark.parametrize("container", ["FLAC", "AIFF"])
def test_a_rate_of_1_hz_is_an_error_in_every_container(container: str) -> None:
    with pytest.raises(DataError, match="sampling rate of a clip: got 1 Hz"):
        decode.decode_mono(sounds.encode(TONE, 1, container), where="here")


@pytest.mark.parametrize("rate", [1_000, 384_000, 1_000_000])
def test_rates_of_unusual_recordings(rate: int) -> None:
    assert decode.decode_mono(sounds.write_wave(TONE, rate), where="here")[1] == rate


@pytest.mark.parametrize("container", ["WAV", "FLAC", "W64"])
def test_hours_of_silence_are_an_error(container: str) -> None:
    data = sounds.encode(np.zeros(3601 * 1000, dtype=np.int16), 1000, container)
    with pytest.raises(DataError, match=r"clip is too long: got 1 h in 1 channels, expected at most 1 h"):
        decode.decode_mono(data, where="here")
    data = sounds.encode(np.zeros(3600 * 1000, dtype=np.int16), 1000, container)
    assert len(decode.decode_mono(data, where="here")[0]) == 3_600_000


def test_hours_in_a_stream_of_unknown_length_are_an_error() -> None:
    data = sounds.encode(np.zeros(3 * 3600 * 1000, dtype=np.int16), 1000, "FLAC")
    with pytest.raises(DataError, match="clip is too long"):
        decode.decode_mono(sounds.set_flac(data, n_samples=0, md5=bytes(16)), where="here")


@pytest.mark.parametrize("n_channels", [2, 4])
def test_channels_that_cancel_are_noted(n_channels: int) -> None:
    audio = np.concatenate([TONE, -TONE] * (n_channels // 2), axis=1)
    for container in ("WAV", "FLAC", "AIFF"):
        assert notes_of(sounds.encode(audio, RATE, container)) == (CANCELLED,)
    assert decode.decode_resampled(sounds.encode(audio, RATE, "FLAC"), 8000, where="x").digest.endswith(";" + CANCELLED)


@pytest.mark.parametrize("n_channels", [2, 3, 8, 16])
def test_one_channel_of_many_is_no_cancelling(n_channels: int) -> None:
    audio = np.zeros((len(TONE), n_channels), dtype=np.float32)
    audio[:, -1] = TONE[:, 0]
    container = "FLAC" if n_channels <= 8 else "WAV"
    data = sounds.encode(audio, RATE, container)
    assert notes_of(data) == ()
    assert np.allclose(decode.decode_mono(data, where="here")[0], TONE[:, 0] / n_channels, atol=1e-7)
    assert notes_of(sounds.encode(audio * 0, RATE, container)) == ()  # silence is no cancelling


def test_what_one_decoder_refuses_the_other_may_prove(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("miniaudio")

    def refuse(data: bytes, where: str) -> None:
        raise DataError("clip does not decode", got="lost sync (libsndfile)", expected="flac", where=where)

    monkeypatch.setattr(libsndfile_decode, "read_sound", refuse)
    mp3 = sounds.encode(TONE, RATE, "MP3")
    assert notes_of(mp3) == (SECOND_DECODER,)
    flac = sounds.build_flac(TONE)
    assert np.array_equal(decode.decode_mono(flac, where="x")[0], TONE[:, 0])
    (part,) = judge.split_parts(flac, "x")
    assert judge.decode_part(part, "x").decoder == "miniaudio"
    monkeypatch.setattr(miniaudio_decode, "load_miniaudio", lambda: None)
    for data in (mp3, flac):
        with pytest.raises(DataError, match=r"not decode: got lost sync \(libsndfile\)(.|\n)*pip install miniaudio"):
            decode.decode_mono(data, where="x")


def test_who_judged_stands_in_the_error() -> None:
    data = sounds.encode(TONE, RATE, "FLAC")
    with pytest.raises(DataError, match=r"\(miniaudio\).*\(libsndfile \d.*\)"):
        decode.decode_mono(data[: len(data) // 2], where="x")


def test_the_rates_of_a_row() -> None:
    clips = ["0a", f"0b;{CANCELLED}", f"0c;{BEYOND_SCALE};{CANCELLED}", "0d"]
    assert compute_note_rates(clips) == {BEYOND_SCALE: 0.25, CANCELLED: 0.5}


def test_the_recipe_is_part_of_addresses() -> None:
    source = (Path(decode.__file__).parents[1] / "extraction" / "pooled.py").read_text()
    assert "recipe=decode.RECIPE" in source
    assert "promised end" in decode.RECIPE
