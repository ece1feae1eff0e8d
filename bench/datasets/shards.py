"""Find, verify and read WebDataset shards, losing nothing on the way.

A shard is an uncompressed tar of ``<key>.<audio>`` and ``<key>.json`` next to one another. Members are read by name
from the stream; nothing is ever extracted to disk.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from bench.datasets import audio_lists
from bench.types import DataError, Shard, Sidecar

AUDIO_EXTENSIONS = ("flac", "wav", "ogg", "opus", "mp3")
T = TypeVar("T")
_BLOCK = 512  # bytes, tar's unit; an archive ends in two zero blocks


@dataclass(frozen=True, slots=True)
class Sample:
    """One undecoded sample of a shard."""

    key: str
    audio: bytes
    sidecar: Sidecar
    where: str

    @property
    def size(self) -> int:
        """Of the audio, in bytes."""
        return len(self.audio)


class ByteRange(NamedTuple):
    """Where the bytes of an audio file are."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class SampleRef:
    """A sample of a shard whose audio is still there."""

    key: str
    place: ByteRange
    sidecar: Sidecar
    where: str

    @property
    def size(self) -> int:
        """Of the audio, in bytes."""
        return self.place.size


def find_shards(folder: Path, pattern: str) -> list[Path]:
    """The shards of ``folder`` that match ``pattern``, sorted by name. Raises DataError when there are none."""
    if not folder.is_dir():
        raise DataError("folder of shards missing", got="no such folder", expected=pattern, where=folder)
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        there = sorted(path.name for path in folder.iterdir())[:8]
        raise DataError("no shard found", got=there or "an empty folder", expected=pattern, where=folder)
    return found


def compute_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_shard(path: Path, sha256: str | None = None) -> Shard:
    """A shard whose bytes are what they should be: complete as a tar and, where a digest is known, equal to it.

    Raises DataError for a truncated or different file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 2 * _BLOCK))
        tail = file.read()
    if size == 0 or size % _BLOCK or tail.strip(b"\0"):
        raise DataError("shard is cut short", got=f"{size} bytes", expected="a tar with its end mark", where=path)
    digest = compute_sha256(path)
    if sha256 is not None and digest != sha256:
        raise DataError("shard is corrupt", got=f"sha256 {digest[:16]}", expected=sha256[:16], where=path)
    return Shard(path, digest, size)


def verify_shards(paths: Sequence[Path], digests: Mapping[str, str], threads: int) -> tuple[Shard, ...]:
    """The shards of these paths, as ``verified``, with the digests known by file name; so many are read at a time."""
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda path: verify_shard(path, digests.get(path.name)), paths))


def read_samples(shard: Shard) -> Iterator[Sample]:
    """Every sample of a shard, in its order; also of a list of loose files (see ``bench.datasets.audio_lists``).

    Raises DataError for a broken tar, a sample without audio or sidecar, a sidecar that is no JSON, or a key that
    comes twice.
    """
    if shard.path.suffix == audio_lists.SUFFIX:
        for entry in read_sample_refs(shard):
            yield Sample(entry.key, read_byte_range(entry.place), entry.sidecar, entry.where)
    else:
        yield from (Sample(*each) for each in _each(shard.path, _content))


def read_sample_refs(shard: Shard) -> Iterator[SampleRef]:
    """As ``samples``, the audio being left where it is."""
    if shard.path.suffix == audio_lists.SUFFIX:
        for key, path, size, sidecar in audio_lists.read_audio_list(shard.path):
            yield SampleRef(key, ByteRange(str(path), 0, size), sidecar, str(path))
    else:
        yield from (SampleRef(*each) for each in _each(shard.path, _place))


def read_byte_range(place: ByteRange) -> bytes:
    """The bytes at a place. Raises DataError where there are fewer."""
    try:
        with Path(place.path).open("rb") as file:
            file.seek(place.offset)
            content = file.read(place.size)
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="an audio file", where=place.path) from error
    if len(content) < place.size:
        raise DataError("file has changed", got=f"{len(content)} bytes", expected=place.size, where=place.path)
    return content


def _each(path: Path, content: Callable[[BinaryIO, tarfile.TarInfo], T]) -> Iterator[tuple[str, T, Sidecar, str]]:
    """Key, audio as ``content`` has it, sidecar and name of each sample of a tar."""
    from webdataset.tariterators import group_by_keys

    seen: set[str] = set()
    try:
        for group in group_by_keys(_members(path, content)):
            where = f"{path.name}:{group['__key__']}"
            key, audio, sidecar = _sample(group, where)
            if key in seen:
                raise DataError("key comes twice", got=key, expected="unique keys", where=path)
            seen.add(key)
            yield key, audio, sidecar, where
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError("shard is corrupt", got=str(error), expected="a readable tar", where=path) from error


def count_samples(shard: Shard) -> int:
    """Number of sidecars of a shard, read from its headers alone."""
    with tarfile.open(shard.path) as archive:
        return sum(member.name.endswith(".json") for member in archive)


def _members(path: Path, content: Callable[[BinaryIO, tarfile.TarInfo], object]) -> Iterator[dict[str, Any]]:
    """The files of a shard as webdataset has them; it reads a stream in small pieces, this a file in large ones.

    What is audio is as ``content`` has it.
    """
    with path.open("rb") as file, tarfile.open(fileobj=file) as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else it remembers all of them
            if not info.isreg() or ("/" not in info.name and info.name.startswith("__") and info.name.endswith("__")):
                continue  # a folder, a link, or what webdataset calls metadata
            if "." not in info.name.rpartition("/")[2]:
                raise DataError("unknown member", got=info.name, expected="<key>.<extension>", where=path)
            if info.issparse():
                raise tarfile.ReadError(f"{info.name} is sparse")
            read = _content if info.name.endswith(".json") else content
            yield {"fname": info.name, "data": read(file, info), "__url__": str(path)}


def _content(file: BinaryIO, info: tarfile.TarInfo) -> bytes:
    """The bytes of a member; tarfile looks for its next header where it left off, wherever this leaves the file."""
    file.seek(info.offset_data)
    content = file.read(info.size)
    if len(content) < info.size:
        raise tarfile.ReadError(f"{info.name} is cut short")
    return content


def _place(file: BinaryIO, info: tarfile.TarInfo) -> ByteRange:
    return ByteRange(file.name, info.offset_data, info.size)


def _sample(group: dict[str, Any], where: str) -> tuple[str, Any, Sidecar]:
    """Key, audio and sidecar."""
    members = {name: value for name, value in group.items() if not name.startswith("__")}
    audio = [name for name in members if name != "json"]
    if len(audio) != 1 or audio[0] not in AUDIO_EXTENSIONS:
        expected = f"one of {', '.join(AUDIO_EXTENSIONS)}"
        raise DataError("sample needs one audio file", got=audio or "none", expected=expected, where=where)
    if "json" not in members:
        raise DataError("sidecar missing", got=sorted(members), expected="a .json member", where=where)
    try:
        sidecar = json.loads(members["json"])
    except ValueError as error:
        raise DataError("sidecar is no JSON", got=str(error), expected="JSON", where=where) from error
    return group["__key__"], members[audio[0]], sidecar
