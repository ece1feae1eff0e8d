"""What sounds in which segment: F1 over segments, of each class on its own (macro) or of all together (micro).

Conventions: ``targets`` and ``predictions`` are [M, C], 1 where class c sounds in segment m, else 0; M >= 1. Values are
in [0, 1], higher is better. F1 = 2 TP / (2 TP + FP + FN). A class that is neither there nor predicted has no F1 and is
left out of the macro average; one that is only predicted has F1 = 0. Nothing there and nothing predicted at all is 0.

The chance level is that of answering that every class sounds in every segment, 2 p / (1 + p) for a class that sounds
in a fraction p: the most that an answer given without listening can reach in a class.

Sources: Mesaros et al., "Metrics for Polyphonic Sound Event Detection", Applied Sciences 6(6), 2016 (segment-based F1);
scikit-learn's ``f1_score`` with ``zero_division=nan`` (macro) defines the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.types import DataError, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def segment_counts(
    targets: NDArray[Any], predictions: NDArray[Any], groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """[G, C, 3] true positives, false positives and false negatives of each group 0, 1, ..., G - 1 of segments.

    ``groups`` [M] is which clip a segment belongs to; None: one group. Raises DataError for anything but two equal
    shapes [M >= 1, C >= 1] of 0 and 1.
    """
    for name, values in (("targets", targets), ("predictions", predictions)):
        fits = values.ndim == 2 and values.size > 0 and values.shape == targets.shape
        if not fits or ((values != 0) & (values != 1)).any():
            got = f"{values.dtype} {list(values.shape)}"
            expected = "0 or 1 [M, C], M and C at least 1"
            raise DataError(f"{name} are no segments", got=got, expected=expected, where="segment F1")
    there, said = targets.astype(bool), predictions.astype(bool)
    group = np.zeros(len(there), dtype=np.int64) if groups is None else groups
    shape = (int(group.max()) + 1, there.shape[1])
    counts = []
    for hits in (there & said, ~there & said, there & ~said):
        rows, classes = np.nonzero(hits)
        counts.append(np.bincount(group[rows] * shape[1] + classes, minlength=shape[0] * shape[1]).reshape(shape))
    return np.stack(counts, axis=-1).astype(np.int64)


def _f1(counts: NDArray[Any]) -> NDArray[np.float64]:
    """[...] of [..., 3]; NaN where nothing is there and nothing predicted."""
    found, false, missed = (counts[..., index].astype(np.float64) for index in range(3))
    whole = 2 * found + false + missed
    return np.asarray(np.divide(2 * found, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def macro_f1(counts: NDArray[Any]) -> NDArray[np.float64]:
    """[...] of counts [..., C, 3]: the mean over the classes that have an F1."""
    values = _f1(counts)
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.asarray(total / np.maximum(defined.sum(axis=-1), 1))


def micro_f1(counts: NDArray[Any]) -> NDArray[np.float64]:
    """[...] of counts [..., C, 3]: the F1 of their sum over classes."""
    return np.asarray(np.nan_to_num(_f1(counts.sum(axis=-2)), nan=0.0))


def segment_f1_macro_score(targets: NDArray[Any], predictions: NDArray[Any]) -> float:
    """Mean over classes of F1 over segments. Raises DataError as ``segment_counts`` does."""
    return float(macro_f1(segment_counts(targets, predictions)[0]))


def segment_f1_micro_score(targets: NDArray[Any], predictions: NDArray[Any]) -> float:
    """F1 over all pairs of segment and class. Raises DataError as ``segment_counts`` does."""
    return float(micro_f1(segment_counts(targets, predictions)[0]))


def _always(score: Callable[[NDArray[Any], NDArray[Any]], float]) -> Callable[[NDArray[Any], int], float]:
    def chance(targets: NDArray[Any], n_classes: int) -> float:
        return score(targets, np.ones_like(targets))

    return chance


segment_f1_macro = Metric(
    name="segment_f1_macro",
    compute=segment_f1_macro_score,
    chance=_always(segment_f1_macro_score),
    of_counts=macro_f1,
)
segment_f1_micro = Metric(
    name="segment_f1_micro",
    compute=segment_f1_micro_score,
    chance=_always(segment_f1_micro_score),
    of_counts=micro_f1,
)
