"""Unpack ``.tar.gz`` shards, once, into the cache.

A compressed shard is known by the digest of its compressed bytes; what is read is the tar in the cache, which is
compared with a digest of its own at every use and unpacked again if it has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from bench.datasets import shards
from bench.store.files import hold_lock, write_atomically
from bench.types import DataError, Shard

SUFFIXES = (".tar.gz", ".tgz")
FOLDER = "unpacked"  # in the cache

_CHUNK = 1 << 20  # bytes
_GZIP = 31  # zlib's number for the format whose trailer, checksum and length, is compared


def is_compressed(path: Path) -> bool:
    """Return True if a shard's name says that it is compressed."""
    return path.name.lower().endswith(SUFFIXES)


def verify_all(paths: Sequence[Path], digests: Mapping[str, str], threads: int, cache: Path) -> tuple[Shard, ...]:
    """Verify shards, ``threads`` at a time, and unpack those that are compressed into ``cache``.

    Raises:
        DataError: As for ``bench.datasets.shards.verify_shard`` and ``unpack_shard``.
    """

    def verify(path: Path) -> Shard:
        sha256 = digests.get(path.name)
        return unpack_shard(path, cache, sha256) if is_compressed(path) else shards.verify_shard(path, sha256)

    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(verify, paths))


def unpack_shard(path: Path, cache: Path, sha256: str | None = None) -> Shard:
    """Return a compressed shard, unpacked now unless ``cache`` has it.

    Raises:
        DataError: The file has another digest than ``sha256``, is no gzip file, is damaged or cut short, has other
            bytes after its end, or holds no complete tar.
    """
    digest = shards.compute_sha256(path)
    if sha256 is not None and digest != sha256:
        raise DataError("shard is corrupt", got=f"sha256 {digest[:16]}", expected=sha256[:16], where=path)
    tar = locate_unpacked(path, cache, digest)
    with hold_lock(cache / "locks" / f"unpacked-{digest[:3]}.lock"):
        if not _is_intact(tar):
            with write_atomically(tar) as temporary:
                unpacked = _unpack(path, temporary, digest)
            with write_atomically(_locate_digest(tar)) as temporary:
                temporary.write_text(unpacked)
    return Shard(tar, digest, path.stat().st_size, path.name)


def locate_unpacked(path: Path, cache: Path, sha256: str) -> Path:
    """Return where the tar of a compressed shard is, or would be."""
    return cache / FOLDER / sha256[:32] / f"{_cut_suffix(path)}.tar"


def _cut_suffix(path: Path) -> str:
    lower = path.name.lower()
    return next(path.name[: -len(suffix)] for suffix in SUFFIXES if lower.endswith(suffix))


@contextlib.contextmanager
def open_unpacked(path: Path) -> Iterator[Shard]:
    """Give a shard that can be read until the block ends: a compressed one is unpacked beside other temporary files.

    Raises:
        DataError: As for ``unpack_shard``.
    """
    size = path.stat().st_size
    if not is_compressed(path):
        yield Shard(path, "", size)
        return
    with tempfile.TemporaryDirectory(prefix="otoscope-") as folder:
        tar = Path(folder) / f"{_cut_suffix(path)}.tar"
        _unpack(path, tar, None)
        yield Shard(tar, "", size, path.name)


def inflate(chunks: Iterator[bytes], where: object) -> Iterator[bytes]:
    """Yield the contents of a gzip file, of one member or several, with at most zeros after the last.

    Args:
        chunks: The bytes of the file, none of them empty.
        where: The file, for messages.

    Raises:
        DataError: It is no gzip file, is damaged, ends early, or goes on with other bytes.
    """
    member, n_members, data = None, 0, b""
    while data := data or next(chunks, b""):
        if member is None:
            if n_members and not data.strip(b"\0"):
                data = b""
                continue  # tapes and some writers fill up with zeros
            member, n_members = zlib.decompressobj(wbits=_GZIP), n_members + 1
        try:
            yield member.decompress(data, _CHUNK)
        except zlib.error as error:
            raise DataError("shard is corrupt", got=str(error), expected="a whole gzip file", where=where) from error
        data = member.unused_data if member.eof else member.unconsumed_tail
        member = None if member.eof else member
    if member is not None:
        yield member.flush()
        n_members = n_members if member.eof else 0
    if n_members == 0:
        raise DataError("shard is cut short", got="an early end", expected="a whole gzip file", where=where)


def _unpack(path: Path, tar: Path, sha256: str | None) -> str:
    """Unpack a file, compare the digest of what was read with ``sha256`` and return that of the tar."""
    packed, unpacked = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file, tar.open("wb") as out:
        for content in inflate(_read_chunks(file, packed), path):
            unpacked.update(content)
            out.write(content)
    if sha256 is not None and packed.hexdigest() != sha256:
        raise DataError("file has changed", got="other bytes", expected="one file while it is unpacked", where=path)
    shards.check_end(tar, path)
    return unpacked.hexdigest()


def _read_chunks(file: BinaryIO, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield the bytes of a file, and add them to a digest."""
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        yield chunk


def _is_intact(tar: Path) -> bool:
    note = _locate_digest(tar)
    if not (tar.exists() and note.exists()):
        return False
    try:
        shards.verify_shard(tar, note.read_text())
    except DataError as error:
        warnings.warn(f"unpacked shard is damaged and unpacked again: {error}", stacklevel=2)
        return False
    return True


def _locate_digest(tar: Path) -> Path:
    return tar.with_suffix(".sha256")
