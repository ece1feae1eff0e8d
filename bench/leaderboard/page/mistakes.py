"""What a row's predictions say beyond its score: confused classes, quality by class, and the clips it gets wrong.

A page holds at most about ``BUDGET`` bytes of this, shared equally by its rows: the fewer rows, the more of each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard.terminal.cells import to_printable
from bench.metrics.error_rates import count_errors, to_plain_words
from bench.metrics.multilabel import weight_average_precisions
from bench.metrics.segment_f1 import compute_f1, count_segments, count_totals
from bench.scoring.trials import TrialPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.scoring.measure import ScoredPredictions

BUDGET = 1_400_000  # bytes in a page, about
LEAST, MOST = 250, 12_000  # bytes of one row
CELL, CLIP = 9, 45  # bytes of one cell of a matrix and of one clip, about
MOST_CLIPS = 12
MOST_CLASSES = 40  # with a quality of their own
MOST_CHARACTERS = 160  # of a transcript
HARDEST = 12  # clips of a task, over all its rows


@dataclass(frozen=True, slots=True)
class ClipQuality:
    """How well a row did on each clip, and what it answered there."""

    keys: Sequence[str]  # [N]
    quality: NDArray[np.float64]  # [N] in 0 to 1, mean over probe seeds; NaN where it is undefined
    target: Callable[[int], str]
    answer: Callable[[int], str]
    alone: bool = False  # whether these clips were chosen for this row, so that other rows say nothing of them


class TextTable:
    """Texts of a page, each kept once: a row holds their numbers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        short = to_printable(text)
        short = short if len(short) <= MOST_CHARACTERS else f"{short[: MOST_CHARACTERS - 1]}…"
        return self._numbers.setdefault(short, len(self._numbers))

    def listed(self) -> list[str]:
        return list(self._numbers)


def compute_row_budget(rows: int) -> int:
    """Compute the bytes that each of ``rows`` rows may take in a page."""
    return int(np.clip(BUDGET // max(1, rows), LEAST, MOST))


def describe_task(
    found: Sequence[ScoredPredictions | TrialPredictions], room: int, texts: TextTable
) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Describe for each row of one task what it got wrong, and the clips that are hard for all.

    A clip of a row is [key, target, answer, quality, quality of the other rows], a hard one [key, mean quality, number
    of rows]; texts are numbers of ``texts``. Raises as the metrics do for predictions that they refuse.

    Args:
        found: the answers of each row.
        room: bytes for each row.
        texts: the texts of the page.
    """
    clips = [rate_clips(own) for own in found]
    everyone = _sum_qualities(clips)
    rows = []
    for own, of_row in zip(found, clips, strict=True):
        row = rate_classes(own, room - MOST_CLIPS * CLIP // 2, texts)
        number = int(np.clip(room // 3 // CLIP, 2, MOST_CLIPS))
        rows.append({**row, "worst": _list_worst(of_row, everyone, number, texts)})
    hard = sorted(everyone.items(), key=lambda item: (item[1][0] / item[1][1], item[0]))[:HARDEST]
    return rows, [[texts(key), round(total / count, 3), count] for key, (total, count) in hard if count > 1]


def rate_clips(found: ScoredPredictions | TrialPredictions) -> ClipQuality:
    """Rate a row on each of its clips; for events on each recording, for retrieval on each query."""
    if isinstance(found, TrialPredictions):
        return _rate_trials(found)
    targets, predictions = found.targets, found.predictions
    if targets.dtype == object:
        return _rate_transcripts(found)
    if found.ranks:
        return ClipQuality(
            found.keys,
            (1.0 / predictions).mean(axis=0),
            lambda i: found.classes[int(targets[i])],
            lambda i: f"rank {np.median(predictions[:, i]):g}",
        )
    if targets.ndim == 1:
        return ClipQuality(
            found.keys,
            (predictions == targets).mean(axis=0),
            lambda i: found.classes[int(targets[i])],
            lambda i: found.classes[int(np.bincount(predictions[:, i]).argmax())],
        )
    return _rate_events(found) if predictions.dtype == np.uint8 else _rate_labels(found)


def rate_classes(found: ScoredPredictions | TrialPredictions, room: int, texts: TextTable) -> dict[str, Any]:
    """Count confusions [target, answer, count over seeds] of single labels, or rate the hardest classes."""
    if isinstance(found, TrialPredictions):
        return {"kind": "trials"}
    targets, predictions, seeds = found.targets, found.predictions, len(found.predictions)
    if targets.dtype == object:
        return {"kind": "texts"}
    if found.ranks:
        ranks = predictions.ravel()
        return {"kind": "ranks", "within": [[k, round(float((ranks <= k).mean()), 4)] for k in (1, 5, 10, 50)]}
    if targets.ndim == 1:
        return {"kind": "classes", "seeds": seeds, **_count_confusions(found, room, texts)}
    if predictions.dtype == np.uint8:
        counts = np.sum([count_totals(targets, answers) for answers in predictions], axis=0)
        values = compute_f1(counts[:, None], "micro")
        return {"kind": "events", "by_class": _list_classes(found, values, room, texts)}
    once = np.ones((1, len(targets)), dtype=np.int64)
    values = np.mean([weight_average_precisions(targets, answers)(once)[0] for answers in predictions], axis=0)
    return {"kind": "labels", "by_class": _list_classes(found, values, room, texts)}


def _count_confusions(found: ScoredPredictions, room: int, texts: TextTable) -> dict[str, Any]:
    """Return all cells of the matrix if there is room for them, else the most frequent confusions."""
    n = len(found.classes)
    matrix = np.bincount((found.targets * n + found.predictions).ravel().astype(np.int64), minlength=n * n).reshape(
        n, n
    )
    present = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    cells = [(int(t), int(p), int(matrix[t, p])) for t, p in zip(*np.nonzero(matrix), strict=True)]
    whole = len(cells) * CELL <= room
    if not whole:
        wrong = sorted((cell for cell in cells if cell[0] != cell[1]), key=lambda cell: (-cell[2], cell))
        cells = wrong[: max(4, room // CELL)]
        present = np.array(sorted({index for cell in cells for index in cell[:2]}), dtype=np.int64)
    place = {int(index): position for position, index in enumerate(present)}
    return {
        "whole": whole,
        "confused": int(np.count_nonzero(matrix) - np.count_nonzero(np.diag(matrix))),
        "classes": [texts(found.classes[index]) for index in present],
        "totals": [int(matrix[index].sum()) for index in present],
        "cells": list(itertools.chain.from_iterable((place[t], place[p], count) for t, p, count in cells)),
    }


def _list_classes(
    found: ScoredPredictions, values: NDArray[np.float64], room: int, texts: TextTable
) -> list[list[Any]]:
    """List [class, value, test rows with it] of the classes with the lowest values; undefined ones are left out."""
    support = found.targets.sum(axis=0)
    order = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    number = int(np.clip(room // 16, 4, MOST_CLASSES))
    return [[texts(found.classes[i]), round(float(values[i]), 4), int(support[i])] for i in order[:number]]


def _rate_labels(found: ScoredPredictions) -> ClipQuality:
    """Rate clips by label ranking average precision: how far up their true labels stand among all scores."""
    order = np.argsort(-found.predictions, axis=-1, kind="stable")  # [S, N, C]
    hits = np.take_along_axis(np.broadcast_to(found.targets, found.predictions.shape), order, axis=-1)
    precision = np.cumsum(hits, axis=-1) / np.arange(1, hits.shape[-1] + 1)
    wanted = found.targets.sum(axis=1)
    quality = np.where(wanted > 0, (precision * hits).sum(axis=-1).mean(axis=0) / np.maximum(wanted, 1), np.nan)

    def answer(i: int) -> str:
        top = np.argsort(-found.predictions[:, i].mean(axis=0), kind="stable")[: max(1, int(wanted[i]))]
        return ", ".join(found.classes[int(c)] for c in top)

    return ClipQuality(found.keys, quality, lambda i: _join_names(found, found.targets[i]), answer)


def _rate_events(found: ScoredPredictions) -> ClipQuality:
    """Rate recordings by F1 over segments and classes; undefined where nothing sounds and nothing was answered."""
    recordings = [key.rpartition("@")[0] or key for key in found.keys]
    names = list(dict.fromkeys(recordings))
    number = {name: index for index, name in enumerate(names)}
    units = np.array([number[name] for name in recordings], dtype=np.int64)
    counts = np.sum([count_segments(found.targets, answers, units) for answers in found.predictions], axis=0)
    hits, alarms, misses = counts.sum(axis=1).T
    heard = 2 * hits + alarms + misses
    quality = np.where(heard > 0, 2 * hits / np.maximum(heard, 1), np.nan)
    majority = len(found.predictions) / 2
    return ClipQuality(
        names,
        quality,
        lambda i: _join_names(found, found.targets[units == i].any(axis=0)),
        lambda i: _join_names(found, (found.predictions[:, units == i].any(axis=1)).sum(axis=0) > majority),
    )


def _rate_transcripts(found: ScoredPredictions) -> ClipQuality:
    """Rate clips by one minus the word error rate, not below 0."""
    sides = [count_errors(list(found.targets), list(own), normaliser=to_plain_words) for own in found.predictions]
    counts = np.mean(sides, axis=0)
    errors, words = counts.T
    quality = np.where(words > 0, np.maximum(0.0, 1 - errors / np.maximum(words, 1)), np.nan)
    return ClipQuality(found.keys, quality, lambda i: str(found.targets[i]), lambda i: str(found.predictions[0, i]))


def _rate_trials(found: TrialPredictions) -> ClipQuality:
    """Rate the targets with the lowest and the non-targets with the highest scores, as many of both.

    The quality of a trial is the share of trials of the other kind that it is told apart from.
    """
    scores, same = found.predictions[0], found.targets == 1
    chosen = []
    for kind, sign in ((same, 1), (~same, -1)):
        own, others = np.flatnonzero(kind), np.sort(sign * scores[~kind])
        places = own[np.argsort(sign * scores[own], kind="stable")[: MOST_CLIPS // 2]]
        quality = np.searchsorted(others, sign * scores[places], side="left") / max(1, len(others))
        chosen += list(zip(places.tolist(), quality.tolist(), strict=True))
    return ClipQuality(
        [f"{found.utterances[found.enrol[t]]} / {found.utterances[found.test[t]]}" for t, _ in chosen],
        np.array([quality for _, quality in chosen]),
        lambda i: "same speaker" if same[chosen[i][0]] else "different speakers",
        lambda i: f"{scores[chosen[i][0]]:.3f}",
        alone=True,
    )


def _join_names(found: ScoredPredictions, active: Iterable[Any]) -> str:
    return ", ".join(name for name, on in zip(found.classes, active, strict=True) if on) or "nothing"


def _sum_qualities(clips: Sequence[ClipQuality]) -> dict[str, tuple[float, int]]:
    """Return sum and number of the rows' qualities of each clip."""
    found: dict[str, tuple[float, int]] = {}
    for own in (own for own in clips if not own.alone):
        for key, quality in zip(own.keys, own.quality.tolist(), strict=True):
            if not math.isnan(quality):
                total, count = found.get(key, (0.0, 0))
                found[key] = (total + quality, count + 1)
    return found


def _list_worst(
    own: ClipQuality, everyone: dict[str, tuple[float, int]], number: int, texts: TextTable
) -> list[list[Any]]:
    """List the clips with the lowest quality; among equals first those on which the other rows do best."""

    def others(index: int) -> float | None:
        total, count = everyone.get(own.keys[index], (0.0, 0))
        return None if count < 2 else (total - float(own.quality[index])) / (count - 1)

    known = np.flatnonzero(own.quality < 1).tolist()  # NaN is not
    worst = sorted(known, key=lambda i: (round(float(own.quality[i]), 9), -(others(i) or 0.0), own.keys[i]))[:number]
    rows = []
    for i in worst:
        other = others(i)
        said = [texts(text) for text in (own.keys[i], own.target(i), own.answer(i))]
        rows.append([*said, round(float(own.quality[i]), 3), None if other is None else round(other, 3)])
    return rows
