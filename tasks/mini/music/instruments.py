"""Which recordings of the sound bank are for training and which for the test.

NSynth's question is asked of notes whose *recordings* were not heard in training. A bank plays one recording over a few
neighbouring keys, some programs share recordings, and layered programs sound several at once; so recordings that can
sound together, or in each other's place, form a group, and whole groups go to one side. Programs of a single group
(a whistle, a koto) are on one side altogether: the test has instruments never heard and new recordings of known ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from tasks.mini.music.soundfont import read_bank, read_zones

# General MIDI programs, from 0. The bank's organs are three unrelated instruments (drawbars, percussive, reed), too few
# to learn the family from some and recognise it in another: they are left out.
FAMILIES: Mapping[str, tuple[int, ...]] = {
    "guitar": (24, 25, 26, 27, 28, 29, 30, 31),
    "bass": (32, 33, 34, 35, 36, 37, 38, 39),
    "keyboard": (0, 4, 5, 6, 7),
    "vocal": (52, 53, 54),
    "string": (40, 41, 42, 43, 44, 48, 49),
    "reed": (64, 65, 66, 67, 68, 69, 70, 71),
    "flute": (72, 73, 74, 75, 77, 78, 79),
    "mallet": (8, 9, 10, 11, 12, 13, 14),
    "brass": (56, 57, 58, 59, 60, 61),
    "synth_lead": (80, 81, 83, 84, 87),
}
RANGES: Mapping[str, tuple[int, int]] = {"bass": (31, 58)}  # lowest and highest MIDI pitch; the others below
RANGE = (48, 76)
TEST_EVERY = 3  # of a family's groups
Span = Callable[[str], range]
"""The pitches at which a family is heard."""
Sides = tuple[dict[int, list[int]], dict[int, list[int]]]
"""(training, test): program -> pitches."""


def list_pitches(family: str) -> range:
    """List the pitches at which a family is heard."""
    low, high = RANGES.get(family, RANGE)
    return range(low, high + 1)


def group_recordings(sounding: Mapping[tuple[int, int], frozenset[int]]) -> dict[int, int]:
    """Map a recording to the lowest-numbered one of its group; ``sounding`` says what (program, key) plays."""
    leader: dict[int, int] = {}

    def lead(sample: int) -> int:
        while leader.setdefault(sample, sample) != sample:
            sample = leader[sample]
        return sample

    for together in sounding.values():
        first, *others = sorted(lead(sample) for sample in together)
        for other in others:
            leader[lead(other)] = lead(first)
    return {sample: lead(sample) for sample in list(leader)}


def list_playing(families: Mapping[str, tuple[int, ...]], keys: Span) -> dict[tuple[int, int], frozenset[int]]:
    """List (program, pitch) -> the recordings it plays, for every program and pitch in use.

    Raises:
        DataError: There is no bank.
    """
    known = read_zones(read_bank())
    out = {}
    for family, programs in families.items():
        for program in programs:
            for pitch in keys(family):
                playing = frozenset(zone.sample for zone in known[0, program] if zone.low <= pitch <= zone.high)
                if playing:
                    out[program, pitch] = playing
    return out


def share_out(families: Mapping[str, tuple[int, ...]], keys: Span) -> dict[str, Sides]:
    """Share out family -> (training, test): program -> pitches. No recording is in both, in whatever families."""
    playing = list_playing(families, keys)
    group = group_recordings(playing)
    side: dict[int, int] = {}  # of a group: 0 training, 1 test
    out: dict[str, Sides] = {}
    for family, programs in families.items():
        out[family], count = ({}, {}), 0
        for program in programs:
            for pitch in keys(family):
                if (program, pitch) not in playing:
                    continue
                mine = group[min(playing[program, pitch])]
                if mine not in side:
                    side[mine] = int(count % TEST_EVERY == 1)
                    count += 1
                out[family][side[mine]].setdefault(program, []).append(pitch)
    return out


@cache
def share_out_notes() -> dict[str, Sides]:
    """Share out the families above.

    Raises:
        DataError: There is no bank.
    """
    return share_out(FAMILIES, list_pitches)
