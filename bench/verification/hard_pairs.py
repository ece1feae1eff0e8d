"""Hard pairs of recordings for verification, chosen by rules on metadata rather than by a model's similarity.

A *non-target* pair (two speakers) is hard when the two agree: same gender, language, device, ... A *target* pair (one
speaker) is hard when its recordings differ: another device, language, age, ... :class:`HardPairSampler` draws such
lists, random ones to compare with, and easy ones, for which the rules are reversed.

Source: Ren et al., "Speaker Verification for Audio Large Language Models", arXiv 2509.19755 (rule-based sampling over
gender, language, age, device, dialect, distance, duration and scene). The exact rules of its 9 M training pairs are not
published; these are our own.
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
SHORT_IN_S = 2.0  # as in the source
LONG_IN_S = 6.0  # our choice


def get_duration_band(seconds: float) -> str:
    """Return ``short`` (below 2 s), ``medium`` or ``long`` (from 6 s).

    Example:
        >>> [get_duration_band(seconds) for seconds in (1.5, 2.0, 6.0)]
        ['short', 'medium', 'long']
    """
    return "short" if seconds < SHORT_IN_S else "long" if seconds >= LONG_IN_S else "medium"


def get_age_band(years: float, width: int = 10) -> str:
    """Return the band of ``width`` years that an age is in.

    Example:
        >>> get_age_band(37)
        '30-39'
    """
    low = int(years // width) * width
    return f"{low}-{low + width - 1}"


@dataclass(frozen=True, slots=True)
class HardPairSampler:
    """A sampler of pair lists; the same recordings and seed give the same list in whatever order the recordings are.

    Hard non-targets agree in all of ``fix``; hard targets differ in at least one of ``flip`` (any names of metadata,
    usually of ``ATTRIBUTES``). Every speaker gets the same number of targets and of non-targets, as far as there are as
    many. A recording that lacks one of these attributes is left out and counted.

    Example:
        >>> sampler = HardPairSampler(fix=("gender",), flip=("device",))
        >>> recordings = [
        ...     Recording(f"{speaker}-{device}", speaker, {"gender": "f", "device": device})
        ...     for speaker in ("ada", "eve")
        ...     for device in ("phone", "laptop")
        ... ]
        >>> dict(sampler(recordings, targets=2, nontargets=2, seed=0).counts)
        {'nontarget gender=f': 2, 'target device=laptop/phone': 2}
    """

    fix: tuple[str, ...]
    flip: tuple[str, ...]

    def __call__(
        self, recordings: Sequence[Recording], *, targets: int, nontargets: int, seed: int, kind: Kind = "hard"
    ) -> PairList:
        """Draw ``targets`` + ``nontargets`` different pairs, in an order drawn by ``seed``.

        ``random`` pairs follow no rule; ``easy`` targets agree in all of ``flip`` and easy non-targets differ in at
        least one of ``fix``.

        Raises:
            DataError: A key is repeated, no recording has an attribute, or there are not enough pairs.
            ChoiceError: The kind is unknown, or it needs ``fix`` and ``flip``.
        """
        if kind not in KINDS:
            raise ChoiceError("kind of pairs", got=kind, expected=", ".join(KINDS), where=WHERE)
        has_rules = kind != "random"
        if has_rules and not (self.fix and self.flip):
            raise ChoiceError(f"{kind} pairs", got=f"fix {self.fix}, flip {self.flip}", expected="both", where=WHERE)
        fix_by, flip_by = (self.fix, self.flip) if has_rules else ((), ())
        ordered = sort_recordings(recordings)
        speaker, (fix, fix_known), (flip, flip_known) = (
            encode_labels([recording.speaker for recording in ordered]),
            label_recordings(ordered, fix_by),
            label_recordings(ordered, flip_by),
        )
        itself, anything = np.arange(len(ordered)), np.zeros(len(ordered), dtype=np.int64)
        target_rule, nontarget_rule = {  # agree, differ, differ too
            "hard": ((speaker, flip, None), (fix, speaker, None)),
            "random": ((speaker, itself, None), (anything, speaker, None)),
            "easy": ((combine_labels(speaker, flip), itself, None), (anything, speaker, fix)),
        }[kind]
        sides = (
            Side("target", True, targets, *target_rule, flip_known, flip_by),
            Side("nontarget", False, nontargets, *nontarget_rule, fix_known, fix_by),
        )
        return draw_pair_list(ordered, sides, kind, seed)


def draw_random_pairs(recordings: Sequence[Recording], *, targets: int, nontargets: int, seed: int) -> PairList:
    """Draw pairs without rules: any two recordings of one speaker, or of two. Raises as :class:`HardPairSampler`."""
    return HardPairSampler((), ())(recordings, targets=targets, nontargets=nontargets, seed=seed, kind="random")
