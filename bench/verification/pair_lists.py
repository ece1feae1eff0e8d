"""Lists of pairs of recordings for verification, drawn by what is known of the recordings.

A list has *sides*, such as targets and non-targets; each side is a rule (what two recordings agree in, what they differ
in) and a number of pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from bench.types import DataError
from bench.verification.pair_space import draw_pairs, index_pairs

Int = NDArray[np.int64]
WHERE = "pair sampling"
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Recording:
    """Who is heard in a recording, and how: ``metadata`` has what is known of it, e.g. its ``gender`` or ``text``."""

    key: str
    speaker: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairList:
    """A list of pairs: ``enrol`` and ``test`` [P] are places in ``keys``, ``target`` [P] is True for what to accept."""

    keys: tuple[str, ...]
    enrol: NDArray[np.int32]
    test: NDArray[np.int32]
    target: NDArray[np.bool_]
    sides: tuple[str, ...]
    side: NDArray[np.int8]  # [P] places in ``sides``
    counts: Mapping[str, int]
    """How many pairs there are of each kind, e.g. ``target device=iphone/ipad`` or ``nontarget gender=f``."""
    unknown: int = 0  # recordings that took no part on at least one side, since an attribute is not known of them

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, slots=True)
class Side:
    """A rule and how many pairs of it are wanted.

    Two recordings pair where ``agree`` [N] is equal, ``differ`` [N] unequal and, where given, ``differ_too`` unequal.
    """

    name: str
    target: bool
    n: int
    agree: Int
    differ: Int
    differ_too: Int | None
    known: NDArray[np.bool_]  # [N] recordings that can take part
    attributes: tuple[str, ...] = ()  # that pairs are counted by


def make_generator(seed: int, *names: str) -> Generator:
    """Random numbers that depend on ``seed`` and ``names`` alone."""
    return Generator(PCG64([seed, *(byte for name in names for byte in name.encode())]))


def sort_recordings(recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings by key, so that nothing depends on how they came. Raises DataError for a repeated key."""
    ordered = sorted(recordings, key=lambda one: one.key)
    for one, other in pairwise(ordered):
        if one.key == other.key:
            raise DataError("recording named twice", got=one.key, expected="unique keys", where=WHERE)
    return ordered


def encode_labels(values: Sequence[str]) -> Int:
    """[N] whole numbers, equal where values are equal."""
    return np.unique(np.array(values, dtype=str), return_inverse=True)[1].astype(np.int64)


def combine_labels(a: Int, b: Int) -> Int:
    """[N] one label for two: equal where both are equal."""
    inverse = np.unique(a * (int(b.max(initial=0)) + 1) + b, return_inverse=True)[1]
    return np.asarray(inverse, dtype=np.int64)


def label_recordings(ordered: Sequence[Recording], attributes: tuple[str, ...]) -> tuple[Int, NDArray[np.bool_]]:
    """One label [N] for the values of all ``attributes``, and of which recordings they are all known.

    Raises DataError for an attribute that no recording has.
    """
    label = np.zeros(len(ordered), dtype=np.int64)
    known = np.ones(len(ordered), dtype=bool)
    for name in attributes:
        values = [one.metadata.get(name) for one in ordered]
        if all(value is None for value in values):
            there = sorted({key for one in ordered for key in one.metadata})
            raise DataError("no metadata", got=name, expected=f"one of {', '.join(there) or 'none'}", where=WHERE)
        known &= np.array([value is not None for value in values])
        label = combine_labels(label, encode_labels([str(value) for value in values]))
    return label, known


def draw_pair_list(ordered: Sequence[Recording], sides: Sequence[Side], what: str, seed: int) -> PairList:
    """The pairs of all sides, in an order drawn by ``seed``; every speaker owns about as many of a side as the others.

    Raises DataError where a side has fewer pairs than are wanted; ``what`` names the list there.
    """
    speaker = encode_labels([one.speaker for one in ordered])
    parts = [_draw(side, speaker, make_generator(seed, what, side.name), what) for side in sides]
    counts: Counter[str] = Counter()
    for side, (enrol, test) in zip(sides, parts, strict=True):
        counts.update(_buckets(ordered, side, enrol, test))
    enrol, test = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    of_side = np.repeat(np.arange(len(sides)), [side.n for side in sides])
    order = make_generator(seed, what, "order").permutation(len(of_side))
    known = np.all([side.known for side in sides], axis=0)
    return PairList(
        tuple(one.key for one in ordered),
        enrol[order].astype(np.int32),
        test[order].astype(np.int32),
        np.array([side.target for side in sides])[of_side[order]],
        tuple(side.name for side in sides),
        of_side[order].astype(np.int8),
        dict(sorted(counts.items())),
        int((~known).sum()),
    )


def _draw(side: Side, speaker: Int, draw: Generator, what: str) -> tuple[Int, Int]:
    """PairList of recordings of one side, either of the two first."""
    rows = np.flatnonzero(side.known)
    third = None if side.differ_too is None else side.differ_too[rows]
    found = index_pairs(side.agree[rows], side.differ[rows], third)
    there = int(found.exact.sum())
    if not 0 <= side.n <= there:
        rule = f"{what} {side.name} pairs" + (f" by {', '.join(side.attributes)}" if side.attributes else "")
        raise DataError(f"too few {rule}", got=there, expected=f"{side.n} or more", where=WHERE)
    mine, theirs = draw_pairs(found, speaker[rows], side.n, draw)
    swap = draw.random(side.n) < 0.5
    return rows[np.where(swap, theirs, mine)], rows[np.where(swap, mine, theirs)]


def _buckets(ordered: Sequence[Recording], side: Side, enrol: Int, test: Int) -> Counter[str]:
    """How many pairs there are of each combination of values, whichever of the two has which."""
    values = [SEPARATOR.join(f"{name}={one.metadata.get(name)}" for name in side.attributes) for one in ordered]
    classes, code = np.unique(values, return_inverse=True)
    low, high = np.minimum(code[enrol], code[test]), np.maximum(code[enrol], code[test])
    pairs, found = np.unique(low * len(classes) + high, return_counts=True)
    counts: Counter[str] = Counter()
    for pair, count in zip(pairs.tolist(), found.tolist(), strict=True):
        a, b = classes[pair // len(classes)], classes[pair % len(classes)]
        counts[" ".join([side.name, *_joined(str(a), str(b))])] += count
    return counts


def _joined(a: str, b: str) -> list[str]:
    """``device=x`` and ``device=y`` as ``device=x/y``, for each attribute."""
    parts = zip(a.split(SEPARATOR), b.split(SEPARATOR), strict=True)
    return [one if one == other else f"{one}/{other.partition('=')[2]}" for one, other in parts if one]
