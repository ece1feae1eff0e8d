"""Who is best, and how sure that is: ranks of S from one bootstrap of all encoders on the same clips.

Each resample draws clips (or clusters), tasks on the same audio alike, and the probe seeds of each encoder and task;
S of every encoder and its rank follow. Beside the weighted mean S stand two orders that ask for no weights and no
common scale: the Borda count (how many encoders it beats, over all tasks, a draw counting half) and the mean rank.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; de Borda, "Mémoire sur les élections au
scrutin", 1781; groups of what cannot be told apart: Piepho, "Letters in mean comparisons", 2004.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.files.merging import check_mergeable
from bench.leaderboard.files.metric_names import find_metric
from bench.leaderboard.files.sources import Source, read_pairable_answers
from bench.leaderboard.ranking.comparison import compute_scale
from bench.scoring.alignment import align
from bench.scoring.bootstrap import TAIL, draw_weights
from bench.scoring.resampling import evaluate_weights
from bench.types import DataError, Score

RESAMPLES = 2000
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class RankedEncoder:
    """One encoder under one probe."""

    encoder: str
    rank: int  # by S, 1 the best; equal values share the better one
    interval: tuple[int, int]  # 95%, of the rank
    best: float  # probability of being the best
    summary: float  # S over the tasks that all have
    ci95: tuple[float, float]
    borda: float  # points, as a share of all that could be won
    borda_rank: int
    mean_rank: float
    group: str  # letters; encoders that share one are not separable at 95%
    unstable: tuple[str, ...] = ()  # encoders with which its order is another under another probe


@dataclass(frozen=True, slots=True)
class Ranking:
    """All encoders under one probe, the best first."""

    probe: str
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]  # tasks that some encoder lacks
    places: tuple[RankedEncoder, ...]


def rank_encoders(sources: Sequence[Source], resamples: int = RESAMPLES) -> tuple[Ranking, ...]:
    """Rank the encoders of boards that may be merged, over the public tasks that all of a probe's encoders have.

    Raises:
        DataError: as ``merge_boards`` does; predictions are absent or of other clips; every probe has fewer than two
            encoders.
    """
    check_mergeable(sources)
    found = [
        ranking
        for probe in sorted({score.probe for source in sources for score in source.board.scores})
        if (ranking := _rank_under_probe(sources, probe, resamples)) is not None
    ]
    if not found:
        expected = "two encoders with a common task"
        raise DataError("nothing to rank", got="fewer", expected=expected, where=sources[0].path)
    return mark_unstable(found)


def mark_unstable(rankings: Sequence[Ranking]) -> tuple[Ranking, ...]:
    """Mark each encoder with those with which it changes order between probes that share a task."""
    marked = []
    for ranking in rankings:
        rivals = [other for other in rankings if set(other.tasks) & set(ranking.tasks)]
        values = [{place.encoder: place.summary for place in other.places} for other in rivals]
        own = sorted(place.encoder for place in ranking.places)
        places = [
            replace(place, unstable=tuple(other for other in own if _changes_order(place.encoder, other, values)))
            for place in ranking.places
        ]
        marked.append(replace(ranking, places=tuple(places)))
    return tuple(marked)


def _changes_order(one: str, other: str, values: Sequence[Mapping[str, float]]) -> bool:
    signs = {np.sign(own[one] - own[other]) for own in values if one in own and other in own}
    return len(signs - {0.0}) > 1


def _rank_under_probe(sources: Sequence[Source], probe: str, resamples: int) -> Ranking | None:
    rows: dict[str, dict[str, tuple[Source, Score]]] = {}
    for source in sources:
        for score in source.board.scores:
            if score.probe == probe and not score.private:
                rows.setdefault(score.task, {})[score.encoder] = (source, score)
    encoders = sorted({encoder for of_task in rows.values() for encoder in of_task})
    common = [task for task in sorted(rows) if len(rows[task]) == len(encoders)]
    if len(encoders) < 2 or not common:
        return None
    scores = [[rows[task][encoder][1] for encoder in encoders] for task in common]
    weights = np.array([own[0].weight for own in scores])
    weights = weights / weights.sum() if weights.sum() else np.full(len(common), 1 / len(common))
    normalized = np.array([[score.normalized for score in own] for own in scores])  # [T, E]
    drawn = sum(
        weight * _resample_task([rows[task][encoder] for encoder in encoders], resamples)
        for weight, task in zip(weights, common, strict=True)
    )
    places = order_encoders(encoders, normalized, weights, np.asarray(drawn))
    return Ranking(probe, tuple(common), tuple(sorted(rows.keys() - set(common))), places)


def _resample_task(rows: Sequence[tuple[Source, Score]], resamples: int) -> NDArray[np.float64]:
    """Resample the normalized values [R, E] of one task."""
    first = read_pairable_answers(*rows[0])
    score = rows[0][1]
    seed = int(hashlib.sha256(score.data.sha256.encode()).hexdigest()[:8], 16)
    columns = []
    for index, row in enumerate(rows):
        where = f"{score.task}, {score.probe}, {row[0].path}"
        metric, own = find_metric(row[1], row[0].own_metrics), align(first, read_pairable_answers(*row), where)[1]
        units = len(own.keys) if own.clusters is None else len(np.unique(own.clusters))
        values = evaluate_weights(metric, own, draw_weights(units, resamples, seed))
        drawn = _resample_seeds(values, seed + 1 + index)
        if metric.is_centred:
            drawn += row[1].value - np.nanmean(drawn)
        columns.append(row[1].normalized + (drawn - row[1].value) * compute_scale(row[1], row[0].own_metrics))
    found = np.stack(columns, axis=1)
    found[np.isnan(found).any(axis=1)] = [score.normalized for _, score in rows]
    return found


def _resample_seeds(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Draw seeds of values [R, S] with replacement, their scatter widened to that of S - 1 degrees; [R]."""
    mean, seeds = values.mean(axis=1), values.shape[1]
    if seeds == 1:
        return np.asarray(mean)
    picks = (np.random.PCG64([seed, 2]).random_raw(values.size) % np.uint64(seeds)).astype(np.int64)
    drawn = np.take_along_axis(values, picks.reshape(values.shape), axis=1).mean(axis=1)
    return np.asarray(mean + (drawn - mean) * (seeds / (seeds - 1)) ** 0.5)


def order_encoders(
    encoders: Sequence[str], normalized: NDArray[np.float64], weights: NDArray[np.float64], drawn: NDArray[np.float64]
) -> tuple[RankedEncoder, ...]:
    """Order encoders from values [T, E], task weights [T] that add up to 1, and resampled S [R, E]."""
    from scipy.stats import rankdata

    summary = weights @ normalized
    ranks = rankdata(-drawn, axis=1, method="min")
    best = drawn == drawn.max(axis=1, keepdims=True)
    by_task = rankdata(-normalized, axis=1)  # draws share the mean rank
    borda = (len(encoders) - by_task).mean(axis=0) / (len(encoders) - 1)
    own, borda_rank = (rankdata(-values.round(12), method="min").astype(int) for values in (summary, borda))
    order = sorted(range(len(encoders)), key=lambda index: (-summary[index], encoders[index]))
    groups = dict(zip(order, assign_letters(drawn[:, order]), strict=True))
    ends = np.quantile(ranks, [TAIL, 1 - TAIL], axis=0, method="inverted_cdf").astype(int)
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL], axis=0)
    return tuple(
        RankedEncoder(
            encoder=encoders[at],
            rank=int(own[at]),
            interval=(int(min(ends[0, at], own[at])), int(max(ends[1, at], own[at]))),
            best=float((best[:, at] / best.sum(axis=1)).mean()),
            summary=float(summary[at]),
            ci95=(float(min(low[at], summary[at])), float(max(high[at], summary[at]))),
            borda=float(borda[at]),
            borda_rank=int(borda_rank[at]),
            mean_rank=float(by_task[:, at].mean()),
            group=groups[at],
        )
        for at in order
    )


def assign_letters(drawn: NDArray[np.float64]) -> list[str]:
    """Assign each column of [R, E], the best first, the letters of its groups: none in one differ at 95%."""
    count = drawn.shape[1]
    apart = np.zeros((count, count), dtype=bool)
    for one in range(count):
        low, high = np.quantile(drawn[:, one : one + 1] - drawn, [TAIL, 1 - TAIL], axis=0)
        apart[one] = (low > 0) | (high < 0)
    ends = [
        max(end for end in range(start, count) if not apart[start : end + 1, start : end + 1].any())
        for start in range(count)
    ]
    runs = [(start, end) for start, end in enumerate(ends) if not start or end > ends[start - 1]]
    names = [LETTERS[index % 26] * (1 + index // 26) for index in range(len(runs))]
    return [
        "".join(name for name, (start, end) in zip(names, runs, strict=True) if start <= at <= end)
        for at in range(count)
    ]


def format_rows(ranking: Ranking) -> list[list[str]]:
    """Format cells for a table; see ``COLUMNS``."""
    return [
        [
            *(f"{place.rank}", f"{place.interval[0]}-{place.interval[1]}", place.encoder, place.group),
            f"{place.summary:.3f} [{place.ci95[0]:.3f}, {place.ci95[1]:.3f}]",
            *(f"{place.best:.3f}", f"{place.borda:.3f} ({place.borda_rank})", f"{place.mean_rank:.2f}"),
            f"unstable: {', '.join(place.unstable)}" if place.unstable else "",
        ]
        for place in ranking.places
    ]


COLUMNS = (
    "=rank",
    "=95%",
    "encoder",
    "=group",
    ">S [95% CI]",
    ">P(best)",
    ">Borda (rank)",
    ">mean rank",
    "between probes",
)
