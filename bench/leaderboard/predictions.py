"""The per-clip proof of a score: enough to score, bootstrap or pair it again without audio, encoder or GPU.

One safetensors file per score. Tensors: ``targets`` [N], ``predictions`` [S, N], ``folds`` [N] and, where clips were
resampled in clusters, ``clusters`` [N], all int64. Metadata: one JSON text ``otoscope`` with ``schema``, ``keys``
(N clip keys) and ``classes`` (C names), in one piece because the format does not keep the order of several.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    targets: NDArray[np.int64]  # [N]
    predictions: NDArray[np.int64]  # [S, N]
    folds: NDArray[np.int64]  # [N]
    clusters: NDArray[np.int64] | None  # [N]
    classes: tuple[str, ...]


def write(
    path: Path,
    *,
    keys: Sequence[str],
    targets: NDArray[np.int64],
    predictions: NDArray[np.int64],
    folds: NDArray[np.int64],
    clusters: NDArray[np.int64] | None,
    classes: Sequence[str],
) -> None:
    """Write a predictions file whole or not at all; equal content gives equal bytes.

    Shapes as in ``Predictions``. Raises DataError when they do not fit together or a class index is out of range,
    and BenchError when the disk is full.
    """
    from safetensors.numpy import save

    tensors = {"targets": targets, "predictions": predictions, "folds": folds}
    if clusters is not None:
        tensors["clusters"] = clusters
    _check(tensors, len(keys), len(classes), path)
    about = json.dumps({"schema": SCHEMA, "keys": list(keys), "classes": list(classes)}, sort_keys=True)
    whole = {name: np.ascontiguousarray(tensor, dtype=np.int64) for name, tensor in tensors.items()}
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
    _check(tensors, len(about["keys"]), len(about["classes"]), path)
    return Predictions(
        tuple(about["keys"]),
        tensors["targets"],
        tensors["predictions"],
        tensors["folds"],
        tensors.get("clusters"),
        tuple(about["classes"]),
    )


def _check(tensors: dict[str, NDArray[np.int64]], n: int, n_classes: int, where: object) -> None:
    for name, tensor in tensors.items():
        dimensions = 2 if name == "predictions" else 1
        if tensor.ndim != dimensions or tensor.shape[-1] != n or not np.issubdtype(tensor.dtype, np.integer):
            got = f"{tensor.dtype} {list(tensor.shape)}"
            raise DataError(f"{name} do not fit the keys", got=got, expected=f"integers [..., {n}]", where=where)
    for name in ("targets", "predictions"):
        outside = (tensors[name] < 0) | (tensors[name] >= n_classes)
        if outside.any():
            first = int(tensors[name][outside][0])
            raise DataError(f"{name} hold no class", got=first, expected=f"0 to {n_classes - 1}", where=where)
