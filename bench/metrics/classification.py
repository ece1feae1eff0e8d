"""Single-label classification.

Conventions: ``targets`` and ``predictions`` are integer arrays [N] of class indices, N >= 1; values are fractions in
[0, 1], higher is better. Chance is that of the classes that occur in the test set: a class of the vocabulary without
a test clip makes nothing harder.

Sources: scikit-learn's ``compute_accuracy`` and ``compute_balanced_accuracy`` (Brodersen et al., "The balanced accuracy
and its posterior distribution", ICPR 2010) define the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError, Metric, PerClip

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _check_class_indices(targets: NDArray[np.int64], predictions: NDArray[np.int64], where: str) -> None:
    for name, values in (("targets", targets), ("predictions", predictions)):
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            got = f"{values.dtype} {list(values.shape)}"
            raise DataError(f"{name} are no class indices", got=got, expected="integers [N]", where=where)
    if len(targets) != len(predictions):
        raise DataError("lengths differ", got=f"{len(predictions)} predictions", expected=len(targets), where=where)
    if len(targets) == 0:
        raise DataError("nothing to score", got="0 clips", expected="at least 1", where=where)


def mark_correct(targets: NDArray[np.int64], predictions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1.0 where the prediction is right, else 0.0.

    Args:
        targets: class indices, integers [N], N >= 1.
        predictions: class indices, integers [N].

    Returns:
        float64 [N].

    Raises:
        DataError: for empty, unequal or non-integer input.

    >>> mark_correct(np.array([0, 1, 2]), np.array([0, 2, 2])).tolist()
    [1.0, 0.0, 1.0]
    """
    _check_class_indices(targets, predictions, "accuracy")
    return np.equal(targets, predictions).astype(np.float64)


def compute_accuracy(targets: NDArray[np.int64], predictions: NDArray[np.int64]) -> float:
    """Return the fraction of clips that are predicted right.

    Args:
        targets: class indices, integers [N], N >= 1.
        predictions: class indices, integers [N].

    Raises:
        DataError: for empty, unequal or non-integer input.

    >>> compute_accuracy(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 2]))
    0.75
    """
    return float(mark_correct(targets, predictions).mean())


def compute_balanced_accuracy(targets: NDArray[np.int64], predictions: NDArray[np.int64]) -> float:
    """Return the unweighted mean of the recalls of the classes that occur in ``targets``.

    Args:
        targets: class indices, integers [N], N >= 1.
        predictions: class indices, integers [N].

    Raises:
        DataError: for empty, unequal or non-integer input.

    >>> compute_balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    _check_class_indices(targets, predictions, "balanced_accuracy")
    _, classes = np.unique(targets, return_inverse=True)
    right = np.bincount(classes, weights=targets == predictions)
    return float(np.mean(right / np.bincount(classes)))


def compute_uniform_chance(targets: NDArray[np.int64], n_classes: int) -> float:
    """Return 1 / C, the accuracy, balanced or not, of guessing each of the C classes of ``targets`` equally often.

    >>> compute_uniform_chance(np.array([0, 1, 1]), n_classes=4)
    0.5
    """
    if n_classes < 1 or len(targets) == 0:
        raise DataError("no classes", got=n_classes, expected="at least 1", where="chance level")
    return 1.0 / len(np.unique(targets))


balanced_accuracy = Metric(name="balanced_accuracy", compute=compute_balanced_accuracy, chance=compute_uniform_chance)
"""Mean recall of the classes that occur, see ``compute_balanced_accuracy``."""

accuracy = Metric(
    name="accuracy",
    compute=compute_accuracy,
    chance=compute_uniform_chance,
    resampling=PerClip(mark_correct),
    secondary=(balanced_accuracy,),
)
"""Fraction of clips that are predicted right, see ``compute_accuracy``."""
