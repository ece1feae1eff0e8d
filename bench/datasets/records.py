"""List the files of a record: from its server, from a mirror's, or from the manifest beside files already here."""

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
    """Return the record's files: from the manifest, else from the server, else (offline) what the folder holds."""
    entries = manifest.read_manifest(folder)
    known = {name: entry for name, entry in entries.items() if entry.record and _may_replace(str(record), entry.record)}
    if known and all(_match(known, pattern) for pattern in patterns):
        return tuple(RemoteFile(name, entry.bytes, entry.md5 or "") for name, entry in known.items())
    if not offline:
        return request_record_files(record, folder, base_url, session)
    here = [path for path in folder.glob("*") if path.is_file()]
    for pattern in patterns:
        if not _match([path.name for path in here], pattern):
            raise build_offline_error([RemoteFile(pattern, -1, "")], folder)
    return tuple(RemoteFile(path.name, path.stat().st_size, "") for path in here)


def request_record_files(
    record: str | Mirror, folder: Path, base_url: str | None, session: Session
) -> tuple[RemoteFile, ...]:
    """Ask the server for the record's files."""
    if isinstance(record, str):
        return zenodo.list_files(record, base_url or zenodo.ZENODO, session)
    records = [entry.record for entry in manifest.read_manifest(folder).values() if entry.record]
    return hugging_face.list_files(record, base_url or hugging_face.get_hub_url(), session, records)


def select_files(files: Sequence[RemoteFile], patterns: Sequence[str], where: str) -> list[RemoteFile]:
    """Return the files that match, sorted by name.

    Raises:
        DataError: A pattern matches no file, or a file has a reserved name or no checksum.
    """
    for pattern in patterns:
        if not _match([file.name for file in files], pattern):
            got = sorted(file.name for file in files)[:8]
            raise DataError("record has no such file", got=got, expected=pattern, where=where)
    selected = [file for file in files if _matches_any(file.name, patterns)]
    for file in selected:
        if _is_reserved(file.name):
            raise DataError("reserved file name", got=file.name, expected="no hidden file, no manifest", where=where)
        if file.url and not (file.md5 or file.sha256):
            raise DataError("file without a checksum", got=file.name, expected="a file stored by LFS", where=where)
    return sorted(selected, key=lambda file: file.name)


def is_complete(patterns: Sequence[str], folder: Path) -> bool:
    """Return True if every pattern has a file here and no file of the manifest is missing; asks no server."""
    here = [path.name for path in folder.glob("*") if path.is_file()]
    return not list_missing_files(patterns, folder) and all(_match(here, pattern) for pattern in patterns)


def list_missing_files(patterns: Sequence[str], folder: Path) -> list[str]:
    """Return the names of matching files that the manifest lists but the folder lacks."""
    return [
        name
        for name in sorted(manifest.read_manifest(folder))
        if _matches_any(name, patterns) and not (folder / name).exists()
    ]


def save_listing(files: Sequence[RemoteFile], patterns: Sequence[str], folder: Path) -> None:
    """Note the server's listing in the manifest; it must agree with earlier listings, by this server or another.

    Of a mirror only the files that match are compared and noted: it may have a README of its own.

    Raises:
        DataError: The listing has other files, sizes or digests than before.
    """
    record = files[0].record
    known = {name: entry for name, entry in manifest.read_manifest(folder).items() if entry.record}
    before = [name for name, entry in known.items() if _may_replace(record, entry.record or "")]
    mirrored = _is_mirror(record) or any(_is_mirror(entry.record or "") for entry in known.values())
    listed = {f.name: f for f in files if not _is_reserved(f.name) and (not mirrored or _matches_any(f.name, patterns))}
    compared = [pattern for pattern in patterns if _match(before, pattern)] if mirrored else ["*"]
    old, new = ({name for name in names if _matches_any(name, compared)} for names in (before, listed))
    if before and old != new:
        got = f"new: {sorted(new - old)}, gone: {sorted(old - new)}"
        raise DataError("record has changed", got=got, expected="the same files", where=folder)
    manifest.update_manifest(folder, {name: _build_entry(file, known.get(name)) for name, file in listed.items()})


def _build_entry(file: RemoteFile, before: ManifestEntry | None) -> ManifestEntry:
    """Return a listing's part of a file's entry; a sha256 is noted of complete files only."""
    is_another = before is not None and _may_replace(file.record, before.record or "") and before.record != file.record
    sha256 = file.sha256 if before is not None and before.sha256 is not None else ""
    return ManifestEntry(file.bytes, file.md5 or None, sha256 or None, record=None if is_another else file.record)


def _may_replace(record: str, other: str) -> bool:
    """Return True if one record may list the other's files: it is the same, or one of them is a mirror."""
    return record == other or _is_mirror(record) or _is_mirror(other)


def _is_mirror(record: str) -> bool:
    return record.startswith("hf:")


def _match(names: Iterable[str], pattern: str) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_reserved(name: str) -> bool:
    return name.startswith(".") or name == manifest.NAME


def build_offline_error(missing: Sequence[RemoteFile], folder: Path) -> DataError:
    """Return the error about missing files that must not be fetched."""
    names = [file.name + (f" ({format_megabytes(file.bytes)})" if file.bytes >= 0 else "") for file in missing]
    got = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    expected = "every file in the folder, as --offline forbids fetching"
    return DataError("shards missing", got=f"no {got}", expected=expected, where=folder)


def format_megabytes(size: int) -> str:
    """Return a size [bytes] as text."""
    return f"{size / 1e6:.1f} MB"
