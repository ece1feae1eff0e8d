"""A promised length is kept or it is an error; without a promise a file is decoded to its end."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from bench.audio import decode, miniaudio_decode
from bench.types import BROKEN_FRAMES, DataError
from tests.helpers import sounds

N = 48_000
RATE = 16_000
TONE = sounds.make_tone(N)
CONTAINERS = {
    "wav": ("WAV", "PCM_16"),
    "wav8": ("WAV", "PCM_U8"),
    "wav24": ("WAV", "PCM_24"),
    "wav32": ("WAV", "PCM_32"),
    "wav float": ("WAV", "FLOAT"),
    "wav double": ("WAV", "DOUBLE"),
    "wav mu-law": ("WAV", "ULAW"),
    "wav adpcm": ("WAV", "IMA_ADPCM"),
    "wav extensible": ("WAVEX", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "aiff float": ("AIFF", "FLOAT"),
    "aiff mu-law": ("AIFF", "ULAW"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "sphere": ("NIST", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "flac24": ("FLAC", "PCM_24"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", None),
}
FILES = {name: sounds.encode(TONE, RATE, *kind) for name, kind in CONTAINERS.items()}
FILES["wave"] = sounds.write_wave(TONE, RATE)
FILES["flac by hand"] = sounds.build_flac(TONE)
IS_BROKEN = r"clip (is cut short|is damaged|does not decode|is empty)"


def read(data: bytes) -> np.ndarray:
    audio, rate = decode.decode_mono(data, where="here")
    assert rate == RATE
    return audio


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_has_all_of_its_samples(name: str) -> None:
    decoded = decode.decode_file(FILES[name], where="here")
    assert decoded.notes == ()
    assert abs(len(decoded.audio) - N) <= (1024 if "adpcm" in name else 0)
    correlation = np.corrcoef(decoded.audio[:N, 0], TONE[:, 0])[0, 1]
    assert correlation > 0.97


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_is_an_error(name: str, kept: float) -> None:
    data = FILES[name]
    with pytest.raises(DataError, match=IS_BROKEN):
        read(data[: int(kept * len(data))])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_in_its_headers_is_an_error(name: str) -> None:
    """At each byte of the first 120, where headers begin and end, and one byte before its end."""
    data = FILES[name]
    for kept in [*range(120), len(data) - 1]:
        with pytest.raises(DataError, match=IS_BROKEN):
            read(data[:kept])


@pytest.mark.parametrize("junk", [b"\0", bytes(3000), b"TAG" + bytes(125), b"no sound at all" * 9], ids=len)
@pytest.mark.parametrize("name", FILES)
def test_what_follows_the_end_changes_nothing(name: str, junk: bytes) -> None:
    decoded = decode.decode_file(FILES[name] + junk, where="here")
    assert decoded.notes == ()
    assert decoded.audio.tobytes() == decode.decode_file(FILES[name], where="here").audio.tobytes()


@pytest.mark.parametrize("name", ["wav", "flac", "flac by hand", "vorbis", "opus", "mp3"])
def test_a_tag_in_front_changes_nothing(name: str) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
    assert np.array_equal(read(tag + FILES[name]), read(FILES[name]))


@pytest.mark.parametrize("name", ["wav", "wave", "flac", "flac by hand", "vorbis", "opus", "mp3"])
@pytest.mark.parametrize("between", [b"", b"TAG" + bytes(125)], ids=["", "tag"])
def test_joined_files_are_heard_one_after_another(name: str, between: bytes) -> None:
    if between and name.startswith("wav"):
        between = b""
    other = {"wave": sounds.write_wave, "flac by hand": sounds.build_flac}.get(name)
    second = sounds.make_tone(20_000, seed=1)
    if other is None:
        container = CONTAINERS[name]
        joined = FILES[name] + between + sounds.encode(second, RATE, *container)
        parts = [read(FILES[name]), read(sounds.encode(second, RATE, *container))]
    else:
        joined = FILES[name] + between + other(second, RATE)
        parts = [read(FILES[name]), read(other(second, RATE))]
    assert len(parts[1]) == 20_000
    assert np.array_equal(read(joined), np.concatenate(parts))
    with pytest.raises(DataError, match=IS_BROKEN):
        read(joined[:-2000])


@pytest.mark.parametrize("name", ["wav", "flac", "vorbis", "opus", "mp3"])
def test_joined_files_of_two_rates_are_an_error(name: str) -> None:
    other = sounds.encode(TONE, 24_000 if name == "opus" else 22_050 if name == "mp3" else 8_000, *CONTAINERS[name])
    with pytest.raises(DataError, match="streams of a clip differ"):
        read(FILES[name] + other)


# --------------------------------------------------------------------------------------- WAV and the like


@pytest.mark.parametrize("name", ["wav", "wav8", "wav24", "wav32", "wav float", "wav double", "wav mu-law", "wave"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0x7FFFFFFF])
def test_a_wav_that_was_written_to_a_pipe_is_decoded_to_its_end(name: str, size: int) -> None:
    assert np.array_equal(read(sounds.set_wav_size(FILES[name], size)), read(FILES[name]))


def test_an_empty_wav_is_an_error_whatever_follows() -> None:
    form = sounds.build_format(1, 1, RATE, 16)
    for more in ([], [(b"LIST", b"INFOIART\x04\0\0\0me!\0")]):
        with pytest.raises(DataError, match="clip is empty"):
            read(sounds.build_wav([form, (b"data", b""), *more]))


@pytest.mark.parametrize("n_list", [4, 25, 26])
@pytest.mark.parametrize("tag", [1, -1])
def test_chunks_of_any_size_before_and_after_the_samples(n_list: int, tag: int) -> None:
    samples = (TONE * 32768).astype("<i2").tobytes()
    extra = (b"LIST", b"INFO" + b"x" * (n_list - 4))
    for chunks in ([extra, (b"data", samples)], [(b"data", samples), extra], [extra, (b"data", samples), extra]):
        data = sounds.build_wav([sounds.build_format(tag, 1, RATE, 16), *chunks])
        assert np.array_equal(read(data), TONE[:, 0])


def test_an_odd_number_of_bytes_is_padded() -> None:
    values = np.round(TONE[:999, 0] * 127 + 128).astype(np.uint8)
    data = sounds.build_wav([sounds.build_format(1, 1, RATE, 8), (b"data", values.tobytes()), (b"LIST", b"INFO")])
    assert np.array_equal(read(data), (values.astype(np.float32) - 128) / 128)


def test_an_rf64_has_its_length_elsewhere() -> None:
    samples = (TONE * 32768).astype("<i2").tobytes()
    for size in (len(samples), 0):
        large = struct.pack("<QQQI", 0, size, N, 0)
        data = sounds.build_wav([(b"ds64", large), sounds.build_format(1, 1, RATE, 16), (b"data", samples)])
        data = sounds.set_wav_size(b"RF64\xff\xff\xff\xff" + data[8:], 0xFFFFFFFF)
        assert np.array_equal(read(data), TONE[:, 0])
        if size:
            with pytest.raises(DataError, match="clip is cut short: got 48000 bytes of audio, expected 96000"):
                read(data[: len(data) - 48_000])


def test_an_aiff_that_was_written_to_a_pipe_is_decoded_to_its_end() -> None:
    data = FILES["aiff"]
    at = data.index(b"SSND") + 4
    for size in (0, 0x7FFFF000, 0xFFFFFFFF):
        assert np.array_equal(read(data[:at] + struct.pack(">I", size) + data[at + 4 :]), TONE[:, 0])


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0])
def test_an_au_that_was_written_to_a_pipe_is_decoded_to_its_end(size: int) -> None:
    data = FILES["au"]
    assert np.array_equal(read(data[:8] + struct.pack(">I", size) + data[12:]), TONE[:, 0])


def test_a_caf_that_was_written_to_a_pipe_is_decoded_to_its_end() -> None:
    data = FILES["caf"]
    at = data.index(b"data") + 4
    assert np.array_equal(read(data[:at] + struct.pack(">q", -1) + data[at + 8 :]), TONE[:, 0])


def test_a_w64_of_unknown_length_is_decoded_to_its_end() -> None:
    data = FILES["w64"]
    at = data.index(b"data\xf3") + 16
    for size in (0, 24, 2**63 - 1):
        assert np.array_equal(read(data[:at] + struct.pack("<q", size) + data[at + 8 :]), TONE[:, 0])


# -------------------------------------------------------------------------------------------------- FLAC


@pytest.mark.parametrize("name", ["flac", "flac24", "flac by hand"])
@pytest.mark.parametrize("md5", [None, bytes(16)])
def test_a_flac_of_unknown_length_is_decoded_to_its_end(name: str, md5: bytes | None) -> None:
    data = sounds.set_flac(FILES[name], n_samples=0, md5=md5)
    assert np.array_equal(read(data), read(FILES[name]))
    for kept in (0.5, 0.99):
        with pytest.raises(DataError, match=r"clip is cut short|clip is damaged"):
            read(data[: int(kept * len(data))])


def test_a_flac_of_unknown_length_needs_no_miniaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniaudio_decode, "load_miniaudio", lambda: None)
    data = sounds.set_flac(FILES["flac"], n_samples=0, md5=bytes(16))
    assert np.array_equal(read(data), TONE[:, 0])


@pytest.mark.parametrize("promised", [N - 1, N + 1, 100, 2 * N, 1 << 35])
def test_a_flac_of_another_length_than_it_says_is_an_error(promised: int) -> None:
    with pytest.raises(DataError, match=r"clip (is cut short|goes on|is damaged)"):
        read(sounds.set_flac(FILES["flac"], n_samples=promised))


def test_the_md5_of_a_flac_proves_it_where_its_length_does_not() -> None:
    with pytest.raises(DataError, match=r"clip is damaged: got samples of MD5 [0-9a-f]{32}"):
        read(sounds.set_flac(FILES["flac"], n_samples=0, md5=bytes(range(16))))


# --------------------------------------------------------------------------------------------------- Ogg


@pytest.mark.parametrize("name", ["vorbis", "opus"])
def test_every_page_of_an_ogg_file_is_there(name: str) -> None:
    pages = sounds.list_pages(FILES[name])
    assert b"".join(map(sounds.sign_page, pages)) == FILES[name]
    for count in range(1, len(pages)):  # between two pages the last one there may be whole
        with pytest.raises(DataError, match=IS_BROKEN):
            read(b"".join(pages[:count]))
    for index in range(len(pages)):
        with pytest.raises(DataError, match=IS_BROKEN):
            read(b"".join(pages[:index] + pages[index + 1 :]))
        damaged = bytearray(pages[index])
        damaged[len(damaged) // 2] ^= 1
        with pytest.raises(DataError, match=r"clip is damaged: got another checksum"):
            read(b"".join([*pages[:index], bytes(damaged), *pages[index + 1 :]]))


@pytest.mark.parametrize("name", ["vorbis", "opus"])
def test_the_last_page_of_an_ogg_file_promises_a_length(name: str) -> None:
    *others, last = sounds.list_pages(FILES[name])
    granule = int.from_bytes(last[6:14], "little")
    shorter = sounds.sign_page(last[:6] + (granule - 90).to_bytes(8, "little") + last[14:])
    assert len(read(b"".join([*others, shorter]))) == N - (30 if name == "opus" else 90)
    longer = sounds.sign_page(last[:6] + (granule + 200_000).to_bytes(8, "little") + last[14:])
    with pytest.raises(DataError, match="clip is cut short"):
        read(b"".join([*others, longer]))


def test_a_stream_beside_the_audio_is_passed_by() -> None:
    pages = sounds.list_pages(FILES["vorbis"])
    beside = sounds.sign_page(b"OggS\0\x06" + bytes(8) + b"skel" + bytes(8) + b"\x01\x08" + b"fishead\0")
    assert np.array_equal(read(b"".join([pages[0], beside, *pages[1:]])), read(FILES["vorbis"]))


def test_two_streams_of_audio_at_a_time_are_an_error() -> None:
    one, two = sounds.list_pages(FILES["vorbis"]), sounds.list_pages(FILES["opus"])
    with pytest.raises(DataError, match="2 of 2 streams in Ogg"):
        read(b"".join([one[0], two[0], *one[1:], *two[1:]]))


# --------------------------------------------------------------------------------------------------- MP3


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_without_an_info_frame_is_decoded_to_its_end(rate: int, n_channels: int, mode: str) -> None:
    """Its second half is silence, of which a variable bit rate makes less."""
    audio = sounds.make_tone(4 * rate, n_channels)
    audio[2 * rate :] = 0
    data = sounds.encode(audio, rate, "MP3", bitrate_mode=mode)
    whole, _ = decode.decode_mono(data, where="here")
    assert len(whole) == 4 * rate
    streamed = decode.decode_file(sounds.drop_info(data), where="here")
    assert streamed.notes == ()
    assert streamed.sampling_rate == rate
    n_cut = len(streamed.audio) - 4 * rate  # the encoder's delay and padding, of which no frame tells now
    assert 0 <= n_cut <= 4 * 1152
    offset = np.abs(
        [np.abs(streamed.audio[at : at + rate, 0] - whole[:rate]).max() for at in range(n_cut + 1)]
    ).argmin()
    assert np.abs(streamed.audio[offset : offset + 4 * rate, 0] - whole).max() < 1e-3


def test_an_mp3_from_the_middle_of_a_stream_is_decoded_to_its_end() -> None:
    frames = sounds.list_frames(FILES["mp3"])
    for first in (frames[4][50:], b""):
        decoded = decode.decode_file(first + b"".join(frames[5:]), where="here")
        assert decoded.notes == ()
        assert len(decoded.audio) == pytest.approx((len(frames) - 5) * 576, abs=1152)
    cut = decode.decode_file(b"".join(frames[5:-1]) + frames[-1][:20], where="here")
    assert cut.notes == (BROKEN_FRAMES,)
    assert len(cut.audio) == pytest.approx((len(frames) - 6) * 576, abs=1152)


def test_bytes_between_mp3_frames_are_noted() -> None:
    frames = sounds.list_frames(sounds.drop_info(FILES["mp3"]))
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x20" + bytes(32)
    for between, notes in ((b"\x17" * 300, (BROKEN_FRAMES,)), (tag, ()), (b"TAG" + bytes(125), ())):
        decoded = decode.decode_file(b"".join([*frames[:20], between, *frames[20:]]), where="here")
        assert decoded.notes == notes
        assert len(decoded.audio) == pytest.approx(len(frames) * 576, abs=1152)


def set_count(data: bytes, n_frames: int) -> bytes:
    at = data.index(b"Xing") + 8
    return data[:at] + struct.pack(">I", n_frames) + data[at + 4 :]


def test_the_count_of_an_info_frame_is_kept() -> None:
    data = FILES["mp3"]
    n_frames = len(sounds.list_frames(data)) - 1
    with pytest.raises(DataError, match=rf"clip is cut short: got {n_frames} frames, expected {n_frames + 2}"):
        read(set_count(data, n_frames + 2))
    assert len(read(set_count(data, n_frames + 1))) == pytest.approx(n_frames * 576, abs=1152)  # it counts itself
    assert len(read(set_count(data, 0))) == pytest.approx(n_frames * 576, abs=1152)
    assert len(read(set_count(data, n_frames // 2))) == pytest.approx(n_frames * 576, abs=3 * 1152)


def test_a_vbri_frame_is_a_promise_as_well() -> None:
    first, *others = sounds.list_frames(sounds.drop_info(FILES["mp3"]))
    size, n_frames = len(first) * 4, len(others)
    head = bytes([0xFF, first[1] | 1, 9 << 4 | first[2] & 0x0C, first[3]])
    fields = struct.pack(">HHHII", 1, 576, 50, size, n_frames)
    described = (head + bytes(32) + b"VBRI" + fields).ljust(360, b"\0")
    assert len(sounds.list_frames(described)) == 1
    decoded = read(described + b"".join(others))
    assert len(decoded) == pytest.approx(n_frames * 576, abs=1152)
    with pytest.raises(DataError, match="as its VBRI frame says"):
        read(described + b"".join(others[:-3]))


def test_joined_mp3_without_info_frames() -> None:
    streamed = sounds.drop_info(FILES["mp3"])
    assert len(read(streamed + streamed)) == pytest.approx(2 * len(read(streamed)), abs=1152)
    assert len(read(FILES["mp3"] + streamed)) == len(read(FILES["mp3"])) + len(read(streamed))
