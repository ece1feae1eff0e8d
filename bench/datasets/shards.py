"""Find, verify and read WebDataset shards; no sample is skipped.

A shard is a tar of ``<key>.<audio>`` and ``<key>.json`` next to one another; a compressed one is unpacked first
(``bench.datasets.compressed``). Names of members are keys and never paths: nothing is extracted to disk.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bench.datasets import audio_lists
from bench.datasets.grouping import Contents, build_place, group_members
from bench.datasets.tar import Member, show_name, walk_tar
from bench.datasets.tar_header import BLOCK
from bench.types import DataError, Shard, Sidecar

READING = 2  # a change of which members are samples, or of their keys, bumps it; part of every address
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip"}
_READ_AHEAD = 1 << 18  # bytes
_MOST_NESTED = 100  # lists and objects inside one another in a sidecar


@dataclass(frozen=True, slots=True)
class Sample:
    """An undecoded sample of a shard."""

    key: str
    audio: bytes
    sidecar: Sidecar
    where: str

    @property
    def size(self) -> int:
        """Size of the audio [bytes]."""
        return len(self.audio)


class ByteRange(NamedTuple):
    """The position of an audio file's bytes."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class SampleRef:
    """A sample of a shard whose audio has not been read."""

    key: str
    byte_range: ByteRange
    sidecar: Sidecar
    where: str

    @property
    def size(self) -> int:
        """Size of the audio [bytes]."""
        return self.byte_range.size


def find_shards(folder: Path, pattern: str) -> list[Path]:
    """Return the shards of ``folder`` that match ``pattern``, sorted by name.

    Raises:
        DataError: There are none, or one of them is there both compressed and not.
    """
    if not folder.is_dir():
        raise DataError("folder of shards missing", got="no such folder", expected=pattern, where=folder)
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        names = sorted(path.name for path in folder.iterdir())[:8]
        raise DataError("no shard found", got=names or "an empty folder", expected=pattern, where=folder)
    stems: dict[str, Path] = {}
    for path in paths:
        first = stems.setdefault(path.name.removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar"), path)
        if first != path:
            expected = "each shard once; remove one, or narrow the pattern"
            raise DataError("shard is there twice", got=[first.name, path.name], expected=expected, where=folder)
    return paths


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_shard(path: Path, sha256: str | None = None) -> Shard:
    """Return the file as a shard if it is a complete tar with the digest ``sha256``, where that is known.

    Raises:
        DataError: The file is truncated, is compressed or has another digest.
    """
    check_end(path, path)
    digest = compute_sha256(path)
    if sha256 is not None and digest != sha256:
        raise DataError("shard is corrupt", got=f"sha256 {digest[:16]}", expected=sha256[:16], where=path)
    return Shard(path, digest, path.stat().st_size)


def check_end(path: Path, where: Path) -> None:
    """Raise DataError unless a file ends as a tar does, in two blocks of zeros; ``where`` names it in the message."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(max(_COMPRESSED, key=len)))
        file.seek(max(0, size - 2 * BLOCK))
        tail = file.read()
    if kind := next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), ""):
        remedy = f"unpack it, or name it .tar.gz if it is gzip: {where.name}"
        raise DataError("shard is compressed", got=kind, expected="a tar", where=where, remedy=remedy)
    if size == 0 or size % BLOCK or tail.strip(b"\0"):
        raise DataError("shard is cut short", got=f"{size} bytes", expected="a tar with its end mark", where=where)


def verify_shards(paths: Sequence[Path], digests: Mapping[str, str], threads: int) -> tuple[Shard, ...]:
    """Verify several shards, ``threads`` at a time; ``digests`` are the known ones by file name."""
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda path: verify_shard(path, digests.get(path.name)), paths))


def read_samples(shard: Shard) -> Iterator[Sample]:
    """Yield every sample of a shard or of a list of audio files (see ``bench.datasets.audio_lists``), in order.

    Raises:
        DataError: The tar is damaged anywhere, a sample lacks audio or sidecar, a sidecar is no JSON, or a key is
            repeated; see ``walk_tar`` and ``group_members``.
    """
    if shard.path.suffix == audio_lists.SUFFIX:
        for ref in read_sample_refs(shard):
            yield Sample(ref.key, read_byte_range(ref.byte_range), ref.sidecar, ref.where)
        return
    with _open(shard.path, _READ_AHEAD) as file:
        for pair in group_members(partial(walk_tar, file, shard.path), shard.path, Contents()):
            where = build_place(shard.path, pair.key)
            audio, content = (_read_member(file, member, shard.path) for member in (pair.audio, pair.sidecar))
            yield Sample(pair.key, audio, parse_sidecar(content, where), where)


def read_sample_refs(shard: Shard) -> Iterator[SampleRef]:
    """Yield every sample of a shard as ``read_samples`` does, without reading its audio."""
    if shard.path.suffix == audio_lists.SUFFIX:
        for key, path, size, sidecar in audio_lists.read_audio_list(shard.path):
            yield SampleRef(key, ByteRange(str(path), 0, size), sidecar, str(path))
        return
    with _open(shard.path) as file:
        for pair in group_members(partial(walk_tar, file, shard.path), shard.path, Contents()):
            where = build_place(shard.path, pair.key)
            byte_range = ByteRange(str(shard.path), pair.audio.offset, pair.audio.size)
            content = _read_member(file, pair.sidecar, shard.path)
            yield SampleRef(pair.key, byte_range, parse_sidecar(content, where), where)


def read_byte_range(span: ByteRange) -> bytes:
    """Read a range of bytes. Raises DataError when the file cannot be read or is shorter."""
    try:
        with Path(span.path).open("rb") as file:
            file.seek(span.offset)
            content = file.read(span.size)
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="an audio file", where=span.path) from error
    if len(content) < span.size:
        raise DataError("file has changed", got=f"{len(content)} bytes", expected=span.size, where=span.path)
    return content


def count_members(shard: Shard) -> Contents:
    """Count the samples and the other members of a shard, reading its headers only.

    Raises:
        DataError: As for ``read_samples``, except for what sidecars hold.
    """
    contents = Contents()
    if shard.path.suffix == audio_lists.SUFFIX:
        contents.samples = sum(1 for _ in audio_lists.read_audio_list(shard.path))
        return contents
    with _open(shard.path) as file:
        for _ in group_members(partial(walk_tar, file, shard.path), shard.path, contents):
            pass
    return contents


def count_samples(shard: Shard) -> int:
    """Count the samples that ``read_samples`` yields. Raises as ``count_members``."""
    return count_members(shard).samples


def count_and_report(shard: Shard) -> int:
    """Count the samples of a shard and warn of members that are no part of any. Raises as ``count_members``."""
    contents = count_members(shard)
    if ignored := contents.describe_ignored():
        warnings.warn(f"{shard.name}: members that are no part of a sample are ignored: {ignored}", stacklevel=2)
    return contents.samples


def _open(path: Path, buffering: int = -1) -> BinaryIO:
    try:
        return path.open("rb", buffering)
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="a shard", where=path) from error


def _read_member(file: BinaryIO, member: Member, path: Path) -> bytes:
    file.seek(member.offset)
    content = file.read(member.size)
    if len(content) < member.size:
        got = f"{len(content)} of {member.size} bytes of {show_name(member.name)}"
        raise DataError("shard is cut short", got=got, expected="all of them", where=path)
    return content


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError for a key that comes twice, of which Python would keep the last."""
    built = dict(pairs)
    if len(built) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"the key {next(name for name in counts if counts[name] > 1)!r} comes twice")
    return built


def parse_sidecar(content: bytes, where: str) -> Sidecar:
    """Return a sidecar's JSON.

    Raises:
        DataError: It is no JSON, an object in it has a key twice, or it is nested more deeply than ``_MOST_NESTED``,
            which others could not store or send.
    """
    try:
        sidecar: Sidecar = json.loads(content, object_pairs_hook=_build_object)
        if content.count(b"[") + content.count(b"{") > _MOST_NESTED:
            _check_depth(sidecar, _MOST_NESTED)
    except (ValueError, RecursionError) as error:
        got = "too deeply nested" if isinstance(error, RecursionError) else error
        raise DataError("sidecar is no JSON", got=got, expected="JSON", where=where) from error
    return sidecar


def _check_depth(value: object, most: int) -> None:
    if most == 0:
        raise RecursionError
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, most - 1)
