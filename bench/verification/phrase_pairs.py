"""PairList for text-dependent verification: is it the right person, saying the right words?

Four types of pairs: target-correct (TC: same speaker, same text), target-wrong (TW: same speaker, another text),
impostor-correct (IC) and impostor-wrong (IW). Only TC is to be accepted. A model that hears the speaker alone fails TW,
one that hears the words alone fails IC.

Source: Larcher et al., "Text-dependent speaker verification: classifiers, databases and RSR2015", Speech Communication
60, 2014, section 4; positives as in Ren et al., arXiv 2509.19755.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from bench.verification.pair_lists import (
    PairList,
    Recording,
    Side,
    combine_labels,
    draw_pair_list,
    encode_labels,
    label_recordings,
    sort_recordings,
)

TrialType = Literal["TC", "TW", "IC", "IW"]
TYPES: tuple[TrialType, ...] = ("TC", "TW", "IC", "IW")


def draw_phrase_pairs(
    recordings: Sequence[Recording], counts: Mapping[TrialType, int], *, seed: int, text: str = "text"
) -> PairList:
    """``counts[type]`` pairs of each type (0 where a type is not named); ``PairList.side`` are places in ``TYPES``.

    ``text`` names the metadata that says what is said. Raises DataError for a repeated key, recordings of which no text
    is known, and where there are fewer pairs of a type.
    """
    ordered = sort_recordings(recordings)
    speaker, (said, known) = encode_labels([one.speaker for one in ordered]), label_recordings(ordered, (text,))
    each, everyone = np.arange(len(ordered)), np.zeros(len(ordered), dtype=np.int64)
    rules = {
        "TC": (combine_labels(speaker, said), each, None),
        "TW": (speaker, said, None),
        "IC": (said, speaker, None),
        "IW": (everyone, speaker, said),
    }
    sides = [Side(name, name == "TC", counts.get(name, 0), *rules[name], known) for name in TYPES]
    return draw_pair_list(ordered, sides, "phrase", seed)
