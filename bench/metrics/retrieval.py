"""Retrieval between clips and their captions: recall at k.

Conventions: a row is a query. ``targets`` [Q] are its kind, an index into KINDS, and ``predictions`` [Q] the rank of
the right answer among all of the gallery, 1 the best. Values are fractions in [0, 1], higher is better.

- text to audio: the share of captions whose clip is among the k clips most similar to the caption.
- audio to text: the share of clips of which any caption is among the k captions most similar to the clip, out of all.
- ``recall@1`` is the mean of both at k = 1, the score that X-ARES publishes.
- Ties are counted pessimistically: whatever is wrong and as similar as the right answer comes first. Constant
  similarities therefore score 0, where a library that keeps the first of equals gives a number that depends on the
  order of the data.
- Chance is the expectation of a random order. At k = 1 it is 1 / A in both directions, A the number of clips, however
  many captions each has: a clip with m of T captions finds one with m / T, whose mean over the clips is 1 / A.

A gallery is one whole: a bootstrap draws queries (whole clips with their captions) and leaves the gallery as it is.

Sources: Drossos, Lipping and Virtanen, "Clotho: an audio captioning dataset", ICASSP 2020 (five captions per clip);
Oncescu et al., "Audio retrieval with natural language queries", Interspeech 2021 (the two directions).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.k_hot import check_scores
from bench.types import DataError, Metric, Weighted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

KINDS = ("audio_to_text", "text_to_audio")
BLOCK = 1 << 22  # similarities held at a time: 16 MiB in float32
WHERE = "recall at k"


def compute_ranks(
    owners: NDArray[np.int64], n_clips: int, similarity: Callable[[int, int], NDArray[np.float32]]
) -> NDArray[np.int64]:
    """Return the ranks of the right answers: of clips among captions (the best of their own), of captions among clips.

    Args:
        owners: which of the A clips each of the T captions describes, integers [T]; every clip has one.
        n_clips: A.
        similarity: ``similarity(start, stop)`` gives [stop - start, A] for those captions, higher is closer; it is
            called twice for each block.

    Returns:
        int64 [A + T], 1 the best.

    Raises:
        DataError: for owners that are no clips or leave one out, similarities that are not finite or of another shape.

    >>> similarities = np.array([[0.9, 0.1], [0.8, 0.7]], dtype=np.float32)  # two captions, of two clips
    >>> compute_ranks(np.array([0, 1]), 2, lambda start, stop: similarities[start:stop]).tolist()
    [1, 1, 1, 2]
    """
    _check_owners(owners, n_clips)
    size = max(1, BLOCK // n_clips)
    blocks = [(start, min(start + size, len(owners))) for start in range(0, len(owners), size)]
    best, of_captions = np.full(n_clips, -np.inf), []
    for start, stop in blocks:
        block = _check_similarities(similarity(start, stop), (stop - start, n_clips))
        own = block[np.arange(stop - start), owners[start:stop]]
        of_captions.append((block >= own[:, None]).sum(axis=1))  # the right one itself is the 1 to add
        np.maximum.at(best, owners[start:stop], own)
    of_clips = np.ones(n_clips, dtype=np.int64)
    for start, stop in blocks:
        block = _check_similarities(similarity(start, stop), (stop - start, n_clips))
        closer = block >= best
        closer[np.arange(stop - start), owners[start:stop]] = False  # a clip's own captions are no competitors
        of_clips += closer.sum(axis=0)
    return np.concatenate([of_clips, *of_captions]).astype(np.int64)


def list_kinds(n_clips: int, n_captions: int) -> NDArray[np.int64]:
    """Return the kinds [A + T] of the queries in the order of ``compute_ranks``.

    >>> list_kinds(n_clips=1, n_captions=2).tolist()
    [0, 1, 1]
    """
    return np.repeat(np.arange(len(KINDS)), (n_clips, n_captions))


def compute_recall(targets: Targets, predictions: Predictions, *, kind: int, k: int) -> float:
    """Return the share of the queries of one kind whose right answer is among the first ``k``.

    Args:
        targets: kinds of the queries, indices into KINDS [Q].
        predictions: ranks [Q], 1 the best.
        kind: index into KINDS.
        k: how many answers count.

    Raises:
        DataError: for other kinds, a kind without a query and ranks below 1.

    >>> compute_recall(np.array([0, 0, 1, 1]), np.array([1, 3, 2, 7]), kind=1, k=5)
    0.5
    """
    return float((predictions[_split_kinds(targets, predictions)[kind]] <= k).mean())


def _compute_recall_at_1(targets: Targets, predictions: Predictions) -> float:
    return float(np.mean([(predictions[own] == 1).mean() for own in _split_kinds(targets, predictions)]))


def _weight_recall_at_1(targets: Targets, predictions: Predictions) -> WeightedMetric:
    both = _split_kinds(targets, predictions)

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = [weights[:, own].sum(axis=1) for own in both]
        hits = [weights[:, own] @ (predictions[own] == 1) for own in both]
        drawn = np.all([count > 0 for count in counts], axis=0)
        shares = [hit / np.maximum(count, 1) for hit, count in zip(hits, counts, strict=True)]
        return np.where(drawn, np.mean(shares, axis=0), np.nan)

    return value


def _compute_chance(targets: Targets, n_classes: int) -> float:
    return float(1 / len(_split_kinds(targets, np.ones_like(targets))[0]))


def _build_recall(kind: int, k: int) -> Metric:
    """Build the recall at ``k`` in one direction; as a secondary metric its chance level is not used."""
    compute = functools.partial(compute_recall, kind=kind, k=k)
    return Metric(name=f"{KINDS[kind]}_r@{k}", compute=compute, chance=_compute_chance)


recall_at_1 = Metric(
    name="recall@1",
    compute=_compute_recall_at_1,
    chance=_compute_chance,
    resampling=Weighted(_weight_recall_at_1),
    secondary=tuple(_build_recall(kind, k) for kind in range(len(KINDS)) for k in (1, 5, 10)),
)
"""Mean of both directions' recall at 1."""


def _check_owners(owners: NDArray[np.int64], n_clips: int) -> None:
    if owners.ndim != 1 or not np.issubdtype(owners.dtype, np.integer) or len(owners) == 0:
        got = f"{owners.dtype} {list(owners.shape)}"
        raise DataError("owners are no clips", got=got, expected="integers [T], T >= 1", where=WHERE)
    if owners.min() < 0 or owners.max() >= n_clips:
        got = f"{owners.min()} to {owners.max()}"
        raise DataError("owners are no clips", got=got, expected=f"0 to {n_clips - 1}", where=WHERE)
    captions = np.bincount(owners, minlength=n_clips)
    if not captions.all():
        first = int(np.flatnonzero(captions == 0)[0])
        raise DataError("a clip without caption", got=f"clip {first}", expected="at least one each", where=WHERE)


def _check_similarities(similarities: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    if similarities.shape != shape:
        raise DataError("similarities do not fit", got=list(similarities.shape), expected=list(shape), where=WHERE)
    check_scores(similarities, WHERE)
    return similarities


def _split_kinds(targets: Targets, predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of each kind. Raises DataError for other kinds, a kind without a row and ranks below 1."""
    if targets.shape != predictions.shape or targets.ndim != 1 or not np.isin(targets, (0, 1)).all():
        got = f"kinds {list(targets.shape)}, ranks {list(predictions.shape)}"
        raise DataError("no queries", got=got, expected="0 or 1 for each rank [Q]", where=WHERE)
    rows = np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)
    if not (len(rows[0]) and len(rows[1])):
        got = f"{len(rows[0])} clips, {len(rows[1])} captions"
        raise DataError("no queries", got=got, expected="at least one of each", where=WHERE)
    if predictions.min() < 1:
        raise DataError("no rank", got=predictions.min(), expected="1 or more", where=WHERE)
    return rows
