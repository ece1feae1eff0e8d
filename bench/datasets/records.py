"""What a record is said to hold: by its server, by a mirror's, or by the manifest beside files already here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bench.datasets import hugging_face, manifest, zenodo
from bench.datasets.hugging_face import Mirror
from bench.datasets.manifest import ManifestEntry
from bench.datasets.web import Session
from bench.datasets.zenodo import RemoteFile
from bench.types import DataError


def list_record_files(
    record: str | Mirror, patterns: Sequence[str], folder: Path, base_url: str | None, offline: bool, session: Session
) -> tuple[RemoteFile, ...]:
    """The record's files: as first recorded, else as the server says, else (offline) what the folder holds."""
    entries = manifest.read_manifest(folder)
    known = {name: entry for name, entry in entries.items() if entry.record and _stands_in(str(record), entry.record)}
    if known and all(_matching(known, pattern) for pattern in patterns):
        return tuple(RemoteFile(name, entry.bytes, entry.md5 or "") for name, entry in known.items())
    if not offline:
        return request_record_files(record, folder, base_url, session)
    here = [path for path in folder.glob("*") if path.is_file()]
    for pattern in patterns:
        if not _matching([path.name for path in here], pattern):
            raise build_offline_error([RemoteFile(pattern, -1, "")], folder)
    return tuple(RemoteFile(path.name, path.stat().st_size, "") for path in here)


def request_record_files(
    record: str | Mirror, folder: Path, base_url: str | None, session: Session
) -> tuple[RemoteFile, ...]:
    """The record's files as the server says."""
    if isinstance(record, str):
        return zenodo.list_files(record, base_url or zenodo.ZENODO, session)
    records = [entry.record for entry in manifest.read_manifest(folder).values() if entry.record]
    return hugging_face.list_files(record, base_url or hugging_face.get_hub_url(), session, records)


def select_files(files: Sequence[RemoteFile], patterns: Sequence[str], where: str) -> list[RemoteFile]:
    """The files that match, sorted by name. Raises DataError for a pattern without one, and for one nobody can use."""
    for pattern in patterns:
        if not _matching([file.name for file in files], pattern):
            got = sorted(file.name for file in files)[:8]
            raise DataError("record has no such file", got=got, expected=pattern, where=where)
    picked = [file for file in files if _any(file.name, patterns)]
    for file in picked:
        if _reserved(file.name):
            raise DataError("reserved file name", got=file.name, expected="no hidden file, no manifest", where=where)
        if file.url and not (file.md5 or file.sha256):
            raise DataError("file without a checksum", got=file.name, expected="a file stored by LFS", where=where)
    return sorted(picked, key=lambda file: file.name)


def is_complete(patterns: Sequence[str], folder: Path) -> bool:
    """Whether every pattern has a file here and no file that the manifest knows of is missing; asks no server."""
    here = [path.name for path in folder.glob("*") if path.is_file()]
    return not list_missing_files(patterns, folder) and all(_matching(here, pattern) for pattern in patterns)


def list_missing_files(patterns: Sequence[str], folder: Path) -> list[str]:
    """Names of the files that match and that the manifest knows of, but that are not in the folder."""
    return [
        name for name in sorted(manifest.read_manifest(folder)) if _any(name, patterns) and not (folder / name).exists()
    ]


def save_listing(files: Sequence[RemoteFile], patterns: Sequence[str], folder: Path) -> None:
    """Record what the server says of the record's files, which must be what was said before, by it or another.

    Of what a mirror holds only the files that match are compared and recorded: it may have a README of its own.
    """
    record = files[0].record
    known = {name: entry for name, entry in manifest.read_manifest(folder).items() if entry.record}
    before = [name for name, entry in known.items() if _stands_in(record, entry.record or "")]
    mirrored = _is_mirror(record) or any(_is_mirror(entry.record or "") for entry in known.values())
    said = {f.name: f for f in files if not _reserved(f.name) and (not mirrored or _any(f.name, patterns))}
    compared = [pattern for pattern in patterns if _matching(before, pattern)] if mirrored else ["*"]
    old, new = ({name for name in names if _any(name, compared)} for names in (before, said))
    if before and old != new:
        got = f"new: {sorted(new - old)}, gone: {sorted(old - new)}"
        raise DataError("record has changed", got=got, expected="the same files", where=folder)
    manifest.update_manifest(folder, {name: _said(file, known.get(name)) for name, file in said.items()})


def _said(file: RemoteFile, before: ManifestEntry | None) -> ManifestEntry:
    """What a listing adds to a file's entry, or must not contradict there; a sha256 is noted of complete files only."""
    another = before is not None and _stands_in(file.record, before.record or "") and before.record != file.record
    sha256 = file.sha256 if before is not None and before.sha256 is not None else ""
    return ManifestEntry(file.bytes, file.md5 or None, sha256 or None, record=None if another else file.record)


def _stands_in(record: str, other: str) -> bool:
    """Whether one record may list what the other has: it is the same, or one of them is a mirror."""
    return record == other or _is_mirror(record) or _is_mirror(other)


def _is_mirror(record: str) -> bool:
    return record.startswith("hf:")


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _reserved(name: str) -> bool:
    return name.startswith(".") or name == manifest.NAME


def build_offline_error(missing: Sequence[RemoteFile], folder: Path) -> DataError:
    """What to say of missing files that must not be fetched."""
    names = [file.name + (f" ({format_megabytes(file.bytes)})" if file.bytes >= 0 else "") for file in missing]
    got = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    expected = "every file in the folder, as --offline forbids fetching"
    return DataError("shards missing", got=f"no {got}", expected=expected, where=folder)


def format_megabytes(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e6:.1f} MB"
