"""``manifest.json`` beside shards: size and digests of each file, so that a later difference does not go unnoticed.

``{name: {"bytes": int, "md5": hex, "sha256": hex, "samples": int, "record": id}}``; everything but ``bytes`` may be
absent. An entry without ``sha256`` is of a file that has never been complete here.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from bench.datasets import shards
from bench.types import DataError, Shard

NAME = "manifest.json"
LOCKS = ".locks"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """The entry of one file."""

    bytes: int
    md5: str | None = None  # hex
    sha256: str | None = None  # hex
    samples: int | None = None
    record: str | None = None  # that listed it first: Zenodo's id of the record, or hf:OWNER/REPO@COMMIT:FOLDER


def read_manifest(folder: Path) -> dict[str, ManifestEntry]:
    """Read the manifest of a folder, empty when there is none. Raises DataError for a malformed one."""
    path = folder / NAME
    try:
        return {str(name): ManifestEntry(**entry) for name, entry in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = '{"file": {"bytes": ...}}; remove it to start afresh'
        raise DataError("manifest is broken", got=error, expected=expected, where=path) from error


def update_manifest(folder: Path, entries: Mapping[str, ManifestEntry]) -> None:
    """Add entries to the manifest of a folder. Raises DataError when they contradict it."""
    if merge_entries(folder, entries) == read_manifest(folder):
        return
    if folder.is_dir() and not os.access(folder, os.W_OK):
        warnings.warn(f"checksums cannot be recorded in {folder}: a later change stays unnoticed", stacklevel=2)
        return
    try:
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / LOCKS / f"{NAME}.lock")):
            merged = merge_entries(folder, entries)
            temporary = folder / f".{NAME}.{os.getpid()}.tmp"
            temporary.write_text(json.dumps({name: _to_json(merged[name]) for name in sorted(merged)}, indent=1))
            temporary.replace(folder / NAME)
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError("cannot write", got=got, expected="room on the disk", where=folder / NAME) from error


def merge_entries(folder: Path, entries: Mapping[str, ManifestEntry]) -> dict[str, ManifestEntry]:
    """Return the manifest with ``entries`` added. Raises DataError when they contradict each other."""
    merged = read_manifest(folder)
    for name, new in entries.items():
        merged[name] = _merge(merged[name], new, folder / name) if name in merged else new
    return merged


def pin_shards(folder: Path, verified: Sequence[Shard]) -> None:
    """Note verified shards at first use and compare them later. Raises DataError for any difference."""
    before = read_manifest(folder)
    entries = {}
    for shard in verified:
        known = before.get(shard.name)
        samples = known.samples if known is not None and known.samples is not None else shards.count_and_report(shard)
        entries[shard.name] = ManifestEntry(shard.size, sha256=shard.sha256, samples=samples)
    update_manifest(folder, entries)


def measure_file(path: Path, *, name: str = "", known: ManifestEntry | None = None) -> ManifestEntry:
    """Return size, digests and, of a shard, number of samples of a complete file, which is read once.

    Args:
        path: The file.
        name: Its later name, where ``path`` is temporary.
        known: Its entry so far; samples in it are not counted again.
    """
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
    size, samples = path.stat().st_size, known.samples if known is not None else None
    if samples is None and (name or path.name).endswith(".tar"):
        try:
            samples = shards.count_samples(Shard(path, sha256.hexdigest(), size))
        except DataError:
            samples = None  # reading the shard raises the error
    return ManifestEntry(size, md5.hexdigest(), sha256.hexdigest(), samples)


def _merge(old: ManifestEntry, new: ManifestEntry, path: Path) -> ManifestEntry:
    added = {}
    for key, value in asdict(new).items():
        before = getattr(old, key)
        if before is None:
            added[key] = value
        elif value is not None and value != before:
            expected = f"{key} {before}, as recorded at first use in {NAME}"
            raise DataError("file has changed", got=f"{key} {value}", expected=expected, where=path)
    return replace(old, **added)


def _to_json(entry: ManifestEntry) -> dict[str, int | str]:
    return {key: value for key, value in asdict(entry).items() if value is not None}
