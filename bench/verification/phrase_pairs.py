"""Draw pairs for text-dependent verification: the right person has to say the right words.

Four types of pairs: target-correct (TC: same speaker, same text), target-wrong (TW: same speaker, another text),
impostor-correct (IC) and impostor-wrong (IW). Only TC is to be accepted. A model that uses only the speaker fails TW,
one that uses only the words fails IC.

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
    """Draw pairs of the four types; ``PairList.side`` are indices into ``TYPES``.

    Args:
        recordings: The recordings; their metadata have the text.
        counts: Number of pairs of each type, by default 0.
        seed: Seed of the draw.
        text: Name of the metadata with the text.

    Raises:
        DataError: A key is repeated, no recording has a text, or there are not enough pairs of a type.
    """
    ordered = sort_recordings(recordings)
    speaker, (phrase, known) = (
        encode_labels([recording.speaker for recording in ordered]),
        label_recordings(ordered, (text,)),
    )
    itself, anything = np.arange(len(ordered)), np.zeros(len(ordered), dtype=np.int64)
    rules = {
        "TC": (combine_labels(speaker, phrase), itself, None),
        "TW": (speaker, phrase, None),
        "IC": (phrase, speaker, None),
        "IW": (anything, speaker, phrase),
    }
    sides = [Side(name, name == "TC", counts.get(name, 0), *rules[name], known) for name in TYPES]
    return draw_pair_list(ordered, sides, "phrase", seed)
