"""Counting and drawing pairs of recordings that agree in one thing and differ in others, without listing them all.

Recordings stand in a row, sorted by *block* (what a pair has to agree in) and, within a block, by *run* (what it has
to differ in). The partners of a recording are then its block but for its own run. A pair of places i < j belongs to i
where i + j is even and to j where it is odd, as in a round-robin tournament: every pair has one owner, everybody owns
about half of his pairs, and how many they are and which is the k-th follows from a few borders. So pairs are drawn
without repetition and shared out evenly over their owners, from a million recordings as from ten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PairSpace:
    """The pairs of N recordings that have equal ``block`` and unequal ``run``, and unequal ``third`` where given.

    Arrays are [N], in the order of places; places are named 0..N-1.
    """

    order: Int  # place -> recording
    start: Int  # of the place's block
    run_start: Int
    run_stop: Int
    stop: Int  # of the place's block, exclusive
    third: Int | None
    owned: Int  # pairs that the place owns, those with equal ``third`` included

    @property
    def exact(self) -> Int:
        """[N] pairs that each place owns, those with equal ``third`` left out."""
        return self.owned if self.third is None else self.owned - self._agreeing(self.third)

    def pairs(self, place: Int, rank: Int) -> Int:
        """[K] partners (places) number ``rank`` of the owners ``place``, 0 <= rank < owned[place]."""
        before = _alike(self.start[place], self.run_start[place], place + 1)
        partner = np.where(
            rank < before,
            _first(self.start[place], place + 1) + 2 * rank,
            _first(self.run_stop[place], place) + 2 * (rank - before),
        )
        return np.asarray(partner)

    def _agreeing(self, third: Int) -> Int:
        """[N] owned pairs with equal third label, which have to be taken off."""
        n = len(third)
        places = np.arange(n)
        # Places of one third label and parity, sorted, one label after another: borders by binary search.
        code = (third * 2 + places % 2) * n + places
        code.sort()

        def within(low: Int, high: Int, parity: Int) -> Int:
            base = (third * 2 + parity % 2) * n
            counted: Int = np.searchsorted(code, base + high) - np.searchsorted(code, base + low)
            return counted

        return within(self.run_stop, self.stop, places) + within(self.start, self.run_start, places + 1)


def index_pairs(block: Int, run: Int, third: Int | None = None) -> PairSpace:
    """The pairs of recordings with labels ``block``, ``run`` and ``third``, whole numbers [N] from 0."""
    order = np.lexsort((np.arange(len(block)), run, block))
    block, run = block[order], run[order]
    new_block = np.diff(block, prepend=-1) != 0
    new_run = new_block | (np.diff(run, prepend=-1) != 0)
    start, stop = _borders(new_block)
    run_start, run_stop = _borders(new_run)
    places = np.arange(len(block))
    owned = _alike(start, run_start, places + 1) + _alike(run_stop, stop, places)
    return PairSpace(order, start, run_start, run_stop, stop, None if third is None else third[order], owned)


def draw_pairs(pairs: PairSpace, owner: Int, n: int, generator: Generator) -> tuple[Int, Int]:
    """``n`` different pairs (recordings [n], recordings [n]) in no order, as evenly over owners as there are pairs.

    ``owner`` [N] says whom each recording belongs to (its speaker); the first of a pair is the owner's recording. There
    must be ``n`` pairs, i.e. ``pairs.exact.sum() >= n``.
    """
    empty = np.zeros(0, dtype=np.int64)
    if n == 0:
        return empty, empty
    of_place = owner[pairs.order]
    by_owner = np.argsort(of_place, kind="stable")  # places, those of one owner together
    borders = np.flatnonzero(np.diff(of_place[by_owner], prepend=-1, append=-1))
    exact = np.add.reduceat(pairs.exact[by_owner], borders[:-1])
    first, second = [empty], [empty]
    for index, quota in enumerate(allot_quotas(exact, n, generator)):
        if quota:
            places = by_owner[borders[index] : borders[index + 1]]
            mine, theirs = _of_one(pairs, places, int(quota), generator)
            first.append(mine)
            second.append(theirs)
    return pairs.order[np.concatenate(first)], pairs.order[np.concatenate(second)]


def allot_quotas(capacity: Int, n: int, generator: Generator) -> Int:
    """How many of ``n`` each gets, [G] at most ``capacity`` and otherwise equal; a rest of ones goes to drawn ones."""
    high, low = int(capacity.max(initial=0)), 0
    while low < high:  # the highest level that does not pour more than n
        middle = (low + high + 1) // 2
        low, high = (middle, high) if int(np.minimum(capacity, middle).sum()) <= n else (low, middle - 1)
    shares = np.minimum(capacity, low)
    above = generator.permutation(np.flatnonzero(capacity > low))[: n - int(shares.sum())]
    shares[above] += 1
    return shares


def _of_one(pairs: PairSpace, places: Int, quota: int, generator: Generator) -> tuple[Int, Int]:
    """``quota`` different pairs that ``places`` own; pairs with equal third label are drawn, too, and dropped."""
    ends = np.cumsum(pairs.owned[places])
    total, wanted = int(ends[-1]), quota
    while True:
        ranks = generator.choice(total, min(wanted, total), replace=False)
        at = np.searchsorted(ends, ranks, side="right")
        mine = places[at]
        theirs = pairs.pairs(mine, ranks - (ends[at] - pairs.owned[mine]))
        if pairs.third is not None:
            differ = pairs.third[mine] != pairs.third[theirs]
            mine, theirs = mine[differ], theirs[differ]
        if len(mine) >= quota:
            return mine[:quota], theirs[:quota]
        wanted *= 4


def _first(low: Int, parity: Int) -> Int:
    """The first number from ``low`` on with the parity of ``parity``."""
    return low + (low + parity) % 2


def _alike(low: Int, high: Int, parity: Int) -> Int:
    """How many numbers in [low, high) have the parity of ``parity``."""
    return np.asarray(np.maximum(0, (high - _first(low, parity) + 1) // 2))


def _borders(new: NDArray[np.bool_]) -> tuple[Int, Int]:
    """First and last + 1 place of the stretch that each place is in; ``new`` marks where stretches begin."""
    starts = np.flatnonzero(new)
    index = np.cumsum(new) - 1
    return starts[index], np.append(starts[1:], len(new))[index]
