"""The per-clip proof of a score: enough to score, bootstrap or pair it again without audio, encoder or GPU.

One safetensors file per score. Tensors: ``folds`` int64 [N] and, where clips were resampled in clusters, ``clusters``
int64 [N]; with one label per clip ``targets`` int64 [N] and ``predictions`` int64 [S, N], else k-hot ``targets`` uint8
[N, C] and scores ``predictions`` float32 [S, N, C]. Metadata: one JSON text ``otoscope`` with ``schema``, ``keys`` (N
clip keys) and ``classes`` (C names), in one piece because the format does not keep the order of several.

K-hot answers instead of scores, those for segments of event tasks, are many: they and their targets are stored as bits,
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

    from bench.types import Predictions as Answers
    from bench.types import Targets

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a predictions file holds, in the order of the test clips."""

    keys: tuple[str, ...]
    targets: Targets  # [N] or [N, C]
    predictions: Answers  # [S, N] or [S, N, C]
    folds: NDArray[np.int64]  # [N]
    clusters: NDArray[np.int64] | None  # [N]
    classes: tuple[str, ...]


def write(
    path: Path,
    *,
    keys: Sequence[str],
    targets: Targets,
    predictions: Answers,
    folds: NDArray[np.int64],
    clusters: NDArray[np.int64] | None,
    classes: Sequence[str],
) -> None:
    """Write a predictions file whole or not at all; equal content gives equal bytes.

    Shapes as in ``Predictions``. Raises DataError when they do not fit together, a class index is out of range, a
    k-hot value is not 0 or 1 or a score is not finite, and BenchError when the disk is full.
    """
    from safetensors.numpy import save

    tensors = {"targets": targets, "predictions": predictions, "folds": folds}
    if clusters is not None:
        tensors["clusters"] = clusters
    _check(tensors, len(keys), len(classes), path)
    about = json.dumps({"schema": SCHEMA, "keys": list(keys), "classes": list(classes)}, sort_keys=True)
    kinds = {"targets": np.uint8, "predictions": np.float32} if targets.ndim == 2 else {}
    whole = {name: np.ascontiguousarray(tensor, dtype=kinds.get(name, np.int64)) for name, tensor in tensors.items()}
    if _answered(targets, predictions):
        whole |= {name: np.packbits(tensors[name], axis=-1) for name in ("targets", "predictions")}
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
    if _answered(tensors["targets"], tensors["predictions"]):
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


def _answered(targets: NDArray[Any], predictions: NDArray[Any]) -> bool:
    """Whether k-hot targets come with k-hot answers, uint8."""
    return targets.ndim == 2 and predictions.dtype == np.uint8


def _check(tensors: dict[str, NDArray[Any]], n: int, n_classes: int, where: object) -> None:
    k_hot, answered = tensors["targets"].ndim == 2, _answered(tensors["targets"], tensors["predictions"])
    of_clip = (n, n_classes) if k_hot else (n,)
    shapes = {"targets": of_clip, "predictions": (*tensors["predictions"].shape[:1], *of_clip)}
    for name, tensor in tensors.items():
        kind = np.floating if k_hot and not answered and name == "predictions" else np.integer
        if tensor.shape != shapes.get(name, (n,)) or not np.issubdtype(tensor.dtype, kind):
            got = f"{tensor.dtype} {list(tensor.shape)}"
            expected = f"{kind.__name__} [..., {n}{f', {n_classes}' if k_hot else ''}]"
            raise DataError(f"{name} do not fit the keys", got=got, expected=expected, where=where)
    if k_hot and not np.isfinite(tensors["predictions"]).all():
        raise DataError("predictions hold no score", got="NaN or infinity", expected="finite scores", where=where)
    limits = {"targets": 2 if k_hot else n_classes}
    if answered or not k_hot:
        limits["predictions"] = limits["targets"]
    for name, limit in limits.items():
        outside = (tensors[name] < 0) | (tensors[name] >= limit)
        if outside.any():
            first = int(tensors[name][outside][0])
            what = "are not k-hot" if k_hot else "hold no class"
            raise DataError(f"{name} {what}", got=first, expected=f"0 to {limit - 1}", where=where)
