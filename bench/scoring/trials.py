"""The scored trials of a verification task, and all numbers that follow from them.

Trials share speakers, so they are not drawn independently: a bootstrap resample draws speakers, enrolled and tested
ones alike, and a trial counts c_e c_t times, where c says how often a speaker was drawn; a trial of one speaker counts
c. With unknown speakers each utterance stands for one. Sources: Owen, "The pigeonhole bootstrap", Annals of Applied
Statistics 2007; Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap",
Computer Vision and Image Understanding 2004.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.detection import Ranking, compute_cllr, compute_eer, compute_min_cllr, compute_min_dcf, rank_trials
from bench.scoring.bootstrap import bootstrap_weighted
from bench.types import DataError
from bench.types.trials import UNKNOWN, Trials

PRIORS = (0.01, 0.05)
RESAMPLES = 1000
FEWEST_RESAMPLES = 100  # of many trials
MOST_DRAWN = 2_000_000_000  # trials in all resamples together, unless these are the fewest
BINS = 1024  # of a ranking; in one of them the two errors of a resample cross


@dataclass(frozen=True, slots=True)
class TrialPredictions:
    """Scored trials, n of U utterances."""

    enrol: NDArray[np.int32]  # [n] indices of utterances
    test: NDArray[np.int32]  # [n]
    targets: NDArray[np.uint8]  # [n] 1 where one speaker speaks both
    predictions: NDArray[np.float32]  # [1, n] scores
    utterances: tuple[str, ...]  # [U] ids as in the trial list
    speakers: NDArray[np.int32]  # [U] 0, 1, ... or UNKNOWN
    seconds: NDArray[np.float64]  # [U]
    attributes: Mapping[str, tuple[str | None, ...]]  # each [U]
    asked: Trials  # defines the subsets
    info: Mapping[str, Any]  # plain facts: the back-end and what it learnt, how utterances were embedded

    @property
    def folds(self) -> NDArray[np.int64]:
        """Zeros [n]: trials have no folds."""
        return np.zeros(len(self.targets), dtype=np.int64)

    @property
    def units(self) -> NDArray[np.int64]:
        """Units of resampling [U]: the speaker, or the utterance itself where the speaker is unknown."""
        known = np.unique(self.speakers[self.speakers != UNKNOWN])
        alone = len(known) + np.arange(len(self.speakers))
        return np.unique(
            np.where(self.speakers == UNKNOWN, alone, np.searchsorted(known, self.speakers)), return_inverse=True
        )[1].astype(np.int64)


@dataclass(frozen=True, slots=True)
class TrialMetrics:
    """The metrics of trials."""

    eer: float
    ci95: tuple[float, float]
    speakers: int  # resampled
    secondary: dict[str, float]
    subsets: dict[str, float]


def compute_trial_metrics(answers: TrialPredictions) -> TrialMetrics:
    """Compute all metrics of scored trials. Raises DataError for trials of one kind and scores that are not finite."""
    ranking = rank_trials(answers.targets, answers.predictions[0])
    units = answers.units
    used = np.unique(np.concatenate([units[answers.enrol], units[answers.test]]))
    secondary = {f"minDCF({prior:g})": compute_min_dcf(ranking, prior) for prior in PRIORS}
    secondary |= {"Cllr": compute_cllr(ranking), "minCllr": compute_min_cllr(ranking)}
    enrol, test = (np.searchsorted(used, units[side]).astype(np.int32) for side in (answers.enrol, answers.test))
    return TrialMetrics(
        eer=compute_eer(ranking),
        ci95=_compute_interval(ranking, enrol[ranking.order], test[ranking.order], len(used)),
        speakers=len(used),
        secondary=secondary,
        subsets=dict(_compute_subset_metrics(answers, ranking)),
    )


def find_highest_nontargets(answers: TrialPredictions, count: int = 20) -> list[tuple[str, str, float]]:
    """Return the enrolled and tested utterance and the score of the highest non-targets, whose labels may be wrong."""
    scores = answers.predictions[0]
    others = np.flatnonzero(answers.targets == 0)
    top = others[np.argsort(-scores[others], kind="stable")[:count]]
    names = answers.utterances
    return [(names[answers.enrol[t]], names[answers.test[t]], float(scores[t])) for t in top]


def select_subsets(answers: TrialPredictions) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the name and members [n] of every subset that the task defines, whether or not it has trials."""
    asked, target = answers.asked, answers.targets == 1
    sides = {name: _compare_sides(answers, name) for name in (*asked.attributes, *_list_speaker_key(asked))}
    for name in asked.agree:
        known, same, _ = sides[name]
        same, other = known & same, known & ~same
        yield f"same {name}", same
        yield f"different {name}", other
        yield f"different {name} in targets, same in non-targets", np.where(target, other, same)
        yield f"same {name} in targets, different in non-targets", np.where(target, same, other)
    for name in asked.each:
        known, same, codes = sides[name]
        for code, value in enumerate(sorted({own for own in answers.attributes[name] if own is not None})):
            yield f"{name} {value}", known & same & (codes == code)
    for agreed in product((True, False), repeat=len(asked.nontargets)):
        parts = [f"{'same' if a else 'other'} {n}" for a, n in zip(agreed, asked.nontargets, strict=True)]
        of_kind = [sides[n][0] & (sides[n][1] == a) for a, n in zip(agreed, asked.nontargets, strict=True)]
        if of_kind:
            yield f"non-targets of {', '.join(parts)}", target | np.logical_and.reduce(of_kind)
    if asked.durations_in_s:
        shorter = np.minimum(answers.seconds[answers.enrol], answers.seconds[answers.test])
        for low, high in pairwise((0.0, *asked.durations_in_s, np.inf)):
            name = f"from {low:g} s" if high == np.inf else f"{low:g} to {high:g} s" if low else f"below {high:g} s"
            yield f"shorter side {name}", (shorter >= low) & (shorter < high)


def _list_speaker_key(asked: Trials) -> tuple[str, ...]:
    return (asked.speaker,) if asked.speaker in asked.nontargets else ()


def _compare_sides(
    answers: TrialPredictions, name: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64] | NDArray[np.int32]]:
    """Return whether an attribute is known of both sides, whether these agree, and the enrolled side's value; [n]."""
    codes: NDArray[np.int64] | NDArray[np.int32] = answers.speakers
    if name != answers.asked.speaker:
        values = answers.attributes[name]
        codes_by_value = {value: at for at, value in enumerate(sorted({own for own in values if own is not None}))}
        codes = np.array([UNKNOWN if own is None else codes_by_value[own] for own in values], dtype=np.int32)
    enrol, test = codes[answers.enrol], codes[answers.test]
    return (enrol != UNKNOWN) & (test != UNKNOWN), enrol == test, enrol


def _compute_subset_metrics(answers: TrialPredictions, ranking: Ranking) -> Iterator[tuple[str, float]]:
    """Yield the EER, minDCF and size of every subset that has targets and non-targets."""
    prior = PRIORS[0]
    for name, members in select_subsets(answers):
        part = ranking.select(members[ranking.order])
        if 0 < part.targets < len(part.accept):
            yield name, compute_eer(part)
            yield f"{name}: minDCF({prior:g})", compute_min_dcf(part, prior)
            yield f"{name}: targets", float(part.targets)
            yield f"{name}: non-targets", float(len(part.accept) - part.targets)


def _compute_interval(
    ranking: Ranking, enrol: NDArray[np.int32], test: NDArray[np.int32], n_units: int
) -> tuple[float, float]:
    """Compute the 95% interval of the EER by drawing units 0, 1, ... of both sides [n], in the order of the ranking."""
    test = np.where(enrol == test, n_units, test).astype(np.int32)  # a last unit that counts once
    bins = _BinnedRanking.from_ranking(ranking, enrol, test)

    def value(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        each = np.pad(weights, ((0, 0), (0, 1)), constant_values=1).astype(np.int32)
        return np.array([bins.compute_eer(own) for own in each])

    resamples = max(FEWEST_RESAMPLES, min(RESAMPLES, MOST_DRAWN // len(enrol)))
    low, high = bootstrap_weighted([value], n_units, resamples=resamples)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class _BinnedRanking:
    """A ranking cut into bins, so that a resample's EER needs the sums of bins and the inside of one of them."""

    sides: tuple[tuple[NDArray[np.int32], NDArray[np.int32]], ...]  # units of targets and of non-targets, by rank
    counts: tuple[NDArray[np.int64], NDArray[np.int64]]  # [K + 1] of each at or above the thresholds
    borders: NDArray[np.int64]  # [B + 1] thresholds between bins, the first and the last among them

    @classmethod
    def from_ranking(cls, ranking: Ranking, enrol: NDArray[np.int32], test: NDArray[np.int32]) -> _BinnedRanking:
        kinds = (ranking.accept, ~ranking.accept)
        counts = ranking.count()
        borders = np.unique(np.linspace(0, len(counts[0]) - 1, BINS + 1).round().astype(np.int64))
        return cls(tuple((enrol[kind], test[kind]) for kind in kinds), counts, borders)

    def compute_eer(self, drawn: NDArray[np.int32]) -> float:
        """Return the EER with each unit counted ``drawn`` times; NaN without a target or without a non-target."""
        weights = [drawn[enrol] * drawn[test] for enrol, test in self.sides]
        sums = [_sum_bins(own, counts[self.borders]) for own, counts in zip(weights, self.counts, strict=True)]
        hits, alarms = (np.cumsum(np.pad(own, (1, 0))) for own in sums)
        ones, zeros = int(hits[-1]), int(alarms[-1])
        if not (ones and zeros):
            return float("nan")
        after = int(np.argmax(alarms * ones - (ones - hits) * zeros >= 0))
        inside = slice(int(self.borders[after - 1]), int(self.borders[after]) + 1)
        fine = []
        for own, counts, start in zip(weights, self.counts, (hits[after - 1], alarms[after - 1]), strict=True):
            bounds = counts[inside]
            within = np.cumsum(np.pad(own[bounds[0] : bounds[-1]].astype(np.int64), (1, 0)))
            fine.append(int(start) + within[bounds - bounds[0]])
        surplus = fine[1] * ones - (ones - fine[0]) * zeros
        at = int(np.argmax(surplus >= 0))
        low, high = int(surplus[at - 1]), int(surplus[at])
        return float((fine[1][at - 1] - low / (high - low) * (fine[1][at] - fine[1][at - 1])) / zeros)


def _sum_bins(values: NDArray[np.int32], borders: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums [B] of the values between neighbouring ``borders`` [B + 1], 0 where these are equal."""
    filled = borders[:-1] < borders[1:]
    sums = np.zeros(len(filled), dtype=np.int64)
    sums[filled] = np.add.reduceat(values, borders[:-1][filled], dtype=np.int64)
    return sums


def check_trials(answers: TrialPredictions, where: object) -> None:
    """Raise DataError for arrays that do not fit together."""
    n, utterances = len(answers.targets), len(answers.utterances)
    shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "enrol": (answers.enrol, (n,)),
        "test": (answers.test, (n,)),
        "predictions": (answers.predictions, (1, n)),
        "speakers": (answers.speakers, (utterances,)),
        "seconds": (answers.seconds, (utterances,)),
    }
    for name, (array, shape) in shapes.items():
        if array.shape != shape:
            raise DataError(f"{name} of trials", got=list(array.shape), expected=list(shape), where=where)
    for side in (answers.enrol, answers.test):
        if n == 0 or side.min() < 0 or side.max() >= utterances:
            raise DataError("trials of no utterance", got=f"{n} trials", expected=f"0 to {utterances - 1}", where=where)
    if any(len(values) != utterances for values in answers.attributes.values()) or set(answers.asked.attributes) - set(
        answers.attributes
    ):
        got = sorted(answers.attributes)
        raise DataError("attributes of utterances", got=got, expected=answers.asked.attributes, where=where)
