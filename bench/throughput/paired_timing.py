"""Is an encoder slower than another? Both take turns on one device within seconds: a slow day slows both.

Each pair of turns gives one ratio of times, candidate's to baseline's; who goes first alternates. The noise band is
what as many ratios of the baseline's own turns would scatter about 1. Slower means: the ratios are significantly
above 1 + ``max_slowdown`` (Wilcoxon's signed-rank test of their logarithms, one-sided, robust against single turns).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SECONDS = 3.0  # of turns, about
BAND = 2 * 1.4826 * 1.2533  # 2 sigma from a median of absolute values, of a median instead of a mean
FEWEST, MOST = 12, 60  # pairs of turns; with 12 the smallest possible p is 1 / 4096


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """Time of the candidate over that of the baseline."""

    value: float  # median over the pairs
    ci95: tuple[float, float]  # of the median, from the order of the ratios
    band: tuple[float, float]  # of the baseline against itself
    pairs: int
    p: float  # of "at most 1 + max_slowdown"


def time_in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Seconds that either takes, turn by turn, after two turns to warm up."""
    warm = [_time_call(work) for work in (first, second, first, second)]
    once = sum(warm[2:])
    pairs = max(FEWEST, min(MOST, int(SECONDS / max(once, 1e-6))))
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            times[side].append(_time_call((first, second)[side]))
    return times


def compute_ratio(base: Sequence[float], candidate: Sequence[float], max_slowdown: float) -> TimeRatio:
    """Compute the ratio of the times of turns [s], as many of either."""
    from scipy.stats import binom, wilcoxon

    ratios = np.sort(np.log(np.asarray(candidate) / np.asarray(base)))
    own = np.abs(np.diff(np.log(base)))
    reach = BAND * float(np.median(own)) / math.sqrt(len(own))
    low = int(binom.ppf(0.025, len(ratios), 0.5)) - 1
    ends = ratios[max(0, low)], ratios[min(len(ratios) - 1, len(ratios) - 1 - low)]
    above = ratios - math.log1p(max_slowdown)
    p = float(wilcoxon(above, alternative="greater").pvalue) if above.any() else 1.0
    return TimeRatio(
        math.exp(float(np.median(ratios))),
        (math.exp(ends[0]), math.exp(ends[1])),
        (math.exp(-reach), math.exp(reach)),
        len(ratios),
        p,
    )


def _time_call(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
