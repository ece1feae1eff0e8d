"""PairList of recordings for verification, hard by rule: what metadata say, not what some model finds similar.

A *non-target* pair (two speakers) is hard when the two agree: same gender, language, device, ... A *target* pair (one
speaker) is hard when its recordings differ: another device, language, age, ... :class:`HardPairSampler` draws such
lists, random ones to stand beside them, and easy ones, which have it the other way round.

Source: Ren et al., "Speaker Verification for Audio Large Language Models", arXiv 2509.19755 (rule-based sampling over
gender, language, age, device, dialect, distance, duration and scene). The exact rules of its 9 M training pairs are not
published; these are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.types import ChoiceError
from bench.verification.pair_lists import (
    WHERE,
    PairList,
    Recording,
    Side,
    combine_labels,
    draw_pair_list,
    encode_labels,
    label_recordings,
    sort_recordings,
)

Kind = Literal["hard", "random", "easy"]
KINDS: tuple[Kind, ...] = ("hard", "random", "easy")
ATTRIBUTES = ("gender", "language", "age", "device", "dialect", "distance", "duration", "scene")
SHORT_IN_S, LONG_IN_S = 2.0, 6.0  # the first from the source, the second our choice


def get_duration_band(seconds: float) -> str:
    """``short`` (below 2 s), ``medium`` or ``long`` (from 6 s)."""
    return "short" if seconds < SHORT_IN_S else "long" if seconds >= LONG_IN_S else "medium"


def get_age_band(years: float, width: int = 10) -> str:
    """The decade, or another ``width``: 37 -> ``30-39``."""
    low = int(years // width) * width
    return f"{low}-{low + width - 1}"


@dataclass(frozen=True, slots=True)
class HardPairSampler:
    """Draws lists of pairs; the same recordings and seed give the same list, however the recordings are ordered.

    Hard non-targets agree in all of ``fix``; hard targets differ in at least one of ``flip`` (any names of metadata,
    usually of ``ATTRIBUTES``). Every speaker owns equally many targets and equally many non-targets, as far as he has
    them. A recording of which an attribute in question is not known is left out and counted.
    """

    fix: tuple[str, ...]
    flip: tuple[str, ...]

    def __call__(
        self, recordings: Sequence[Recording], *, targets: int, nontargets: int, seed: int, kind: Kind = "hard"
    ) -> PairList:
        """``targets`` + ``nontargets`` different pairs, in an order drawn by ``seed``.

        ``random`` asks nothing of either side; ``easy`` lets targets agree in all of ``flip`` and non-targets differ in
        at least one of ``fix``. Raises DataError for a repeated key, an attribute that no recording has, and where
        there are fewer such pairs; ChoiceError for another kind or a kind that has no rule.
        """
        if kind not in KINDS:
            raise ChoiceError("kind of pairs", got=kind, expected=", ".join(KINDS), where=WHERE)
        ruled = kind != "random"
        if ruled and not (self.fix and self.flip):
            raise ChoiceError(f"{kind} pairs", got=f"fix {self.fix}, flip {self.flip}", expected="both", where=WHERE)
        fix_by, flip_by = (self.fix, self.flip) if ruled else ((), ())
        ordered = sort_recordings(recordings)
        speaker, (fix, fix_known), (flip, flip_known) = (
            encode_labels([one.speaker for one in ordered]),
            label_recordings(ordered, fix_by),
            label_recordings(ordered, flip_by),
        )
        each, everyone = np.arange(len(ordered)), np.zeros(len(ordered), dtype=np.int64)
        same, others = {  # agree, differ, differ too
            "hard": ((speaker, flip, None), (fix, speaker, None)),
            "random": ((speaker, each, None), (everyone, speaker, None)),
            "easy": ((combine_labels(speaker, flip), each, None), (everyone, speaker, fix)),
        }[kind]
        sides = (
            Side("target", True, targets, *same, flip_known, flip_by),
            Side("nontarget", False, nontargets, *others, fix_known, fix_by),
        )
        return draw_pair_list(ordered, sides, kind, seed)


def draw_random_pairs(recordings: Sequence[Recording], *, targets: int, nontargets: int, seed: int) -> PairList:
    """Pairs without a rule: any two recordings of one speaker, any two of two. Raises as :class:`HardPairSampler`."""
    return HardPairSampler((), ())(recordings, targets=targets, nontargets=nontargets, seed=seed, kind="random")
