"""Draw lists of pairs of recordings for verification by metadata of the recordings.

A list has *sides*, such as targets and non-targets; each side is a rule (attributes in which two recordings agree or
differ) and a number of pairs.
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
    """A recording, its speaker and its metadata, e.g. ``gender`` or ``text``."""

    key: str
    speaker: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairList:
    """A list of P pairs of recordings."""

    keys: tuple[str, ...]
    enrol: NDArray[np.int32]  # [P] indices into ``keys``
    test: NDArray[np.int32]  # [P] indices into ``keys``
    target: NDArray[np.bool_]  # [P] True for pairs to accept
    sides: tuple[str, ...]
    side: NDArray[np.int8]  # [P] indices into ``sides``
    counts: Mapping[str, int]
    """Number of pairs of each kind, e.g. ``target device=iphone/ipad`` or ``nontarget gender=f``."""
    unknown: int = 0  # recordings that are left out of at least one side since they lack an attribute

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, slots=True)
class Side:
    """A rule and the number of its pairs to draw.

    Two recordings form a pair if ``agree`` is equal, ``differ`` unequal and, where given, ``differ_too`` unequal.
    """

    name: str
    target: bool
    n: int
    agree: Int  # [N]
    differ: Int  # [N]
    differ_too: Int | None  # [N]
    known: NDArray[np.bool_]  # [N] True for recordings with all attributes of the rule
    attributes: tuple[str, ...] = ()  # by which pairs are counted


def make_generator(seed: int, *names: str) -> Generator:
    """Return a random generator that depends only on ``seed`` and ``names``."""
    return Generator(PCG64([seed, *(byte for name in names for byte in name.encode())]))


def sort_recordings(recordings: Sequence[Recording]) -> list[Recording]:
    """Sort recordings by key, so that their order does not matter. Raises DataError for a repeated key."""
    ordered = sorted(recordings, key=lambda recording: recording.key)
    for recording, following in pairwise(ordered):
        if recording.key == following.key:
            raise DataError("recording named twice", got=recording.key, expected="unique keys", where=WHERE)
    return ordered


def encode_labels(values: Sequence[str]) -> Int:
    """Return integers [N] that are equal where values are equal."""
    return np.unique(np.array(values, dtype=str), return_inverse=True)[1].astype(np.int64)


def combine_labels(a: Int, b: Int) -> Int:
    """Return labels [N] that are equal where both ``a`` and ``b`` are equal."""
    inverse = np.unique(a * (int(b.max(initial=0)) + 1) + b, return_inverse=True)[1]
    return np.asarray(inverse, dtype=np.int64)


def label_recordings(ordered: Sequence[Recording], attributes: tuple[str, ...]) -> tuple[Int, NDArray[np.bool_]]:
    """Combine the values of ``attributes`` to one label.

    Returns:
        Labels [N], and a mask [N] of the recordings that have all attributes.

    Raises:
        DataError: No recording has an attribute.
    """
    label = np.zeros(len(ordered), dtype=np.int64)
    known = np.ones(len(ordered), dtype=bool)
    for name in attributes:
        values = [recording.metadata.get(name) for recording in ordered]
        if all(value is None for value in values):
            names = sorted({key for recording in ordered for key in recording.metadata})
            raise DataError("no metadata", got=name, expected=f"one of {', '.join(names) or 'none'}", where=WHERE)
        known &= np.array([value is not None for value in values])
        label = combine_labels(label, encode_labels([str(value) for value in values]))
    return label, known


def draw_pair_list(ordered: Sequence[Recording], sides: Sequence[Side], kind: str, seed: int) -> PairList:
    """Draw the pairs of all sides and shuffle them; every speaker gets about the same number of pairs of a side.

    Args:
        ordered: Recordings, sorted by key.
        sides: Rules and numbers of pairs.
        kind: Name of the list; it seeds the draw and appears in errors.
        seed: Seed of the draw and of the order.

    Raises:
        DataError: A side has fewer pairs than are to be drawn.
    """
    speaker = encode_labels([recording.speaker for recording in ordered])
    parts = [_draw_side(side, speaker, make_generator(seed, kind, side.name), kind) for side in sides]
    counts: Counter[str] = Counter()
    for side, (enrol, test) in zip(sides, parts, strict=True):
        counts.update(_count_pairs(ordered, side, enrol, test))
    enrol, test = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    side_of_pair = np.repeat(np.arange(len(sides)), [side.n for side in sides])
    order = make_generator(seed, kind, "order").permutation(len(side_of_pair))
    known = np.all([side.known for side in sides], axis=0)
    return PairList(
        tuple(recording.key for recording in ordered),
        enrol[order].astype(np.int32),
        test[order].astype(np.int32),
        np.array([side.target for side in sides])[side_of_pair[order]],
        tuple(side.name for side in sides),
        side_of_pair[order].astype(np.int8),
        dict(sorted(counts.items())),
        int((~known).sum()),
    )


def _draw_side(side: Side, speaker: Int, generator: Generator, kind: str) -> tuple[Int, Int]:
    """Draw the pairs of one side, the two recordings of each in random order."""
    rows = np.flatnonzero(side.known)
    third = None if side.differ_too is None else side.differ_too[rows]
    space = index_pairs(side.agree[rows], side.differ[rows], third)
    n_pairs = int(space.exact.sum())
    if not 0 <= side.n <= n_pairs:
        rule = f"{kind} {side.name} pairs" + (f" by {', '.join(side.attributes)}" if side.attributes else "")
        raise DataError(f"too few {rule}", got=n_pairs, expected=f"{side.n} or more", where=WHERE)
    mine, theirs = draw_pairs(space, speaker[rows], side.n, generator)
    swap = generator.random(side.n) < 0.5
    return rows[np.where(swap, theirs, mine)], rows[np.where(swap, mine, theirs)]


def _count_pairs(ordered: Sequence[Recording], side: Side, enrol: Int, test: Int) -> Counter[str]:
    """Count the pairs of each combination of values, in either order."""
    values = [
        SEPARATOR.join(f"{name}={recording.metadata.get(name)}" for name in side.attributes) for recording in ordered
    ]
    classes, code = np.unique(values, return_inverse=True)
    low, high = np.minimum(code[enrol], code[test]), np.maximum(code[enrol], code[test])
    pairs, numbers = np.unique(low * len(classes) + high, return_counts=True)
    counts: Counter[str] = Counter()
    for pair, number in zip(pairs.tolist(), numbers.tolist(), strict=True):
        a, b = classes[pair // len(classes)], classes[pair % len(classes)]
        counts[" ".join([side.name, *_join_values(str(a), str(b))])] += number
    return counts


def _join_values(a: str, b: str) -> list[str]:
    """Join ``device=x`` and ``device=y`` to ``device=x/y``, for each attribute."""
    parts = zip(a.split(SEPARATOR), b.split(SEPARATOR), strict=True)
    return [one if one == other else f"{one}/{other.partition('=')[2]}" for one, other in parts if one]
