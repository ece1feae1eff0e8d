"""Count and draw pairs of recordings that agree in one label and differ in others, without listing all pairs.

Recordings are sorted by *block* (the label that a pair agrees in) and, within a block, by *run* (the label that it
differs in); their positions in this order are called places. The partners of a recording are its block without its own
run. A pair of places i < j belongs to i where i + j is even and to j where it is odd, as in a round-robin tournament:
every pair has one owner, every place owns about half of its pairs, and the number of these pairs and the k-th of them
follow from a few borders. So pairs are drawn without repetition and evenly over owners, from millions of recordings.
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

    Arrays are [N], in the order of places 0..N-1.
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
        """[N] numbers of pairs that each place owns, without those with equal ``third``."""
        return self.owned if self.third is None else self.owned - self._count_agreeing(self.third)

    def find_partners(self, place: Int, rank: Int) -> Int:
        """Return partner (a place) number ``rank`` [K] of every owner ``place`` [K], 0 <= rank < owned[place]."""
        before = _count_parity(self.start[place], self.run_start[place], place + 1)
        partner = np.where(
            rank < before,
            _find_first(self.start[place], place + 1) + 2 * rank,
            _find_first(self.run_stop[place], place) + 2 * (rank - before),
        )
        return np.asarray(partner)

    def _count_agreeing(self, third: Int) -> Int:
        """Count the owned pairs [N] with equal third label."""
        n = len(third)
        places = np.arange(n)
        # Places of one third label and parity, sorted, one label after another: borders by binary search.
        code = (third * 2 + places % 2) * n + places
        code.sort()

        def count_between(low: Int, high: Int, parity: Int) -> Int:
            base = (third * 2 + parity % 2) * n
            number: Int = np.searchsorted(code, base + high) - np.searchsorted(code, base + low)
            return number

        return count_between(self.run_stop, self.stop, places) + count_between(self.start, self.run_start, places + 1)


def index_pairs(block: Int, run: Int, third: Int | None = None) -> PairSpace:
    """Index the pairs of recordings with labels ``block``, ``run`` and ``third``, integers [N] from 0."""
    order = np.lexsort((np.arange(len(block)), run, block))
    block, run = block[order], run[order]
    new_block = np.diff(block, prepend=-1) != 0
    new_run = new_block | (np.diff(run, prepend=-1) != 0)
    start, stop = _find_borders(new_block)
    run_start, run_stop = _find_borders(new_run)
    places = np.arange(len(block))
    owned = _count_parity(start, run_start, places + 1) + _count_parity(run_stop, stop, places)
    return PairSpace(order, start, run_start, run_stop, stop, None if third is None else third[order], owned)


def draw_pairs(space: PairSpace, owner: Int, n: int, generator: Generator) -> tuple[Int, Int]:
    """Draw different pairs, as evenly over owners as there are pairs.

    Args:
        space: The pairs to draw from, at least ``n``: ``space.exact.sum() >= n``.
        owner: [N] owner (speaker) of each recording.
        n: Number of pairs to draw.
        generator: Source of random numbers.

    Returns:
        Two arrays of recordings [n], in no particular order; the first of a pair is the owner's recording.
    """
    empty = np.zeros(0, dtype=np.int64)
    if n == 0:
        return empty, empty
    of_place = owner[space.order]
    by_owner = np.argsort(of_place, kind="stable")  # places, grouped by owner
    borders = np.flatnonzero(np.diff(of_place[by_owner], prepend=-1, append=-1))
    exact = np.add.reduceat(space.exact[by_owner], borders[:-1])
    first, second = [empty], [empty]
    for index, quota in enumerate(allot_quotas(exact, n, generator)):
        if quota:
            places = by_owner[borders[index] : borders[index + 1]]
            mine, theirs = _draw_of_owner(space, places, int(quota), generator)
            first.append(mine)
            second.append(theirs)
    return space.order[np.concatenate(first)], space.order[np.concatenate(second)]


def allot_quotas(capacity: Int, n: int, generator: Generator) -> Int:
    """Share ``n`` out equally, as far as ``capacity`` [G] allows; the remainder goes to random ones.

    Example:
        >>> allot_quotas(np.array([1, 5, 5]), 7, np.random.default_rng(0)).tolist()
        [1, 3, 3]
    """
    high, low = int(capacity.max(initial=0)), 0
    while low < high:  # the highest level at which the sum is at most n
        middle = (low + high + 1) // 2
        low, high = (middle, high) if int(np.minimum(capacity, middle).sum()) <= n else (low, middle - 1)
    shares = np.minimum(capacity, low)
    above = generator.permutation(np.flatnonzero(capacity > low))[: n - int(shares.sum())]
    shares[above] += 1
    return shares


def _draw_of_owner(space: PairSpace, places: Int, quota: int, generator: Generator) -> tuple[Int, Int]:
    """Draw ``quota`` different pairs that ``places`` own; pairs with equal third label are drawn, too, and dropped."""
    ends = np.cumsum(space.owned[places])
    total, n_drawn = int(ends[-1]), quota
    while True:
        ranks = generator.choice(total, min(n_drawn, total), replace=False)
        index = np.searchsorted(ends, ranks, side="right")
        mine = places[index]
        theirs = space.find_partners(mine, ranks - (ends[index] - space.owned[mine]))
        if space.third is not None:
            differ = space.third[mine] != space.third[theirs]
            mine, theirs = mine[differ], theirs[differ]
        if len(mine) >= quota:
            return mine[:quota], theirs[:quota]
        n_drawn *= 4


def _find_first(low: Int, parity: Int) -> Int:
    """Return the first number from ``low`` on with the parity of ``parity``."""
    return low + (low + parity) % 2


def _count_parity(low: Int, high: Int, parity: Int) -> Int:
    """Count the numbers in [low, high) with the parity of ``parity``."""
    return np.asarray(np.maximum(0, (high - _find_first(low, parity) + 1) // 2))


def _find_borders(new: NDArray[np.bool_]) -> tuple[Int, Int]:
    """Return first and last + 1 place of the run of equal labels that each place is in; ``new`` marks their starts."""
    starts = np.flatnonzero(new)
    index = np.cumsum(new) - 1
    return starts[index], np.append(starts[1:], len(new))[index]
