"""Checks of k-hot targets and of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError

if TYPE_CHECKING:
    from bench.types import Predictions, Targets


def check_k_hot(name: str, values: Targets, where: str) -> None:
    """Raise DataError unless ``values`` [N, C] are integers or booleans, 0 or 1, with N >= 1 and C >= 1."""
    whole = values.dtype == np.bool_ or np.issubdtype(values.dtype, np.integer)
    if values.ndim != 2 or not whole or values.shape[1] == 0:
        got = f"{values.dtype} {list(values.shape)}"
        raise DataError(f"{name} are not k-hot", got=got, expected="0 or 1, [N, C]", where=where)
    if len(values) == 0:
        raise DataError("nothing to score", got="0 rows", expected="at least 1", where=where)
    if values.min() < 0 or values.max() > 1:
        got = f"{values.min()} to {values.max()}"
        raise DataError(f"{name} are not k-hot", got=got, expected="0 or 1", where=where)


def check_shapes(targets: Targets, predictions: Predictions, where: str) -> None:
    """Raise DataError unless both have one shape."""
    if targets.shape != predictions.shape:
        got = f"predictions {list(predictions.shape)}"
        raise DataError("shapes differ", got=got, expected=f"targets {list(targets.shape)}", where=where)


def check_scores(scores: Predictions, where: str) -> None:
    """Raise DataError unless ``scores`` are finite floating-point numbers."""
    if not np.issubdtype(scores.dtype, np.floating):
        raise DataError("predictions are no scores", got=scores.dtype, expected="floating point", where=where)
    if not np.isfinite(scores).all():
        first = scores[~np.isfinite(scores)][0]
        raise DataError("a score is not finite", got=first, expected="finite scores", where=where)
