"""Containers that hold one run of samples behind a header: WAV, RF64, W64, AIFF, AU, CAF and NIST SPHERE.

Decoders read such a file as far as it goes, so whether it is whole is judged here. A header that was written before the
samples, to a pipe, says 0 or a length that no file has; then the samples go to the end of the file, and the header is
written anew for the decoders, which do not agree on such lengths.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from bench.audio.part import Part
from bench.types import DataError

UNKNOWN_IN_BYTES = 0x7FFF0000  # lengths from here on mean a pipe: sox writes 0x7FFFF000 or so, ffmpeg 0xFFFFFFFF
RIFF_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64")
W64_MAGIC = b"riff\x2e\x91\xcf\x11"
PCM_TAGS = (1, 3)  # of a WAV file: integers, floats
EXTENSIBLE = 0xFFFE
AIFF_CODECS = (b"NONE", b"sowt", b"twos", b"fl32", b"FL32", b"fl64", b"FL64", b"in24", b"in32", b"raw ")
NAME = re.compile(rb"[ -~]{4}")

Order = Literal["little", "big"]


class Chunk(NamedTuple):
    """A chunk: its content begins at ``start`` and has ``size`` bytes, says the header."""

    name: bytes
    start: int
    size: int


def split_by_chunks(data: bytes, where: str) -> list[Part] | None:
    """Return the parts of such a file, or None for other containers.

    Raises DataError for one that holds fewer bytes of audio than its header promises.
    """
    magic = data[:4]
    if magic in RIFF_MAGIC and data[8:12] == b"WAVE":
        return _split_wav(data, where)
    if data.startswith(W64_MAGIC):
        return [_read_w64(data, where)]
    if magic == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return [_read_aiff(data, where)]
    if magic in (b".snd", b"dns."):
        return [_read_au(data, "big" if magic == b".snd" else "little", where)]
    if magic == b"caff":
        return [_read_caf(data, where)]
    return [_read_sphere(data, where)] if data.startswith(b"NIST_1A\n") else None


def _iterate_chunks(data: bytes, start: int, order: Order) -> Iterator[Chunk]:
    """Yield the chunks from ``start`` on; odd ones have a byte more behind them, which some writers forget."""
    while start + 8 <= len(data):
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], order)
        start += 8
        yield Chunk(name, start, size)
        start += size
        if size % 2 and not (NAME.match(data, start) and not NAME.match(data, start + 1)):
            start += 1


def _measure_audio(data: bytes, chunk: Chunk, order: Order, where: str) -> int:
    """Return how many bytes of audio there are, all that were promised. Raises DataError for fewer."""
    there = len(data) - chunk.start
    if chunk.size == 0 and there and not _ends_in_chunks(data, chunk.start, order):
        return there
    if there < chunk.size:
        if chunk.size >= UNKNOWN_IN_BYTES:
            return there
        got, expected = f"{there} bytes of audio", f"{chunk.size}, as its header says"
        raise DataError("clip is cut short", got=got, expected=expected, where=where)
    return chunk.size


def _ends_in_chunks(data: bytes, start: int, order: Order) -> bool:
    """Return whether nothing but chunks follows, as after a chunk of samples that is empty indeed."""
    end = start
    for chunk in _iterate_chunks(data, start, order):
        if not NAME.fullmatch(chunk.name):
            return False
        end = chunk.start + chunk.size
    return len(data) - 1 <= end <= len(data)


def _find_no_audio(data: bytes, name: str, where: str) -> DataError:
    got = f"no {name} chunk in {len(data)} bytes"
    return DataError("clip does not decode", got=got, expected="a chunk of audio", where=where)


def _split_wav(data: bytes, where: str) -> list[Part]:
    """Return the WAV file, and those that were joined to it."""
    order: Order = "big" if data[:4] == b"RIFX" else "little"
    large, block = b"", 0
    for chunk in _iterate_chunks(data, 12, order):
        if chunk.name == b"ds64":
            large = data[chunk.start : chunk.start + 24]
        elif chunk.name == b"fmt " and chunk.size >= 16:
            block = _read_block_size(data, chunk.start, order)
        elif chunk.name == b"data":
            break
    else:
        raise _find_no_audio(data, "data", where)
    is_large = len(large) == 24 and chunk.size == 0xFFFFFFFF
    if is_large:
        chunk = chunk._replace(size=int.from_bytes(large[8:16], "little"))
    n_bytes = _measure_audio(data, chunk, order, where)
    end = chunk.start + n_bytes + n_bytes % 2
    following = data.find(b"RIFF", end) if data[end : end + 4] in RIFF_MAGIC else -1
    promised = n_bytes // block if block else None
    if n_bytes != chunk.size:
        at, width = (data.index(b"ds64") + 16, 8) if is_large else (chunk.start - 4, 4)
        data = _overwrite(data, at, n_bytes.to_bytes(width, "little" if is_large else order))
    rest = split_by_chunks(data[following:], where) or [] if following > 0 else []
    first = data[:following] if rest else data
    return [Part("wav" if data[:4] == b"RIFF" else "other", first, promised), *rest]


def _read_block_size(data: bytes, start: int, order: Order) -> int:
    """Return the bytes of a sample of all channels, or 0 where samples are coded otherwise than one by one."""
    tag, channels, block, bits = (int.from_bytes(data[start + at : start + at + 2], order) for at in (0, 2, 12, 14))
    if tag == EXTENSIBLE:  # the tag begins the GUID
        tag = int.from_bytes(data[start + 24 : start + 26], order)
    return block if tag in PCM_TAGS and block == channels * -(-bits // 8) else 0


def _overwrite(data: bytes, at: int, content: bytes) -> bytes:
    return data[:at] + content + data[at + len(content) :]


def _read_w64(data: bytes, where: str) -> Part:
    """Read Sony Wave64: names of 16 bytes, sizes of 8 that include both, to whole multiples of 8."""
    at, block = 40, 0
    while at + 24 <= len(data):
        chunk = Chunk(data[at : at + 4], at + 24, max(int.from_bytes(data[at + 16 : at + 24], "little") - 24, 0))
        if chunk.name == b"fmt ":
            block = _read_block_size(data, chunk.start, "little")
        if chunk.name == b"data":
            n_bytes = _measure_audio(data, chunk, "little", where)
            if n_bytes != chunk.size:
                data = _overwrite(data, at + 16, (n_bytes + 24).to_bytes(8, "little"))
            data = data[: chunk.start + n_bytes]  # libsndfile takes what follows for samples
            return Part("other", data, n_bytes // block if block else None)
        at += 24 + -(-chunk.size // 8) * 8
    raise _find_no_audio(data, "data", where)


def _read_aiff(data: bytes, where: str) -> Part:
    common: Chunk | None = None
    sound: Chunk | None = None
    for chunk in _iterate_chunks(data, 12, "big"):
        if chunk.name == b"COMM" and chunk.size >= 18 and chunk.start + 18 <= len(data):
            common = chunk
        elif chunk.name == b"SSND" and chunk.start + 8 <= len(data):
            sound = chunk
            if chunk.size < 8 or chunk.size >= UNKNOWN_IN_BYTES:
                break
    if common is None or sound is None:
        raise _find_no_audio(data, "COMM" if common is None else "SSND", where)
    channels, n_samples, bits = struct.unpack_from(">HIH", data, common.start)
    codec = data[common.start + 18 : common.start + 22] if data[8:12] == b"AIFC" else b"NONE"
    block = channels * -(-bits // 8) if codec in AIFF_CODECS else 0
    samples = Chunk(sound.name, sound.start + 8, max(sound.size - 8, 0))
    n_bytes = _measure_audio(data, samples, "big", where) - int.from_bytes(data[sound.start : sound.start + 4], "big")
    if not block:
        return Part("other", data)
    there = max(n_bytes, 0) // block
    if n_bytes != samples.size or (n_samples == 0 and there):
        data = _overwrite(data, sound.start - 4, (len(data) - sound.start).to_bytes(4, "big"))
        data = _overwrite(data, common.start + 2, there.to_bytes(4, "big"))
        return Part("other", data, there)
    if n_samples > there:
        got, expected = f"{there} samples", f"{n_samples}, as its header says"
        raise DataError("clip is cut short", got=got, expected=expected, where=where)
    return Part("other", data, there)


def _read_au(data: bytes, order: Order, where: str) -> Part:
    start, size = (int.from_bytes(data[at : at + 4], order) for at in (4, 8))
    n_bytes = _measure_audio(data, Chunk(b"", start, size), order, where)
    if n_bytes != size:
        data = _overwrite(data, 8, max(n_bytes, 0).to_bytes(4, order))
    return Part("other", data)


def _read_caf(data: bytes, where: str) -> Part:
    at = 8
    while at + 12 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 12], "big", signed=True)
        if name == b"data":
            chunk = Chunk(name, at + 12, size if size >= 0 else UNKNOWN_IN_BYTES + len(data))
            n_bytes = _measure_audio(data, chunk, "big", where)
            return Part("other", _overwrite(data, at + 4, n_bytes.to_bytes(8, "big")) if size != n_bytes else data)
        at += 12 + max(size, 0)
    raise _find_no_audio(data, "data", where)


def _read_sphere(data: bytes, where: str) -> Part:
    """Read NIST SPHERE, whose header is text of as many bytes as its second line says."""
    n_header = int(data[8:16].strip() or 0) if data[8:16].strip().isdigit() else 1024
    fields = dict(re.findall(rb"^(\w+) -[irs]\d* (.*)$", data[:n_header], re.MULTILINE))
    values = [fields.get(name, b"").strip() for name in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    coding = fields.get(b"sample_coding", b"pcm")
    if all(value.isdigit() for value in values) and b"," not in coding:
        n_samples, n_channels, width = map(int, values)
        n_bytes = _measure_audio(data, Chunk(b"", n_header, n_samples * n_channels * width), "big", where)
        return Part("other", data[: n_header + n_bytes], n_samples or None)
    return Part("other", data)
