"""Tars written block by block, by nothing that reads them, and tars that are healthy however they are written."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from bench.types import Shard
from tasks.mini.write import encode_flac
from tests.helpers import toys

SOUND = encode_flac(toys.tone(0, 0, 0.1), toys.RATE)
LABEL = json.dumps({"label": "low"}).encode()
END = bytes(1024)


def header(name: str | bytes, size: int | bytes, **fields: bytes) -> bytes:
    """A ustar header; ``fields`` are ``type``, ``link``, ``magic``, ``prefix``, and ``signed`` for an old checksum."""
    block = bytearray(512)
    encoded = name if isinstance(name, bytes) else name.encode()
    block[: len(encoded)] = encoded
    block[100:124] = b"0000644\x00" + 2 * b"0000000\x00"
    block[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[156:157] = fields.get("type", b"0")
    link, magic, prefix = fields.get("link", b""), fields.get("magic", b"ustar\x0000"), fields.get("prefix", b"")
    block[157 : 157 + len(link)], block[257 : 257 + len(magic)], block[345 : 345 + len(prefix)] = link, magic, prefix
    return seal(block, signed="signed" in fields)


def seal(block: bytes | bytearray, signed: bool = False) -> bytes:
    """A header with the checksum that its bytes have."""
    block = bytearray(block)
    block[148:156] = b" " * 8
    total = sum(byte - 256 * (signed and byte > 127) for byte in block)
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def member(name: str | bytes, content: bytes, **fields: bytes) -> bytes:
    """A member: header, contents and what fills up the last block."""
    return header(name, len(content), **fields) + content + bytes(-len(content) % 512)


def record(key: str, value: str) -> bytes:
    """A record of a pax header."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def sample(key: str, sound: bytes = SOUND) -> bytes:
    """The two members of a sample."""
    return member(f"{key}.flac", sound) + member(f"{key}.json", LABEL)


def save(path: Path, *parts: bytes) -> Shard:
    """Write a file and return it as a shard; nothing is verified."""
    content = b"".join(parts)
    path.write_bytes(content)
    return Shard(path, "0" * 64, len(content))


def pack(path: Path, members: Sequence[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """Write members by ``tarfile``."""
    with tarfile.open(path, "w", format=form) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path
