"""Checks of a probe's input, before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.types import FitSplit, Targets

LARGEST = 1e18  # the square of anything below fits float32, so norms and variances stay finite


def check_input(
    vectors: NDArray[np.float32], targets: Targets, problems: Sequence[FitSplit], n_classes: int, where: str
) -> None:
    """Raise DataError for input that would give a meaningless number.

    ``vectors`` [N, D] and ``targets`` [N] or k-hot [N, C] as for ``Probe.run``. Raises DataError for mismatched
    shapes, values that are not finite (naming the row), classes outside [0, n_classes) or k-hot values other than 0
    and 1, rows outside [0, N), an empty train, valid or test set, a test or valid set that repeats training rows, a
    training set of fewer than two classes (k-hot: in which no class is both present and absent) and a valid set
    without any label.
    """
    shape = (len(vectors),) if targets.ndim == 1 else (len(vectors), n_classes)
    if vectors.ndim != 2 or targets.shape != shape or vectors.shape[1] < 1:
        got = f"vectors {list(vectors.shape)}, targets {list(targets.shape)}"
        expected = "[N, D] and [N]" if targets.ndim == 1 else f"[N, D] and [N, {n_classes}]"
        raise DataError("embeddings and targets do not match", got=got, expected=expected, where=where)
    check_finite(vectors, where)
    _check_targets(targets, n_classes, where)
    for index, problem in enumerate(problems):
        _check_rows(problem, targets, f"{where}, problem {index + 1} of {len(problems)}")


def check_finite(vectors: NDArray[np.float32], where: str) -> None:
    """Raise DataError, naming the row of ``vectors`` [N, D], for values that are not finite or that no norm holds."""
    # One pass and no copy of the size of the matrix: NaN fails both comparisons.
    bad = ~((vectors.max(axis=1) < LARGEST) & (vectors.min(axis=1) > -LARGEST))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = next(v for v in vectors[row] if not abs(v) < LARGEST)
        raise DataError(
            f"embedding of row {row} is not finite", got=value, expected=f"|x| < {LARGEST:.0e}", where=where
        )


def _check_targets(targets: Targets, n_classes: int, where: str) -> None:
    if targets.ndim > 1:
        wrong = ((targets != 0) & (targets != 1)).any(axis=1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            got = next(value for value in targets[row] if value not in (0, 1))
            raise DataError(f"target of row {row} is not k-hot", got=got, expected="0 or 1", where=where)
        return
    outside = (targets < 0) | (targets >= n_classes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        expected = f"0 to {n_classes - 1}"
        raise DataError(f"class index of row {row} out of range", got=targets[row], expected=expected, where=where)


def check_split(problem: FitSplit, n: int, where: str) -> None:
    """Raise DataError for an empty train, valid or test set, rows outside [0, n), and training rows in the others."""
    for name, rows in (("train", problem.train), ("valid", problem.valid), ("test", problem.test)):
        if rows is None:
            continue
        if len(rows) == 0:
            raise DataError(f"{name} set is empty", got="0 clips", expected="at least 1", where=where)
        if rows.min() < 0 or rows.max() >= n:
            got = f"{rows.min()} to {rows.max()}"
            raise DataError(f"{name} rows out of range", got=got, expected=f"0 to {n - 1}", where=where)
        if name != "train" and (shared := np.intersect1d(rows, problem.train)).size:
            got = f"{shared.size} shared rows, first {shared[0]}"
            raise DataError(f"train and {name} overlap", got=got, expected="none", where=where)


def _check_rows(problem: FitSplit, targets: Targets, where: str) -> None:
    check_split(problem, len(targets), where)
    if targets.ndim > 1:
        _check_labels(problem, targets, where)
        return
    classes = np.unique(targets[problem.train])
    if len(classes) < 2:
        got = f"only class {classes[0]}"
        raise DataError("train set cannot teach a distinction", got=got, expected="two or more classes", where=where)


def _check_labels(problem: FitSplit, targets: Targets, where: str) -> None:
    share = targets[problem.train].mean(axis=0)
    if not ((share > 0) & (share < 1)).any():
        got = "every class in all clips or in none"
        expected = "a class that some clips have"
        raise DataError("train set cannot teach a distinction", got=got, expected=expected, where=where)
    if problem.valid is not None and not targets[problem.valid].any():
        got = f"none in {len(problem.valid)} clips"
        raise DataError("valid set has no label", got=got, expected="at least one", where=where)
