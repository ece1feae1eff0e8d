"""The per-clip proof of a score: enough to score, bootstrap or pair it again without audio, encoder or GPU.

One safetensors file per score. Tensors: ``folds`` int64 [N] and, where clips were resampled in clusters, ``clusters``
int64 [N]; with one label per clip ``targets`` int64 [N] and ``predictions`` int64 [S, N], else k-hot ``targets`` uint8
[N, C] and scores ``predictions`` float32 [S, N, C]. Metadata: one JSON text ``otoscope`` with ``schema``, ``keys`` (N
clip keys) and ``classes`` (C names), in one piece because the format does not keep the order of several.

K-hot answers instead of scores, those for segments of event tasks, are many: they and their targets are stored as bits,
uint8 [..., ceil(C / 8)], the first class in the highest bit.

Retrieval: a row is a query, ``targets`` its kind (an index into ``classes``) and ``predictions`` the rank of the right
answer, 1 the best; the metadata has ``ranks`` true. Transcripts: ``texts`` uint8, JSON of {"targets": [N texts],
"predictions": [S lists of N texts]}, instead of ``targets`` and ``predictions``, and no classes. Trials of speaker
verification: see ``bench.leaderboard.files.trial_predictions``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard.files import trial_predictions
from bench.scoring.measure import ScoredPredictions
from bench.scoring.trials import TrialPredictions
from bench.store.files import write_atomically
from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = 1


def write_predictions(path: Path, answers: ScoredPredictions | TrialPredictions) -> None:
    """Write a predictions file whole or not at all; equal content gives equal bytes.

    Raises:
        DataError: shapes do not fit together, a class index is out of range, a rank is below 1, a k-hot value is not 0
            or 1, a score is not finite or a text is no text.
        BenchError: the disk is full.
    """
    from safetensors.numpy import save

    if isinstance(answers, TrialPredictions):
        trial_predictions.write_trial_predictions(path, answers)
        return
    targets, predictions = answers.targets, answers.predictions
    tensors = {"targets": targets, "predictions": predictions, "folds": answers.folds}
    if answers.clusters is not None:
        tensors["clusters"] = answers.clusters
    _check_tensors(tensors, len(answers.keys), len(answers.classes), path, ranks=answers.ranks)
    notes = {"schema": SCHEMA, "keys": list(answers.keys), "classes": list(answers.classes)}
    about = json.dumps(notes | ({"ranks": True} if answers.ranks else {}), sort_keys=True)
    kinds = {"targets": np.uint8, "predictions": np.float32} if targets.ndim == 2 else {}
    texts = {} if targets.dtype != object else {name: tensors.pop(name).tolist() for name in ("targets", "predictions")}
    whole = {name: np.ascontiguousarray(tensor, dtype=kinds.get(name, np.int64)) for name, tensor in tensors.items()}
    if texts:
        whole["texts"] = np.frombuffer(json.dumps(texts, sort_keys=True).encode(), dtype=np.uint8)
    elif _has_k_hot_answers(targets, predictions):
        # safetensors writes the bytes of an array as they lie in memory: in C order they have to be
        packed = {name: np.packbits(tensors[name], axis=-1) for name in ("targets", "predictions")}
        whole |= {name: np.ascontiguousarray(bits) for name, bits in packed.items()}
    content = save(whole, metadata={"otoscope": about})
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def read_predictions(path: Path) -> ScoredPredictions | TrialPredictions:
    """Read a file that ``write_predictions`` wrote.

    Raises:
        DataError: the file is absent, damaged or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("otoscope", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError("cannot read predictions", got=error, expected="a whole file", where=path) from error
    if trial_predictions.KEY in tensors:
        return trial_predictions.parse_trial_tensors(tensors, about, path)
    if "texts" in tensors:
        tensors |= _decode_texts(tensors.pop("texts"), path)
    names = {"targets", "predictions", "folds"}
    about = about if isinstance(about, dict) else {}
    about = about if all(_is_list_of_texts(about.get(name)) for name in ("keys", "classes")) else {}
    if about.get("schema") != SCHEMA or not names <= set(tensors) <= names | {"clusters"}:
        got = f"schema {about.get('schema')}, tensors {sorted(tensors)}"
        raise DataError("no predictions file", got=got, expected=f"schema {SCHEMA}", where=path)
    if _has_k_hot_answers(tensors["targets"], tensors["predictions"]):
        for name in ("targets", "predictions"):
            tensors[name] = np.unpackbits(tensors[name], axis=-1, count=len(about["classes"]))
    ranks = bool(about.get("ranks", False))
    _check_tensors(tensors, len(about["keys"]), len(about["classes"]), path, ranks=ranks)
    return ScoredPredictions(
        tuple(about["keys"]),
        tensors["targets"],
        tensors["predictions"],
        tensors["folds"],
        tensors.get("clusters"),
        tuple(about["classes"]),
        ranks,
    )


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(own, str) for own in value)


def _decode_texts(stored: NDArray[np.uint8], where: object) -> dict[str, NDArray[Any]]:
    try:
        texts = json.loads(stored.tobytes())
        found = {name: np.array(texts[name], dtype=object) for name in ("targets", "predictions")}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("cannot read predictions", got=error, expected="texts as JSON", where=where) from error
    return found


def _has_k_hot_answers(targets: NDArray[Any], predictions: NDArray[Any]) -> bool:
    """Tell whether k-hot targets come with k-hot answers, uint8."""
    return targets.ndim == 2 and predictions.dtype == np.uint8


def _check_tensors(tensors: dict[str, NDArray[Any]], n: int, n_classes: int, where: object, *, ranks: bool) -> None:
    targets, predictions = tensors["targets"], tensors["predictions"]
    k_hot, answered = targets.ndim == 2, _has_k_hot_answers(targets, predictions)
    of_clip = (n, n_classes) if k_hot else (n,)
    shapes = {"targets": of_clip, "predictions": (*predictions.shape[:1], *of_clip)}
    for name, tensor in tensors.items():
        kind = np.floating if k_hot and not answered and name == "predictions" else np.integer
        texts = name in shapes and targets.dtype == object
        right = tensor.dtype == object if texts else np.issubdtype(tensor.dtype, kind)
        if tensor.shape != shapes.get(name, (n,)) or not right:
            got = f"{tensor.dtype} {list(tensor.shape)}"
            expected = f"{'texts' if texts else kind.__name__} [..., {n}{f', {n_classes}' if k_hot else ''}]"
            raise DataError(f"{name} do not fit the keys", got=got, expected=expected, where=where)
    if targets.dtype == object:
        _check_texts([*targets, *predictions.ravel()], where)
        return
    if k_hot and not np.isfinite(predictions).all():
        raise DataError("predictions hold no score", got="NaN or infinity", expected="finite scores", where=where)
    if ranks and predictions.min() < 1:
        raise DataError("predictions hold no rank", got=int(predictions.min()), expected="1 or more", where=where)
    _check_classes(tensors, n_classes, where, answered=answered or not (k_hot or ranks))


def _check_texts(texts: Sequence[Any], where: object) -> None:
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None:
        raise DataError("predictions hold no text", got=repr(wrong), expected="texts", where=where)


def _check_classes(tensors: dict[str, NDArray[Any]], n_classes: int, where: object, *, answered: bool) -> None:
    """Raise DataError unless targets, and predictions that are ``answered`` like them, are classes or k-hot."""
    k_hot = tensors["targets"].ndim == 2
    limit = 2 if k_hot else n_classes
    for name in ("targets", "predictions") if answered else ("targets",):
        outside = (tensors[name] < 0) | (tensors[name] >= limit)
        if outside.any():
            first = int(tensors[name][outside][0])
            what = "are not k-hot" if k_hot else "hold no class"
            raise DataError(f"{name} {what}", got=first, expected=f"0 to {limit - 1}", where=where)
