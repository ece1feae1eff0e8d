"""The per-clip proof of a score: enough to score, bootstrap or pair it again without audio, encoder or GPU.

One safetensors file per score. Tensors: ``targets`` [N], ``predictions`` [S, N], ``folds`` [N] and, where clips were
resampled in clusters, ``clusters`` [N], all int64. Metadata: one JSON text ``otoscope`` with ``schema``, ``keys``
(N clip keys) and ``classes`` (C names), in one piece because the format does not keep the order of several.

Where several classes may be right at once, ``targets`` is [N, C] and ``predictions`` [S, N, C], 0 or 1, stored as bits:
uint8 [..., ceil(C / 8)], the first class in the highest bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.store import written
from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a predictions file holds, in the order of the test clips."""

    keys: tuple[str, ...]
    targets: NDArray[Any]  # [N] int64, or [N, C] uint8
    predictions: NDArray[Any]  # [S, N] int64, or [S, N, C] uint8
    folds: NDArray[np.int64]  # [N]
    clusters: NDArray[np.int64] | None  # [N]
    classes: tuple[str, ...]


def write(
    path: Path,
    *,
    keys: Sequence[str],
    targets: NDArray[Any],
    predictions: NDArray[Any],
    folds: NDArray[np.int64],
    clusters: NDArray[np.int64] | None,
    classes: Sequence[str],
) -> None:
    """Write a predictions file whole or not at all; equal content gives equal bytes.

    Shapes as in ``Predictions``. Raises DataError when they do not fit together or a class index is out of range,
    and BenchError when the disk is full.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {"targets": targets, "predictions": predictions, "folds": folds}
    if clusters is not None:
        tensors["clusters"] = clusters
    _check(tensors, len(keys), len(classes), path)
    about = json.dumps({"schema": SCHEMA, "keys": list(keys), "classes": list(classes)}, sort_keys=True)
    whole: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        bits = targets.ndim == 2 and name in ("targets", "predictions")
        whole[name] = np.ascontiguousarray(np.packbits(tensor, axis=-1) if bits else tensor.astype(np.int64))
    content = save(whole, metadata={"otoscope": about})
    with written(path) as temporary:
        temporary.write_bytes(content)


def read(path: Path) -> Predictions:
    """What ``write`` wrote. Raises DataError for a file that is absent, damaged or something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("otoscope", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError("cannot read predictions", got=error, expected="a whole file", where=path) from error
    names = {"targets", "predictions", "folds"}
    if about.get("schema") != SCHEMA or not names <= set(tensors) <= names | {"clusters"}:
        got = f"schema {about.get('schema')}, tensors {sorted(tensors)}"
        raise DataError("no predictions file", got=got, expected=f"schema {SCHEMA}", where=path)
    if tensors["targets"].ndim == 2:
        for name in ("targets", "predictions"):
            tensors[name] = np.unpackbits(tensors[name], axis=-1, count=len(about["classes"]))
    _check(tensors, len(about["keys"]), len(about["classes"]), path)
    return Predictions(
        tuple(about["keys"]),
        tensors["targets"],
        tensors["predictions"],
        tensors["folds"],
        tensors.get("clusters"),
        tuple(about["classes"]),
    )


def _check(tensors: dict[str, NDArray[Any]], n: int, n_classes: int, where: object) -> None:
    several = tensors["targets"].ndim == 2
    for name, tensor in tensors.items():
        shape = (n, n_classes) if several and name in ("targets", "predictions") else (n,)
        ends = tensor.shape[1:] if name == "predictions" else tensor.shape
        if ends != shape or not np.issubdtype(tensor.dtype, np.integer):
            got, expected = f"{tensor.dtype} {list(tensor.shape)}", f"integers [..., {', '.join(map(str, shape))}]"
            raise DataError(f"{name} do not fit the keys", got=got, expected=expected, where=where)
    for name in ("targets", "predictions"):
        outside = (tensors[name] < 0) | (tensors[name] >= (2 if several else n_classes))
        if outside.any():
            first = int(tensors[name][outside][0])
            raise DataError(
                f"{name} hold no class",
                got=first,
                expected="0 or 1" if several else f"0 to {n_classes - 1}",
                where=where,
            )
