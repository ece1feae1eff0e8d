"""Frame embeddings on disk: one safetensors file per shard, written clip by clip and read through a memory map.

A shard's frames may be larger than memory. So the file begins with a header of a fixed size, filled in last, and it is
written and checked in small parts. Address, lock and rename are those of ``bench.store.files``.

Frames are kept in fp16 where asked, unless a shard does not fit (see ``fits_fp16``): then in fp32, as its header says.

Tensors: ``frames`` [sum T, D], ``spans`` [sum T, 2] and ``seconds`` [N] float64, ``offsets`` [N + 1] int64, ``clips``
uint8: keys, sidecars and digests as JSON text. Metadata: ``sha256`` over their bytes and the header.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bench.store.files import hold_lock, write_atomically
from bench.types import DataError, Sidecar

LARGEST = 65504.0  # finite number of fp16
SMALLEST = 2.0**-8  # peak of a clip below which fp16's own steps, 2 ** -24, would be more than its rounding
_HEADER = 1024  # bytes, of which 8 hold the length of the rest
_NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8"}
_BLOCK = 1 << 24  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Frames:
    """Frame embeddings of the clips of one shard, in shard order; ``frames`` is mapped from disk, not in memory."""

    frames: NDArray[np.floating[Any]]  # [sum T, D] float16 or float32
    spans: NDArray[np.float64]  # [sum T, 2] from when to when a frame stands for its clip, in seconds
    offsets: NDArray[np.int64]  # [N + 1] clip i has the frames offsets[i] to offsets[i + 1]
    keys: tuple[str, ...]
    seconds: NDArray[np.float64]  # [N] clip durations before resampling
    sidecars: tuple[Sidecar, ...]
    digests: tuple[str, ...] = ()  # [N] of the decoded samples of each clip, with notes as in ``Embeddings``

    def clip(self, index: int) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64]]:
        """Return frames [T, D] and spans [T, 2] of one clip, as views."""
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return self.frames[rows], self.spans[rows]


class TooWideError(Exception):
    """A clip does not fit the number format that its shard was begun in."""


def fits_fp16(frames: NDArray[np.floating[Any]]) -> bool:
    """Return whether fp16 holds a clip's frames [T, D]: none overflows, and they are not so small that steps show."""
    peak = float(np.abs(frames).max(initial=0.0))
    return peak == 0.0 or SMALLEST <= peak <= LARGEST


@dataclass(slots=True)
class FrameWriter:
    """A file of frames that is being written, clip by clip."""

    file: IO[bytes]
    dtype: str = "float32"
    digest: Any = field(default_factory=hashlib.sha256)
    dim: int = 0
    offsets: list[int] = field(default_factory=lambda: [0])
    spans: list[NDArray[np.float64]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sidecars: list[Sidecar] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    def add(
        self,
        frames: NDArray[np.floating[Any]],
        spans: NDArray[np.float64],
        key: str,
        seconds: float,
        sidecar: Sidecar,
        digest: str = "",
    ) -> None:
        """Append a clip: ``frames`` [T, D] and ``spans`` [T, 2]. Raises TooWideError if the format does not hold it."""
        if self.dtype == "float16" and not fits_fp16(frames):
            raise TooWideError
        self._write(np.ascontiguousarray(frames, dtype=self.dtype))
        self.dim = frames.shape[1]
        self.offsets.append(self.offsets[-1] + len(frames))
        self.spans.append(spans)
        self.keys.append(key)
        self.seconds.append(seconds)
        self.sidecars.append(sidecar)
        self.digests.append(digest)

    def _write(self, values: NDArray[Any]) -> None:
        content = values.tobytes()
        self.digest.update(content)
        self.file.write(content)

    def close(self) -> None:
        """Write what is known only now: times, keys, and the header that makes a file of it."""
        text = json.dumps([self.keys, self.sidecars, self.digests], separators=(",", ":")).encode()
        rest: dict[str, NDArray[Any]] = {
            "spans": np.concatenate(self.spans, dtype=np.float64),
            "offsets": np.array(self.offsets, dtype=np.int64),
            "seconds": np.array(self.seconds, dtype=np.float64),
            "clips": np.frombuffer(text, dtype=np.uint8),
        }
        at = self.offsets[-1] * self.dim * np.dtype(self.dtype).itemsize
        header: dict[str, Any] = {"frames": _build_entry(self.dtype, [self.offsets[-1], self.dim], 0, at)}
        for name, values in rest.items():
            header[name] = _build_entry(str(values.dtype), list(values.shape), at, at + values.nbytes)
            at += values.nbytes
            self._write(values)
        self.digest.update(json.dumps(header).encode())
        header["__metadata__"] = {"sha256": self.digest.hexdigest()}
        content = json.dumps(header).encode().ljust(_HEADER - 8)
        self.file.seek(0)
        self.file.write(len(content).to_bytes(8, "little") + content)


def _build_entry(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": _NAMES[dtype], "shape": shape, "data_offsets": [start, stop]}


@dataclass(frozen=True, slots=True)
class FrameStore:
    """The frames in a cache folder: ``frames/`` and ``locks/``."""

    root: Path
    dtype: str = "float32"  # or float16, where a shard fits

    def locate(self, key: str) -> Path:
        """Return where the frames under ``key`` are, or would be."""
        return self.root / "frames" / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        """Return whether there is something to read under ``key``, damaged or not."""
        return self.locate(key).exists()

    def get_or_make(self, key: str, make: Callable[[FrameWriter], None]) -> tuple[Frames, bool]:
        """Return what is stored under ``key``, made and stored now if it is not there, and whether it was made now.

        One process makes it, others wait. ``make`` adds every clip to the writer that it is given; it is called again,
        for float32, where float16 is asked for and does not hold them. Raises DataError when it adds none.
        """
        path = self.locate(key)
        stored = _read_frames(path)
        if stored is not None:
            return stored, False
        with hold_lock(self.root / "locks" / f"frames-{key[:3]}.lock"):
            stored = _read_frames(path)
            if stored is not None:
                return stored, False
            with write_atomically(path) as temporary:
                try:
                    _write_frames(temporary, make, self.dtype)
                except TooWideError:
                    _write_frames(temporary, make, "float32")
            made = _require_whole(_map_frames(path), path)
            for part_path in path.parent.glob(f"{key}.part-*"):
                part_path.unlink()
        return made, True

    def get_or_make_part(self, key: str, index: int, make: Callable[[FrameWriter], None]) -> tuple[Frames, bool]:
        """Return a part of what is being made under ``key``, and whether it was made now.

        It is kept until the whole is stored, so that a killed run goes on; in float32, whatever the whole will be: what
        becomes of the parts must not depend on where a run was killed. To be called inside the ``make`` of
        ``get_or_make``: it relies on the lock that is held there.
        """
        path = self._locate_part(key, index)
        stored = _read_frames(path)
        if stored is not None:
            return stored, False
        with write_atomically(path) as temporary:
            _write_frames(temporary, make, "float32")
        return _require_whole(_map_frames(path), path), True

    def has_part(self, key: str, index: int) -> bool:
        """Return whether a part is there to read, damaged or not."""
        return self._locate_part(key, index).exists()

    def _locate_part(self, key: str, index: int) -> Path:
        return self.locate(key).with_suffix(f".part-{index}")


def _require_whole(stored: Frames | None, path: Path) -> Frames:
    if stored is None:
        raise DataError("stored frames are damaged", got="other bytes", expected="what was written", where=path)
    return stored


def _write_frames(path: Path, make: Callable[[FrameWriter], None], dtype: str) -> None:
    with path.open("wb") as file:
        file.seek(_HEADER)
        writer = FrameWriter(file, dtype)
        make(writer)
        if not writer.keys:
            raise DataError("no frames to store", got="0 clips", expected="at least one", where=path)
        writer.close()


def _read_frames(path: Path) -> Frames | None:
    if not path.exists():
        return None
    stored = _map_frames(path)
    if stored is None:
        warnings.warn(f"stored frames are damaged and are computed again: {path}", stacklevel=3)
    return stored


def _map_frames(path: Path) -> Frames | None:
    """Return the stored frames, or None when the file is not what was written: every byte is read and checked once."""
    with path.open("rb") as file:
        try:
            header = json.loads(file.read(_HEADER)[8:])
            wanted = header.pop("__metadata__")["sha256"]
            places = {name: (entry["shape"], *entry["data_offsets"]) for name, entry in header.items()}
            dtype = {"F16": "<f2", "F32": "<f4"}[header["frames"]["dtype"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
        digest.update(json.dumps(header).encode())
        if digest.hexdigest() != wanted:
            return None

        def tensor(name: str, dtype: str) -> NDArray[Any]:
            shape, start, stop = places[name]
            file.seek(_HEADER + start)
            return np.frombuffer(file.read(stop - start), dtype=dtype).reshape(shape)

        keys, sidecars, digests = json.loads(tensor("clips", "uint8").tobytes())
        spans, offsets, seconds = tensor("spans", "f8"), tensor("offsets", "i8"), tensor("seconds", "f8")
    mapped = np.memmap(path, dtype=dtype, mode="r", offset=_HEADER, shape=tuple(places["frames"][0]))
    return Frames(mapped, spans, offsets, tuple(keys), seconds, tuple(sidecars), tuple(digests))
