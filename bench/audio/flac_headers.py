"""FLAC: what STREAMINFO promises, streams that were joined, and where the last frame ends (RFC 9639)."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.audio.part import Part

MAGIC = b"fLaC"
STREAM_INFO = (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22")  # header of the first block; the second: it is the only one
SHORTEST = 42  # bytes: the magic and STREAMINFO
LARGEST_FRAME = 1 << 20  # bytes before the end in which the last frame begins
SMALL_BLOCKS = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}}
CRC_8 = [0] * 256
for _value in range(256):
    _crc = _value
    for _ in range(8):
        _crc = (_crc << 1 ^ 0x07) & 0xFF if _crc & 0x80 else _crc << 1
    CRC_8[_value] = _crc


class StreamInfo(NamedTuple):
    """What the first block says."""

    block: int  # samples of every frame but the last, where frames are numbered
    bits: int
    n_samples: int  # 0: unknown
    md5: bytes  # zeros: unknown


def read_stream_info(data: bytes) -> StreamInfo:
    """Return what STREAMINFO says; ``data`` begins with a FLAC stream."""
    packed = int.from_bytes(data[18:26], "big")
    bits = (packed >> 36 & 0x1F) + 1
    return StreamInfo(
        block=int.from_bytes(data[8:10], "big"),
        bits=bits,
        n_samples=packed & (1 << 36) - 1,
        md5=data[26:42],
    )


def split_flac(data: bytes) -> list[Part]:
    """Return the streams of a FLAC file, several where files were joined."""
    starts, at = [0], 0
    while (at := data.find(MAGIC, at + 4)) > 0:
        if data[at + 4 : at + 8] in STREAM_INFO:
            starts.append(at)
    streams = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return [_build_part(stream) for stream in streams]


def _build_part(data: bytes) -> Part:
    info = read_stream_info(data)
    promised = info.n_samples or find_end(data)
    if promised and not info.n_samples:  # written to a pipe; libsndfile reads no stream of unknown length
        packed = int.from_bytes(data[18:26], "big") | promised
        data = data[:18] + packed.to_bytes(8, "big") + data[26:]
    return Part("flac", data, promised, md5=info.md5 if any(info.md5) else None, bits=info.bits)


def compute_md5(audio: NDArray[np.float32], bits: int) -> bytes | None:
    """Return the MD5 of samples [N, channels] of so many bits, as STREAMINFO has it; None where floats lose bits."""
    if bits > 24:
        return None
    values = (audio * np.float32(1 << bits - 1)).astype("<i4")
    width = -(-bits // 8)
    return hashlib.md5(values.view(np.uint8).reshape(-1, 4)[:, :width].tobytes(), usedforsecurity=False).digest()


def find_end(data: bytes) -> int | None:
    """Return the sample at which the last frame that begins in ``data`` ends, or None where no frame is found."""
    info = read_stream_info(data)
    lowest, at = max(42, len(data) - LARGEST_FRAME), len(data)
    while (at := data.rfind(b"\xff", lowest, at)) >= 0:
        if data[at + 1 : at + 2] in (b"\xf8", b"\xf9") and (end := _read_frame_end(data, at, info)) is not None:
            return end
    return None


def _read_frame_end(data: bytes, at: int, info: StreamInfo) -> int | None:
    """Return the sample after a frame, or None where the bytes are no header of one."""
    head = data[at : at + 16]
    if len(head) < 6 or head[3] & 1 or (code := head[2] >> 4) == 0:
        return None
    ones = 8 - (head[4] ^ 0xFF).bit_length()  # the number is coded like a character of UTF-8
    size = ones or 1
    if ones in {1, 8} or len(head) < 5 + size:
        return None
    number = head[4] & (0x7F >> ones)
    for byte in head[5 : 4 + size]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    after = 4 + size
    n_block = {6: 1, 7: 2}.get(code, 0)
    block = int.from_bytes(head[after : after + n_block], "big") + 1 if n_block else 0
    block = block or SMALL_BLOCKS.get(code) or 256 << code - 8
    after += n_block + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    crc = 0
    for byte in head[:after]:
        crc = CRC_8[crc ^ byte]
    if after >= len(head) or crc != head[after]:
        return None
    return (number if data[at + 1] & 1 else number * info.block) + block
