"""Two sets of predictions for the same clips: sorted alike, checked, and put one below the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.scoring.measure import ScoredPredictions
from bench.types import DataError


def align(
    first: ScoredPredictions, second: ScoredPredictions, where: str
) -> tuple[ScoredPredictions, ScoredPredictions]:
    """Sort both by their keys. Raises DataError naming how many clips differ, in keys or in anything else."""
    one, other = sort_by_key(first), sort_by_key(second)
    if one.keys != other.keys:
        n_only = [sum((Counter(a.keys) - Counter(b.keys)).values()) for a, b in ((one, other), (other, one))]
        got = f"{n_only[0]} only in the first, {n_only[1]} only in the second, of {len(one.keys)} and {len(other.keys)}"
        raise DataError("other clips", got=got, expected="the same keys", where=where)
    if one.classes != other.classes:
        raise DataError("other classes", got=list(other.classes)[:5], expected=list(one.classes)[:5], where=where)
    for name in ("targets", "folds"):
        a, b = getattr(one, name), getattr(other, name)
        if a.shape != b.shape or (a != b).any():
            differ = len(a) if a.shape != b.shape else np.count_nonzero((a != b).reshape(len(a), -1).any(axis=1))
            raise DataError(f"other {name}", got=f"{differ} clips differ", expected="the same", where=where)
    if not np.array_equal(number_units(one), number_units(other)):
        raise DataError("other clusters", got="clips grouped otherwise", expected="the same", where=where)
    return one, other


def sort_by_key(answers: ScoredPredictions) -> ScoredPredictions:
    """Sort rows by key, and by fold where a key is in several."""
    rows = sorted(range(len(answers.keys)), key=lambda row: (answers.keys[row], int(answers.folds[row])))
    at = np.array(rows, dtype=np.int64)
    return replace(
        answers,
        keys=tuple(answers.keys[row] for row in rows),
        targets=answers.targets[at],
        predictions=answers.predictions[:, at],
        folds=answers.folds[at],
        clusters=None if answers.clusters is None else answers.clusters[at],
    )


def number_units(answers: ScoredPredictions) -> NDArray[np.int64]:
    """Return the unit of each row, [N]: 0, 1, ... in the order of their first rows."""
    if answers.clusters is None:
        return np.arange(len(answers.keys))
    _, starts, units = np.unique(answers.clusters, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(starts))[units], dtype=np.int64)


def match_seeds(one: ScoredPredictions, other: ScoredPredictions) -> tuple[ScoredPredictions, ScoredPredictions]:
    """Repeat the seeds of both to one number of them, the least common multiple."""
    seeds = int(np.lcm(len(one.predictions), len(other.predictions)))
    rows = [np.concatenate([own.predictions] * (seeds // len(own.predictions))) for own in (one, other)]
    return replace(one, predictions=rows[0]), replace(other, predictions=rows[1])


def stack_sides(
    one: ScoredPredictions, other: ScoredPredictions, *, as_ranks: bool = True
) -> tuple[Any, Any, NDArray[np.int64]]:
    """Return targets [2N], predictions [S, 2N] and folds [2N] of both, which have as many seeds.

    With ``as_ranks`` scores become ranks within a class and fold, for metrics of which only the order counts: a
    mixture of both sides is then not ordered by whose scores are larger.
    """
    rows = [own.predictions for own in (one, other)]
    if as_ranks and all(np.issubdtype(row.dtype, np.floating) for row in rows):
        rows = [_rank_scores(row, one.folds) for row in rows]
    predictions = np.concatenate(rows, axis=1)
    return np.concatenate([one.targets] * 2), predictions, np.concatenate([one.folds] * 2)


def _rank_scores(scores: NDArray[Any], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks = np.empty(scores.shape, dtype=np.float64)
    for fold in np.unique(folds):
        ranks[:, folds == fold] = rankdata(scores[:, folds == fold], axis=1)
    return ranks
