"""How often the gate cries wolf, and what it finds: ``python -m perf gating RUN... [--other RUN]``.

Everything is made of stored predictions of a real run, best with many probe seeds (``--seeds 12``). A trial is a suite:
of each task a new test set is drawn (clusters with replacement, as many as there are), the baseline gets ``--seeds`` of
the probe seeds and the candidate others, and the gate decides about all rows and summaries. Pairs of equals differ in

- ``seeds``: nothing but probe seeds; rows of probes without seeds are equal.
- ``cousins``: also, for a share of the clusters, who answers: on these one side has the answers of another encoder and
  the other the first one's, a coin says which. Their true difference is zero, their answers differ as two encoders'.

Planted: a share q of the candidate's clips gets the answer of another clip (a rank becomes 2), so that S falls by the
given points on average; q is from how far S falls when all clips do. Tasks of trials are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.leaderboard.files.metric_names import find_metric
from bench.leaderboard.files.sources import read_answers, read_source
from bench.leaderboard.ranking import gate
from bench.scoring.alignment import sort_by_key
from bench.scoring.measure import ScoredPredictions, compute_by_fold
from bench.scoring.paired import compute_paired_difference
from bench.types import Score

RESAMPLES = 400  # of the gate's 2000: the error of its error is then 4%
SHARE = 0.3  # of the clusters, where cousins differ


@dataclass(frozen=True, slots=True)
class Row:
    """One task and probe: what the encoder answered and, where there is one, what the other did."""

    score: Score
    answers: Any
    other: Any
    shuffled: float  # normalized value when every clip has another's answer


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each kind of pair and drop: how many suites failed, by tasks and by summaries."""
    parser = argparse.ArgumentParser(prog="python -m perf gating", description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders with parts of one encoder's run")
    parser.add_argument("--encoder", default="logmel")
    parser.add_argument("--other", type=Path, metavar="RUN", help="a run with another encoder, for cousins")
    parser.add_argument("--other-encoder", default="random_conv")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--larger", type=int, default=1, help="times as many clusters as there are")
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--drops", type=float, nargs="*", default=[0.0, 0.01, 0.02, 0.05])
    parser.add_argument("--pairs", nargs="*", default=["seeds", "cousins"], choices=["seeds", "cousins"])
    parser.add_argument("--without", nargs="*", default=[], metavar="TASK")
    chosen = parser.parse_args(argv)
    rows = read_rows(chosen)
    for pair in chosen.pairs:
        for drop in chosen.drops:
            found = [run_trial(rows, pair, drop, chosen, seed) for seed in range(chosen.trials)]
            print(format_report(pair, drop, found), flush=True)
    return 0


def format_report(pair: str, drop: float, found: Sequence[dict[str, float]]) -> str:
    """Shares of the trials, and the mean error of each summary."""
    means = {name: float(np.mean([own[name] for own in found])) for name in found[0]}
    return f"{pair}, planted {drop:g}: " + ", ".join(f"{name} {value:.4g}" for name, value in means.items())


def read_rows(chosen: argparse.Namespace) -> list[Row]:
    others = {}
    if chosen.other:
        source = read_source(chosen.other)
        others = {
            (score.task, score.probe): read_answers(source, score)
            for score in source.board.scores
            if score.encoder == chosen.other_encoder
        }
    rows = []
    for path in chosen.runs:
        source = read_source(path)
        for score in source.board.scores:
            if score.encoder == chosen.encoder and score.task not in chosen.without:
                answers = read_answers(source, score)
                if not isinstance(answers, ScoredPredictions):
                    continue  # trials have pairs of clips, not clips to draw
                answers = sort_and_cluster(answers)
                other = others.get((score.task, score.probe))
                other = sort_and_cluster(other) if isinstance(other, ScoredPredictions) else None
                if other is not None and other.keys != answers.keys:
                    raise ValueError(f"other clips in {score.task}")
                rows.append(Row(score, answers, other, normalize_answers(score, shuffle_answers(answers, score, 0))))
    return rows


def sort_and_cluster(answers: ScoredPredictions) -> ScoredPredictions:
    """In the order of keys, so that two encoders' rows match; without clusters, every clip is one."""
    own = sort_by_key(answers)
    return own if own.clusters is not None else replace(own, clusters=np.arange(len(own.keys)))


def shuffle_answers(answers: Any, score: Score, seed: int, share: float = 1.0) -> Any:
    """``share`` of the clips, drawn one by one, get another clip's answer."""
    rng = np.random.default_rng(seed)
    hit = rng.random(len(answers.keys)) < share
    if answers.ranks:
        return replace(answers, predictions=np.where(hit, np.maximum(answers.predictions, 2), answers.predictions))
    at = np.where(hit, rng.permutation(len(hit)), np.arange(len(hit)))
    return replace(answers, predictions=answers.predictions[:, at])


def normalize_answers(score: Score, answers: Any) -> float:
    metric = find_metric(score)
    value = np.mean(
        [compute_by_fold(metric, answers.targets, row, answers.folds).mean() for row in answers.predictions]
    )
    return float((value - metric.worst) / (metric.best - metric.worst))


def run_trial(rows: Sequence[Row], pair: str, drop: float, chosen: argparse.Namespace, seed: int) -> dict[str, float]:
    """One suite through the gate: whether tasks and summaries failed, and the errors of the summaries."""
    limits = gate.Limits(chosen.max_drop)
    share = find_planted_share(rows, drop)
    pairs = [
        gate.Evidence(build_score(row, base), build_score(row, other), compare_answers(row.score, base, other, index))
        for index, row in enumerate(rows)
        for base, other in [draw_sides(row, pair, share[row.score.probe], chosen, np.random.default_rng([seed, index]))]
    ]
    tasks = [gate.judge_row(own, limits, len(pairs)) for own in pairs]
    probes = sorted({row.score.probe for row in rows})
    groups = {probe: [own for own in pairs if own.score.probe == probe] for probe in probes}
    summaries = {probe: gate.judge_summary(own, limits, len(probes)) for probe, own in groups.items()}
    any_task, any_summary = (any(own.fails for own in found) for found in (tasks, summaries.values()))
    wrong = [own.task + " " + own.probe for own in tasks if own.fails]
    if wrong and not drop:
        print(f"# {seed}: {', '.join(wrong)}", flush=True)
    found = {"suites": float(any_task or any_summary), "by tasks": float(any_task), "by S": float(any_summary)}
    for probe, verdict in summaries.items():
        found |= {f"by S {probe}": float(verdict.fails), f"drop {probe}": verdict.drop or 0.0}
        found |= {f"error {probe}": gate.combine_drops(groups[probe]).error, f"sees {probe}": verdict.detectable or 0.0}
    return found


def find_planted_share(rows: Sequence[Row], drop: float) -> dict[str, float]:
    """By probe, the share of clips that makes S fall by ``drop``."""
    shares = {}
    for probe in {row.score.probe for row in rows}:
        own = [row for row in rows if row.score.probe == probe]
        weights = [row.score.weight for row in own]
        fall = np.average([row.score.normalized - row.shuffled for row in own], weights=weights)
        shares[probe] = min(1.0, drop / float(fall))
    return shares


def draw_sides(
    row: Row, pair: str, share: float, chosen: argparse.Namespace, rng: np.random.Generator
) -> tuple[Any, Any]:
    """Baseline and candidate on a new test set."""
    at, clusters, keys = redraw_clusters(row.answers, chosen.larger, rng)
    answers, theirs = (take_rows(own, at, clusters, keys) for own in (row.answers, row.other or row.answers))
    seeds = rng.permutation(len(answers.predictions))
    parts = seeds[: chosen.seeds], seeds[-chosen.seeds :]
    base, other = (replace(answers, predictions=answers.predictions[part]) for part in parts)
    if pair == "cousins" and row.other is not None:
        units = int(clusters.max()) + 1
        differ, swapped = rng.random(units) < SHARE, rng.random(units) < 0.5
        seeds = np.resize(rng.permutation(len(theirs.predictions)), len(base.predictions))
        base = mix_answers(base, theirs.predictions[seeds], (differ & swapped)[clusters])
        other = mix_answers(other, theirs.predictions[seeds], (differ & ~swapped)[clusters])
    return base, shuffle_answers(other, row.score, int(rng.integers(2**31)), share) if share else other


def take_rows(own: Any, at: Any, clusters: Any, keys: tuple[str, ...]) -> Any:
    targets, predictions = own.targets[at], own.predictions[:, at]
    return replace(own, keys=keys, targets=targets, predictions=predictions, folds=own.folds[at], clusters=clusters)


def mix_answers(own: Any, theirs: Any, where: Any) -> Any:
    where = where.reshape(-1, *[1] * (own.predictions.ndim - 2))
    if np.issubdtype(own.predictions.dtype, np.floating):  # scores of two encoders compare by rank only
        return replace(own, predictions=np.where(where, rank_scores(theirs), rank_scores(own.predictions)))
    return replace(own, predictions=np.where(where, theirs, own.predictions))


def rank_scores(scores: Any) -> Any:
    from scipy.stats import rankdata

    return rankdata(scores, axis=1).astype(np.float32)


def redraw_clusters(answers: Any, larger: int, rng: np.random.Generator) -> tuple[Any, Any, tuple[str, ...]]:
    """Rows of clusters that are drawn with replacement, their new clusters and keys."""
    _, units = np.unique(answers.clusters, return_inverse=True)
    members = np.split(np.argsort(units, kind="stable"), np.cumsum(np.bincount(units))[:-1])
    drawn = rng.integers(len(members), size=larger * len(members))
    at = np.concatenate([members[unit] for unit in drawn])
    clusters = np.repeat(np.arange(len(drawn)), [len(members[unit]) for unit in drawn])
    return at, clusters, tuple(f"{row:06d}" for row in range(len(at)))


def build_score(row: Row, answers: Any) -> Score:
    return replace(row.score, seed_values=(0.0,) * len(answers.predictions))


def compare_answers(score: Score, base: Any, other: Any, seed: int) -> Any:
    return compute_paired_difference(
        find_metric(score), base, other, where=score.task, seed=seed, resamples=RESAMPLES, flips=0
    )


if __name__ == "__main__":
    sys.exit(main())
