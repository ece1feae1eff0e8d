"""Content-addressed embeddings on disk: written whole or not at all, computed once however many processes ask.

The address is a digest of everything an embedding depends on (see ``compute_address``); no class name, path or time
enters.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from bench.types import BenchError, DataError, Embeddings


def compute_address(**parts: object) -> str:
    """Return sha256 over named plain values, in hex."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sanitize_name(name: str) -> str:
    """Return a name as part of a file name; two different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def hold_lock(lock_path: Path) -> Iterator[None]:
    """Hold an inter-process lock; it is freed by the system when its holder dies."""
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(lock_path)):
        yield


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name when the block succeeds and vanishes when it does not.

    What a killed process left of the same file is removed first, so the caller must hold the file's lock. Raises
    BenchError when the disk cannot take the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free / 1e6
        got = f"{error.strerror or error} ({free:.0f} MB free)"
        raise BenchError("cannot write", got=got, expected="room on the disk", where=path) from error
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Store:
    """The cache folder: ``embeddings/``, ``certificates/`` and ``locks/``."""

    root: Path

    def locate(self, key: str) -> Path:
        """Return where the embeddings under ``key`` are, or would be."""
        return self.root / "embeddings" / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        """Return whether there is something to read under ``key``, damaged or not."""
        return self.locate(key).exists()

    def read(self, key: str) -> Embeddings:
        """Return what is stored under ``key``. Raises DataError when there is nothing, or it is damaged."""
        stored = self._read(self.locate(key))
        if stored is None:
            got, where = "no file, or a damaged one", self.locate(key)
            raise DataError("stored embeddings are gone", got=got, expected="what was just written", where=where)
        return stored

    def get_or_make(self, key: str, make: Callable[[], Embeddings]) -> tuple[Embeddings, bool]:
        """Return what is stored under ``key``, made and stored now if it is not there, and whether it was made now.

        One process makes it, others wait.
        """
        path = self.locate(key)
        stored = self._read(path)
        if stored is not None:
            return stored, False
        with hold_lock(self.root / "locks" / f"{key[:3]}.lock"):
            stored = self._read(path)
            if stored is not None:
                return stored, False
            made = make()
            self._write(path, made)
            for part in path.parent.glob(f"{key}.part-*"):
                part.unlink()
        return made, True

    def get_or_make_part(self, key: str, index: int, make: Callable[[], Embeddings]) -> tuple[Embeddings, bool]:
        """Return a part of what is being made under ``key``, and whether it was made now.

        It is kept until the whole is stored, so that a killed run goes on. To be called inside the ``make`` of
        ``get_or_make``: it relies on the lock that is held there.
        """
        path = self._locate_part(key, index)
        stored = self._read(path)
        if stored is not None:
            return stored, False
        made = make()
        self._write(path, made)
        return made, True

    def has_part(self, key: str, index: int) -> bool:
        """Return whether a part is there to read, damaged or not."""
        return self._locate_part(key, index).exists()

    def _locate_part(self, key: str, index: int) -> Path:
        return self.locate(key).with_suffix(f".part-{index}")

    def get_or_make_record(self, key: str, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return a plain mapping, such as a certificate, stored as JSON under ``key``, made now if it is not there."""
        path = self.root / "certificates" / f"{key}.json"
        with hold_lock(self.root / "locks" / f"certificate-{key[:3]}.lock"):
            if path.exists():
                with contextlib.suppress(ValueError):
                    return dict(json.loads(path.read_text()))
            made = make()
            with write_atomically(path) as temporary:
                temporary.write_text(json.dumps(made, sort_keys=True))
            return made

    def replace_record(self, key: str, record: Mapping[str, Any]) -> None:
        """Store a mapping under ``key`` in place of the one that is there."""
        with (
            hold_lock(self.root / "locks" / f"certificate-{key[:3]}.lock"),
            write_atomically(self.root / "certificates" / f"{key}.json") as temporary,
        ):
            temporary.write_text(json.dumps(record, sort_keys=True))

    def _write(self, path: Path, embeddings: Embeddings) -> None:
        with write_atomically(path) as temporary:
            _save_embeddings(temporary, embeddings)

    def _read(self, path: Path) -> Embeddings | None:
        if not path.exists():
            return None
        stored = _load_embeddings(path)
        if stored is None:
            warnings.warn(f"stored embeddings are damaged and are computed again: {path}", stacklevel=2)
        return stored


def _compute_digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def _save_embeddings(path: Path, embeddings: Embeddings) -> None:
    """Write ``vectors`` [N, D], ``seconds`` [N] and ``clips``: keys, sidecars, digests as JSON, deflated (RFC 1950)."""
    from safetensors.numpy import save

    text = json.dumps([embeddings.keys, embeddings.sidecars, embeddings.digests], separators=(",", ":"))
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "vectors": np.ascontiguousarray(embeddings.vectors, dtype=np.float32),
        "seconds": np.ascontiguousarray(embeddings.seconds, dtype=np.float64),
        "clips": np.frombuffer(zlib.compress(text.encode(), 1), dtype=np.uint8),
    }
    path.write_bytes(save(arrays, metadata={"sha256": _compute_digest(arrays)}))


def _load_embeddings(path: Path) -> Embeddings | None:
    """Return the stored embeddings, or None when the file is not what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata()
            arrays: dict[str, np.ndarray[Any, Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError):
        return None
    if metadata is None or metadata.get("sha256") != _compute_digest(arrays):
        return None
    keys, sidecars, digests = json.loads(zlib.decompress(arrays["clips"].tobytes()))
    return Embeddings(arrays["vectors"], tuple(keys), arrays["seconds"], tuple(sidecars), tuple(digests))
