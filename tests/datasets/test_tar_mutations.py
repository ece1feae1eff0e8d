"""Seeded damage to tars: an error, or every clip as it was; never fewer clips, a traceback or a hang."""

from __future__ import annotations

import random
from pathlib import Path

from bench.datasets import shards
from bench.types import DataError
from tests.helpers.tars import END, LABEL, SOUND, header, member, record, sample, save

COUNT = 1000
PARTS = [
    header("set/", 0, type=b"5"),
    *(sample(f"set/{index}") for index in range(4)),
    member("x", record("path", "set/long.flac") + record("mtime", "1.5"), type=b"x") + member("s.flac", SOUND),
    member("set/long.json", LABEL),
    member("L", b"set/other.flac\0", type=b"L") + member("s.flac", SOUND) + member("set/other.json", LABEL),
    header("set/z.flac", 0, type=b"1", link=b"set/0.flac") + member("set/z.json", LABEL),
    END + bytes(9 * 512),
]
WHOLE = b"".join(PARTS)


def find_headers() -> list[int]:
    """The offset of every header: blocks that have the mark of one."""
    return [start for start in range(0, len(WHOLE), 512) if WHOLE[start + 257 : start + 262] == b"ustar"]


def mutate(rng: random.Random, start: int, end: int) -> bytes:
    """Flip bits, set, swap, clear, insert or remove some bytes between two offsets."""
    content = bytearray(WHOLE)
    at, size = rng.randrange(start, end), rng.choice((1, 1, 2, 8, 64, 512, 1024))
    kind = rng.choice(("bit", "byte", "swap", "zero", "insert", "remove", "copy"))
    if kind == "bit":
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        content[at] = rng.randrange(256)
    elif kind == "swap":
        other = rng.randrange(start, end)
        content[at], content[other] = content[other], content[at]
    elif kind == "zero":
        content[at : at + size] = bytes(len(content[at : at + size]))
    elif kind == "insert":
        content[at:at] = rng.randbytes(size)
    elif kind == "remove":
        del content[at : at + size]
    else:
        source = rng.randrange(len(WHOLE) - size)
        content[at : at + size] = content[source : source + size]
    return bytes(content)


def read(path: Path, content: bytes) -> list[str] | None:
    """The keys of a shard, or None where it is refused; all ways of reading have agreed."""
    shard = save(path, content)
    try:
        keys = [one.key for one in shards.read_samples(shard)]
    except DataError:
        keys = None
    try:
        count = shards.count_samples(shard)
    except DataError:
        assert keys is None
    else:
        assert keys is None or count == len(keys)
    return keys


def test_headers(tmp_path: Path) -> None:
    rng, whole = random.Random(0), read(tmp_path / "x.tar", WHOLE)
    assert whole is not None
    assert len(whole) == 7
    headers = find_headers()
    assert len(headers) == 17
    refused = 0
    for _ in range(COUNT):
        start = rng.choice(headers)
        keys = read(tmp_path / "x.tar", mutate(rng, start, start + 512))
        assert keys in (None, whole)
        refused += keys is None
    assert refused > COUNT / 2


def test_bodies_and_what_is_between(tmp_path: Path) -> None:
    rng, whole = random.Random(1), read(tmp_path / "x.tar", WHOLE)
    for _ in range(COUNT):
        assert read(tmp_path / "x.tar", mutate(rng, 0, len(WHOLE))) in (None, whole)
