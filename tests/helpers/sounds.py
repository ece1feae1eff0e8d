"""Sound files for tests, by libsndfile, by Python's wave, and by hand: headers, pages and frames."""

from __future__ import annotations

import hashlib
import io
import struct
import wave

import numpy as np
import soundfile


def make_tone(n: int, n_channels: int = 1, seed: int = 0) -> np.ndarray:
    """A sweep with some noise, [N, channels], as every channel the same; multiples of 2**-15."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / 16000
    tone = 0.4 * np.sin(2 * np.pi * (300 + 200 * time) * time) + 0.02 * rng.standard_normal(n)
    return np.repeat((np.round(tone * 32768) / 32768)[:, None], n_channels, axis=1).astype(np.float32)


def encode(audio: np.ndarray, rate: int, container: str, subtype: str | None = None, **options: object) -> bytes:
    """A file as libsndfile writes it."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=container, subtype=subtype, **options)
    return buffer.getvalue()


def write_wave(audio: np.ndarray, rate: int) -> bytes:
    """A WAV file of 16 bits as Python's own module writes it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(audio.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((audio * 32768).astype("<i2").tobytes())
    return buffer.getvalue()


def build_wav(chunks: list[tuple[bytes, bytes]], *, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    """A WAV file of these chunks, by hand; odd ones are padded."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return magic + struct.pack("<I", len(body) + 4 if size is None else size) + b"WAVE" + body


def build_format(tag: int, n_channels: int, rate: int, bits: int) -> tuple[bytes, bytes]:
    """A fmt chunk; WAVE_FORMAT_EXTENSIBLE if ``tag`` is negative."""
    width = n_channels * -(-bits // 8)
    plain = struct.pack("<HIIHH", n_channels, rate, rate * width, width, bits)
    if tag >= 0:
        return b"fmt ", struct.pack("<H", tag) + plain
    guid = struct.pack("<H", -tag) + bytes.fromhex("000000001000800000aa00389b71")
    return b"fmt ", struct.pack("<H", 0xFFFE) + plain + struct.pack("<HHI", 22, bits, 0) + guid


def set_wav_size(data: bytes, size: int) -> bytes:
    """The same WAV file with another length in the header of its samples."""
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


# -------------------------------------------------------------------------------------------------- Ogg


def list_pages(data: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    pages, at = [], 0
    while at < len(data):
        assert data[at : at + 4] == b"OggS"
        size = 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        pages.append(data[at : at + size])
        at += size
    return pages


def sign_page(page: bytes) -> bytes:
    """The page with its checksum, computed bit by bit as RFC 3533 has it."""
    crc = 0
    blank = page[:22] + bytes(4) + page[26:]
    for byte in blank:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1
            crc &= 0xFFFFFFFF
    return page[:22] + struct.pack("<I", crc) + page[26:]


# ------------------------------------------------------------------------------------------------- MPEG

BIT_RATES = {
    True: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    False: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def list_frames(data: bytes) -> list[bytes]:
    """The frames of a file of nothing but MPEG layer III frames, the one that describes the others first."""
    frames, at = [], 0
    while at < len(data):
        version, code = data[at + 1] >> 3 & 3, data[at + 2] >> 4
        rate = RATES[version][data[at + 2] >> 2 & 3]
        size = (144 if version == 3 else 72) * BIT_RATES[version == 3][code] * 1000 // rate + (data[at + 2] >> 1 & 1)
        frames.append(data[at : at + size])
        at += size
    return frames


def drop_info(data: bytes) -> bytes:
    """An MP3 file as encoders write it into a pipe: without the frame that describes the others."""
    first, *others = list_frames(data)
    assert b"Xing" in first or b"Info" in first
    return b"".join(others)


# ------------------------------------------------------------------------------------------------- FLAC


def set_flac(data: bytes, *, n_samples: int | None = None, md5: bytes | None = None) -> bytes:
    """A FLAC file with another length or MD5 in STREAMINFO."""
    changed = bytearray(data)
    if n_samples is not None:
        changed[21] = changed[21] & 0xF0 | n_samples >> 32
        changed[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    if md5 is not None:
        changed[26:42] = md5
    return bytes(changed)


def build_flac(audio: np.ndarray, rate: int = 16000, block: int = 4096, n_samples: int | None = None) -> bytes:
    """A mono FLAC file of 16 bits, by hand: verbatim subframes (RFC 9639), and no metadata but STREAMINFO."""
    values = (audio[:, 0] * 32768).astype(">i2")
    n_samples = len(values) if n_samples is None else n_samples
    packed = rate << 44 | 15 << 36 | n_samples
    digest = hashlib.md5(values.astype("<i2").tobytes()).digest()
    info = struct.pack(">HH", block, block) + bytes(6) + packed.to_bytes(8, "big") + digest
    frames = [
        _build_flac_frame(number, values[start : start + block])
        for number, start in enumerate(range(0, len(values), block))
    ]
    return b"fLaC\x80\x00\x00\x22" + info + b"".join(frames)


def _build_flac_frame(number: int, values: np.ndarray) -> bytes:
    coded = bytes([number]) if number < 128 else bytes([0xC0 | number >> 6, 0x80 | number & 0x3F])
    head = b"\xff\xf8\x70\x08" + coded + struct.pack(">H", len(values) - 1)
    body = head + bytes([_compute_crc(head, 8, 0x07)]) + b"\x02" + values.tobytes()
    return body + struct.pack(">H", _compute_crc(body, 16, 0x8005))


def _compute_crc(data: bytes, bits: int, polynomial: int) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << bits - 8
        for _ in range(8):
            crc = crc << 1 ^ polynomial if crc >> bits - 1 else crc << 1
            crc &= (1 << bits) - 1
    return crc
