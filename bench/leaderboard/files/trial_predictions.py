"""The proof of a row of speaker verification: every trial's score and all that subsets and intervals ask for.

One safetensors file. Tensors: ``enrol`` and ``test`` int32 [n], places of utterances; ``targets`` uint8 [n];
``predictions`` float32 [1, n] scores; ``speakers`` int32 [U] and ``seconds`` float64 [U]. Metadata: one JSON text
``otoscope`` with ``schema``, ``utterances`` (U ids), ``attributes`` (each a list of U values), ``asked`` (the fields of
``Trials``, i.e. which subsets there are) and ``info`` (back-end and embedding). A trial takes 13 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.scoring.trials import TrialPredictions, check_trials
from bench.store.files import write_atomically
from bench.types import DataError, Trials

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = 1
KEY = "enrol"  # a tensor that no other predictions file has
KINDS: Mapping[str, Any] = {
    "enrol": np.int32,
    "test": np.int32,
    "targets": np.uint8,
    "predictions": np.float32,
    "speakers": np.int32,
    "seconds": np.float64,
}


def write_trial_predictions(path: Path, answers: TrialPredictions) -> None:
    """Write the file whole or not at all; equal content gives equal bytes.

    Raises:
        DataError: arrays do not fit together, or scores are not finite.
        BenchError: the disk is full.
    """
    from safetensors.numpy import save_file

    check_trials(answers, path)
    _check_finite(answers.predictions, path)
    tensors = {name: np.ascontiguousarray(getattr(answers, name), dtype=kind) for name, kind in KINDS.items()}
    about = {
        "schema": SCHEMA,
        "utterances": answers.utterances,
        "attributes": dict(answers.attributes),
        "asked": asdict(answers.asked),
        "info": dict(answers.info),
    }
    with write_atomically(path) as temporary:
        save_file(tensors, temporary, metadata={"otoscope": json.dumps(about, sort_keys=True)})


def parse_trial_tensors(tensors: Mapping[str, NDArray[Any]], about: Any, where: object) -> TrialPredictions:
    """Build the answers of a file from its tensors and metadata.

    Raises:
        DataError: they are other than those that ``write_trial_predictions`` writes.
    """
    kinds = {name: tensor.dtype for name, tensor in tensors.items()}
    if kinds != {name: np.dtype(kind) for name, kind in KINDS.items()} or not isinstance(about, dict):
        raise DataError("no predictions file", got=sorted(tensors), expected=sorted(KINDS), where=where)
    if about.get("schema") != SCHEMA:
        raise DataError("no predictions file", got=about.get("schema"), expected=f"schema {SCHEMA}", where=where)
    try:
        listed: dict[str, Any] = {
            name: tuple(own) if isinstance(own, list) else own for name, own in about["asked"].items()
        }
        attributes = {str(name): tuple(values) for name, values in about["attributes"].items()}
        named, asked, info = tuple(about["utterances"]), Trials(**listed), dict(about["info"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError("no predictions file", got=repr(error), expected="trials", where=where) from error
    answers = TrialPredictions(
        **{name: tensors[name] for name in KINDS}, utterances=named, attributes=attributes, asked=asked, info=info
    )
    check_trials(answers, where)
    _check_finite(answers.predictions, where)
    return answers


def _check_finite(scores: NDArray[np.float32], where: object) -> None:
    if not np.isfinite(scores).all():
        raise DataError("predictions hold no score", got="NaN or infinity", expected="finite scores", where=where)
