"""Find, verify and read WebDataset shards; no sample is skipped.

A shard is an uncompressed tar of ``<key>.<audio>`` and ``<key>.json`` next to one another. Members are read by name
from the stream; nothing is extracted to disk.
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
_BLOCK = 512  # bytes, the unit of tar; an archive ends in two zero blocks


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
    """Return the shards of ``folder`` that match ``pattern``, sorted by name. Raises DataError when there are none."""
    if not folder.is_dir():
        raise DataError("folder of shards missing", got="no such folder", expected=pattern, where=folder)
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        names = sorted(path.name for path in folder.iterdir())[:8]
        raise DataError("no shard found", got=names or "an empty folder", expected=pattern, where=folder)
    return paths


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_shard(path: Path, sha256: str | None = None) -> Shard:
    """Return the file as a shard if it is a complete tar with the digest ``sha256``, where that is known.

    Raises:
        DataError: The file is truncated or has another digest.
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
    """Verify several shards, ``threads`` at a time; ``digests`` are the known ones by file name."""
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda path: verify_shard(path, digests.get(path.name)), paths))


def read_samples(shard: Shard) -> Iterator[Sample]:
    """Yield every sample of a shard or of a list of audio files (see ``bench.datasets.audio_lists``), in order.

    Raises:
        DataError: The tar is broken, a sample lacks audio or sidecar, a sidecar is no JSON, or a key is repeated.
    """
    if shard.path.suffix == audio_lists.SUFFIX:
        for ref in read_sample_refs(shard):
            yield Sample(ref.key, read_byte_range(ref.byte_range), ref.sidecar, ref.where)
    else:
        yield from (Sample(*fields) for fields in _read_tar(shard.path, _read_member))


def read_sample_refs(shard: Shard) -> Iterator[SampleRef]:
    """Yield every sample of a shard as ``read_samples`` does, without reading its audio."""
    if shard.path.suffix == audio_lists.SUFFIX:
        for key, path, size, sidecar in audio_lists.read_audio_list(shard.path):
            yield SampleRef(key, ByteRange(str(path), 0, size), sidecar, str(path))
    else:
        yield from (SampleRef(*fields) for fields in _read_tar(shard.path, _locate_member))


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


def _read_tar(
    path: Path, read_audio: Callable[[BinaryIO, tarfile.TarInfo], T]
) -> Iterator[tuple[str, T, Sidecar, str]]:
    """Yield key, audio as ``read_audio`` returns it, sidecar and name of each sample of a tar."""
    from webdataset.tariterators import group_by_keys

    seen: set[str] = set()
    try:
        for group in group_by_keys(_read_members(path, read_audio)):
            where = f"{path.name}:{group['__key__']}"
            key, audio, sidecar = _parse_sample(group, where)
            if key in seen:
                raise DataError("key comes twice", got=key, expected="unique keys", where=path)
            seen.add(key)
            yield key, audio, sidecar, where
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError("shard is corrupt", got=str(error), expected="a readable tar", where=path) from error


def count_samples(shard: Shard) -> int:
    """Count the sidecars of a shard, reading only its headers."""
    with tarfile.open(shard.path) as archive:
        return sum(member.name.endswith(".json") for member in archive)


def _read_members(path: Path, read_audio: Callable[[BinaryIO, tarfile.TarInfo], object]) -> Iterator[dict[str, Any]]:
    """Yield the files of a shard as webdataset's reader does, which reads in small pieces and so is slower.

    Audio is as ``read_audio`` returns it.
    """
    with path.open("rb") as file, tarfile.open(fileobj=file) as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
            if not info.isreg() or ("/" not in info.name and info.name.startswith("__") and info.name.endswith("__")):
                continue  # a folder, a link, or metadata of webdataset
            if "." not in info.name.rpartition("/")[2]:
                raise DataError("unknown member", got=info.name, expected="<key>.<extension>", where=path)
            if info.issparse():
                raise tarfile.ReadError(f"{info.name} is sparse")
            read = _read_member if info.name.endswith(".json") else read_audio
            yield {"fname": info.name, "data": read(file, info), "__url__": str(path)}


def _read_member(file: BinaryIO, info: tarfile.TarInfo) -> bytes:
    """Read the bytes of a member; tarfile seeks its next header itself, so the position need not be restored."""
    file.seek(info.offset_data)
    content = file.read(info.size)
    if len(content) < info.size:
        raise tarfile.ReadError(f"{info.name} is cut short")
    return content


def _locate_member(file: BinaryIO, info: tarfile.TarInfo) -> ByteRange:
    return ByteRange(file.name, info.offset_data, info.size)


def _parse_sample(group: dict[str, Any], where: str) -> tuple[str, Any, Sidecar]:
    """Return key, audio and sidecar."""
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
