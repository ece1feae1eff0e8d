"""``manifest.json`` beside shards: what each file is, so that a later difference does not go unnoticed.

``{name: {"bytes": int, "md5": hex, "sha256": hex, "samples": int, "record": id}}``; everything but ``bytes`` may be
absent, and an entry without ``sha256`` is of a file that has not been seen complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
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
    """What is known of one file."""

    bytes: int
    md5: str | None = None  # hex
    sha256: str | None = None  # hex
    samples: int | None = None
    record: str | None = None  # who listed it first: Zenodo's id of the record, or hf:OWNER/REPO@COMMIT:FOLDER


def read_manifest(folder: Path) -> dict[str, ManifestEntry]:
    """The manifest of a folder, empty when there is none. Raises DataError when it is not a manifest."""
    path = folder / NAME
    try:
        return {str(name): ManifestEntry(**entry) for name, entry in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = '{"file": {"bytes": ...}}; remove it to start afresh'
        raise DataError("manifest is broken", got=error, expected=expected, where=path) from error


def update_manifest(folder: Path, said: Mapping[str, ManifestEntry]) -> None:
    """Add what is now known of files to the manifest. Raises DataError when it contradicts what is there."""
    if merge_entries(folder, said) == read_manifest(folder):
        return
    if folder.is_dir() and not os.access(folder, os.W_OK):
        warnings.warn(f"checksums cannot be recorded in {folder}: a later change stays unnoticed", stacklevel=2)
        return
    try:
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder / LOCKS / f"{NAME}.lock")):
            merged = merge_entries(folder, said)
            temporary = folder / f".{NAME}.{os.getpid()}.tmp"
            temporary.write_text(json.dumps({name: _plain(merged[name]) for name in sorted(merged)}, indent=1))
            temporary.replace(folder / NAME)
    except OSError as error:
        got = error.strerror or str(error)
        raise DataError("cannot write", got=got, expected="room on the disk", where=folder / NAME) from error


def merge_entries(folder: Path, said: Mapping[str, ManifestEntry]) -> dict[str, ManifestEntry]:
    """The manifest with ``said`` added. Raises DataError when they contradict each other."""
    merged = read_manifest(folder)
    for name, new in said.items():
        merged[name] = _merged(merged[name], new, folder / name) if name in merged else new
    return merged


def pin_shards(folder: Path, found: Sequence[Shard]) -> None:
    """Record verified shards at first use, and compare them from then on. Raises DataError for any difference."""
    before = read_manifest(folder)
    said = {}
    for shard in found:
        known = before.get(shard.path.name)
        samples = known.samples if known is not None and known.samples is not None else shards.count_samples(shard)
        said[shard.path.name] = ManifestEntry(shard.size, sha256=shard.sha256, samples=samples)
    update_manifest(folder, said)


def measure_file(path: Path, *, name: str = "", known: ManifestEntry | None = None) -> ManifestEntry:
    """What a complete file is, read once; the samples of a shard are counted unless ``known``. Raises DataError."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            md5.update(chunk)
            sha256.update(chunk)
    size, samples = path.stat().st_size, known.samples if known is not None else None
    if samples is None and (name or path.name).endswith(".tar"):
        try:
            samples = shards.count_samples(Shard(path, sha256.hexdigest(), size))
        except tarfile.TarError:
            samples = None  # whoever reads the shard says what is wrong with it
    return ManifestEntry(size, md5.hexdigest(), sha256.hexdigest(), samples)


def _merged(old: ManifestEntry, new: ManifestEntry, where: Path) -> ManifestEntry:
    added = {}
    for key, value in asdict(new).items():
        before = getattr(old, key)
        if before is None:
            added[key] = value
        elif value is not None and value != before:
            expected = f"{key} {before}, as recorded at first use in {NAME}"
            raise DataError("file has changed", got=f"{key} {value}", expected=expected, where=where)
    return replace(old, **added)


def _plain(entry: ManifestEntry) -> dict[str, int | str]:
    return {key: value for key, value in asdict(entry).items() if value is not None}
