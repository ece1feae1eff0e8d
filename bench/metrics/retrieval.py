"""Retrieval between clips and their captions: recall at k.

Conventions: ``targets`` are integers [T], for each caption the clip (row 0 to A - 1) that it describes; every clip
has at least one caption and may have several. ``predictions`` are similarities [T, A] of captions and clips, higher
is closer. The value is a fraction in [0, 1], higher is better.

- text to audio: the share of captions whose clip is among the k clips most similar to the caption.
- audio to text: the share of clips of which any caption is among the k captions most similar to the clip, out of all.
- Ties are counted pessimistically: whatever is wrong and as similar as the right answer comes first. Constant
  similarities therefore score 0, where a library that keeps the first of equals gives a number that depends on the
  order of the data.
- Chance: the expectation of a random order, k / A and 1 - C(T - m, k) / C(T, k) for a clip with m captions.

A gallery is one whole: a bootstrap draws queries (whole clips with their captions) and leaves the gallery as it is.

Sources: Drossos, Lipping and Virtanen, "Clotho: an audio captioning dataset", ICASSP 2020 (five captions per clip);
Oncescu et al., "Audio retrieval with natural language queries", Interspeech 2021 (the two directions).
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.metrics.k_hot import check_scores
from bench.types import DataError, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types import Predictions, Targets

Direction = Literal["audio_to_text", "text_to_audio"]
WHERE = "recall at k"


def ranks(targets: Targets, predictions: Predictions, direction: Direction) -> NDArray[np.int64]:
    """Rank, 1 the best, of the right answer to each query: [A] best caption of a clip, or [T] clip of a caption.

    Raises DataError for similarities that are not finite [T, A] and targets that are no clips or leave one out.
    """
    _check(targets, predictions)
    captions = np.arange(len(targets))
    own = predictions[captions, targets]
    if direction == "text_to_audio":
        return np.asarray((predictions >= own[:, None]).sum(axis=1))  # the right one itself is the 1 to add
    best = np.full(predictions.shape[1], -np.inf, dtype=predictions.dtype)
    np.maximum.at(best, targets, own)
    at_least = (predictions >= best).sum(axis=0)
    # Other captions of the same clip are no competitors; only those that tie with the best one were counted.
    tied = np.bincount(targets, weights=own == best[targets], minlength=len(best)).astype(np.int64)
    return np.asarray(1 + at_least - tied)


def recall_at_k(k: int, direction: Direction) -> Metric:
    """Recall at ``k`` as a metric; ``per_clip`` gives 0 or 1 per query, [A] or [T]. Raises as ``ranks`` does."""
    if k < 1:
        raise DataError("no answers", got=f"k={k}", expected="at least 1", where=WHERE)

    def hits(targets: Targets, predictions: Predictions) -> NDArray[np.float64]:
        return (ranks(targets, predictions, direction) <= k).astype(np.float64)

    def compute(targets: Targets, predictions: Predictions) -> float:
        return float(hits(targets, predictions).mean())

    def chance(targets: Targets, n_classes: int) -> float:
        captions = _captions(targets, n_classes)
        if direction == "text_to_audio":
            return min(1.0, k / n_classes)
        total = len(targets)
        return float(np.mean([1 - comb(total - int(m), k) / comb(total, k) if k < total else 1.0 for m in captions]))

    return Metric(name=f"{direction}-R@{k}", compute=compute, chance=chance, per_clip=hits)


def _captions(targets: Targets, n_clips: int) -> NDArray[np.int64]:
    """How many captions each clip has, [A]."""
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer) or len(targets) == 0:
        got = f"{targets.dtype} {list(targets.shape)}"
        raise DataError("targets are no clips", got=got, expected="integers [T], T >= 1", where=WHERE)
    if targets.min() < 0 or targets.max() >= n_clips:
        got = f"{targets.min()} to {targets.max()}"
        raise DataError("targets are no clips", got=got, expected=f"0 to {n_clips - 1}", where=WHERE)
    captions = np.bincount(targets, minlength=n_clips)
    if not captions.all():
        first = int(np.flatnonzero(captions == 0)[0])
        raise DataError("a clip without caption", got=f"clip {first}", expected="at least one each", where=WHERE)
    return captions


def _check(targets: Targets, predictions: Predictions) -> None:
    if predictions.ndim != 2 or len(predictions) != len(targets):
        got = f"{list(predictions.shape)} for {len(targets)} captions"
        raise DataError("similarities do not fit", got=got, expected="[T, A]", where=WHERE)
    check_scores(predictions, WHERE)
    _captions(targets, predictions.shape[1])
