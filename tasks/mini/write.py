"""Write WebDataset shards (``<key>.flac`` or ``<key>.wav`` beside ``<key>.json``) with the same bytes everywhere.

Tar headers carry no time, user or permission of this machine; json is compact with sorted keys; FLAC is written at
compression level 0 (fixed predictors: integer arithmetic) and stripped of the blocks that name the encoder's version.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.types import DataError


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip and its sidecar, before it is encoded."""

    key: str  # no dot, no slash: WebDataset splits names at the first dot
    audio: NDArray[np.int16]  # [N]
    sampling_rate: int  # Hz
    sidecar: Any  # a mapping or list of JSON values
    container: Literal["flac", "wav"] = "flac"


def encode_flac(audio: NDArray[np.int16], sampling_rate: int) -> bytes:
    """Encode mono int16 [N] as FLAC with only its STREAMINFO block."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, sampling_rate, format="FLAC", subtype="PCM_16", compression_level=0.0)
    raw = buffer.getvalue()
    at, last = 4, False
    while not last:  # metadata blocks: flag and type in one byte, 24-bit length, content
        last, length = bool(raw[at] & 0x80), int.from_bytes(raw[at + 1 : at + 4], "big")
        at += 4 + length
    return raw[:4] + bytes([0x80]) + raw[5:42] + raw[at:]


def encode_wav(audio: NDArray[np.int16], sampling_rate: int) -> bytes:
    """Encode mono int16 [N] as a RIFF WAVE file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sampling_rate)
        out.writeframes(audio.astype("<i2").tobytes())
    return buffer.getvalue()


def _encode_members(sample: Sample) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """Encode a sample as file names and contents.

    Raises:
        DataError: No reader would take the key or the audio.
    """
    if not sample.key or {".", "/"} & set(sample.key):
        raise DataError("sample key", got=repr(sample.key), expected="a name without '.' and '/'", where="write_shards")
    if sample.audio.dtype != np.int16 or sample.audio.ndim != 1 or len(sample.audio) == 0:
        got = f"{sample.audio.dtype} {sample.audio.shape}"
        raise DataError("sample audio", got=got, expected="int16 [N >= 1]", where=sample.key)
    encode = encode_flac if sample.container == "flac" else encode_wav
    sidecar = json.dumps(sample.sidecar, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    audio = encode(sample.audio, sample.sampling_rate)
    return (f"{sample.key}.{sample.container}", audio), (f"{sample.key}.json", sidecar.encode())


def _pack_tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), 0, 0o644
            out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Replace the file whole or not at all: a reader never sees half a shard."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_shards(
    folder: Path,
    stem: str,
    samples: Iterable[Sample],
    per_shard: int | None = None,
    name: str = "{stem}_{index:07d}.tar",
) -> tuple[str, ...]:
    """Write samples, sorted by key, into shards of ``per_shard`` (None: one shard); returns the shard names.

    ``name`` is formatted with ``stem`` and ``index`` (0, 1, ...), e.g. ``"{stem}-{index:07d}.tar"``. Raises DataError
    for no samples, a repeated or unusable key, or a name without ``index`` where several shards are needed.
    """
    encoded: dict[str, tuple[tuple[str, bytes], tuple[str, bytes]]] = {}
    for sample in samples:
        if sample.key in encoded:
            raise DataError("sample key", got=f"{sample.key!r} twice", expected="unique keys", where=stem)
        encoded[sample.key] = _encode_members(sample)
    if not encoded:
        raise DataError("samples of a shard", got=0, expected="at least one", where=stem)
    keys = sorted(encoded)
    size = len(keys) if per_shard is None else per_shard
    groups = [keys[start : start + size] for start in range(0, len(keys), size)]
    names = tuple(name.format(stem=stem, index=index) for index in range(len(groups)))
    if len(set(names)) != len(names):
        raise DataError("shard name", got=name, expected="a pattern with {index}", where=stem)
    for shard, group in zip(names, groups, strict=True):
        _replace(folder / shard, _pack_tar(member for key in group for member in encoded[key]))
    return names
