"""Pair sampling against a plain enumeration of all pairs."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.types import ChoiceError, DataError
from bench.verification.hard_pairs import KINDS, HardPairSampler, draw_random_pairs, get_age_band, get_duration_band
from bench.verification.pair_lists import PairList, Recording
from bench.verification.pair_space import allot_quotas
from bench.verification.phrase_pairs import TYPES, draw_phrase_pairs

SAMPLER = HardPairSampler(fix=("gender", "language"), flip=("device", "language"))


@st.composite
def crowds(draw: st.DrawFn) -> list[Recording]:
    """A few recordings of a few speakers; now and then an attribute is not known."""
    n = draw(st.integers(2, 14))
    rows = []
    for index in range(n):
        metadata = {
            name: draw(st.sampled_from(("a", "b c")))
            for name in ("gender", "language", "device")
            if index < 3 or draw(st.integers(0, 9))
        }
        rows.append(Recording(f"r{index:02d}", draw(st.sampled_from("xyz")), metadata))
    return rows


def enumerated(rows: list[Recording], kind: str) -> tuple[set[frozenset[str]], set[frozenset[str]]]:
    """All target pairs and all non-target pairs of a kind, by the definition."""

    def known(one: Recording, names: tuple[str, ...]) -> bool:
        return kind == "random" or all(name in one.metadata for name in names)

    def agree(one: Recording, other: Recording, names: tuple[str, ...]) -> bool:
        return all(one.metadata[name] == other.metadata[name] for name in names)

    targets, nontargets = set(), set()
    for one, other in itertools.combinations(rows, 2):
        same, names = (True, SAMPLER.flip) if one.speaker == other.speaker else (False, SAMPLER.fix)
        if not (known(one, names) and known(other, names)):
            continue
        if kind == "random" or agree(one, other, names) != (same == (kind == "hard")):
            (targets if same else nontargets).add(frozenset((one.key, other.key)))
    return targets, nontargets


def sides(pairs: PairList) -> tuple[Counter[frozenset[str]], Counter[frozenset[str]]]:
    listed = [
        (frozenset((pairs.keys[a], pairs.keys[b])), target)
        for a, b, target in zip(pairs.enrol, pairs.test, pairs.target, strict=True)
    ]
    return Counter(pair for pair, target in listed if target), Counter(pair for pair, target in listed if not target)


@settings(max_examples=150)
@given(crowds(), st.sampled_from(KINDS), st.integers(0, 99))
def test_drawing_all_pairs_gives_each_of_them_once(rows: list[Recording], kind: str, seed: int) -> None:
    targets, nontargets = enumerated(rows, kind)
    pairs = SAMPLER(rows, targets=len(targets), nontargets=len(nontargets), seed=seed, kind=kind)  # type: ignore[arg-type]
    assert sides(pairs) == (Counter(targets), Counter(nontargets))
    assert sum(pairs.counts.values()) == len(pairs) == len(targets) + len(nontargets)
    for more in ({"targets": len(targets) + 1, "nontargets": 0}, {"targets": 0, "nontargets": len(nontargets) + 1}):
        with pytest.raises(DataError, match=f"too few {kind} (non)?target pairs"):
            SAMPLER(rows, seed=seed, kind=kind, **more)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(crowds(), st.sampled_from(KINDS), st.integers(0, 99), st.randoms())
def test_some_pairs_are_valid_and_independent_of_the_order_of_recordings(
    rows: list[Recording], kind: str, seed: int, shuffler: random.Random
) -> None:
    targets, nontargets = enumerated(rows, kind)
    wanted = {"targets": (len(targets) + 1) // 2, "nontargets": (len(nontargets) + 1) // 2}
    pairs = SAMPLER(rows, seed=seed, kind=kind, **wanted)  # type: ignore[arg-type]
    mine, theirs = sides(pairs)
    assert set(mine) <= targets
    assert set(theirs) <= nontargets
    assert max([*mine.values(), *theirs.values()], default=1) == 1
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    again = SAMPLER(shuffled, seed=seed, kind=kind, **wanted)  # type: ignore[arg-type]
    assert again.keys == pairs.keys
    for name in ("enrol", "test", "target"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pairs, name))


@settings(max_examples=200)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(0, 60), st.integers(0, 9))
def test_quotas_are_level(capacity: list[int], wanted: int, seed: int) -> None:
    given_, n = np.array(capacity, dtype=np.int64), min(wanted, sum(capacity))
    shares = allot_quotas(given_, n, np.random.default_rng(seed))
    assert shares.sum() == n
    assert (shares <= given_).all()
    free = shares[shares < given_]  # nobody who could have had more has much less than another
    assert free.size == 0 or shares.max() - free.min() <= 1


def crowd(speakers: int = 40, each: int = 6) -> list[Recording]:
    return [
        Recording(
            f"s{speaker:03d}-{take}",
            f"s{speaker:03d}",
            {"gender": "fm"[speaker % 2], "device": ("phone", "car kit", "lamp")[take % 3]},
        )
        for speaker in range(speakers)
        for take in range(each)
    ]


def test_every_speaker_has_as_many_pairs_and_other_seeds_other_pairs() -> None:
    sampler = HardPairSampler(fix=("gender",), flip=("device",))
    pairs = sampler(crowd(), targets=400, nontargets=800, seed=1)
    owners = Counter(pairs.keys[place][:4] for place in pairs.enrol[pairs.target])
    assert set(owners.values()) == {10}
    involved = np.concatenate([pairs.enrol[~pairs.target], pairs.test[~pairs.target]])
    shares = Counter(pairs.keys[place][:4] for place in involved)
    assert len(shares) == 40
    assert max(shares.values()) < 2 * min(shares.values())
    assert pairs.counts["nontarget gender=f"] + pairs.counts["nontarget gender=m"] == 800
    assert sum(count for name, count in pairs.counts.items() if name.startswith("target device=")) == 400
    assert all("/" in name for name in pairs.counts if name.startswith("target"))
    assert {(a, b) for a, b in zip(pairs.enrol.tolist(), pairs.test.tolist(), strict=True) if a > b}  # both ways round
    other = sampler(crowd(), targets=400, nontargets=800, seed=2)
    assert sides(other) != sides(pairs)


def test_what_cannot_be_sampled_is_an_error() -> None:
    rows = crowd(3, 2)
    with pytest.raises(DataError, match=r"recording named twice.*s000-0"):
        draw_random_pairs([*rows, rows[0]], targets=1, nontargets=1, seed=0)
    with pytest.raises(DataError, match=r"no metadata.*dialect.*device, gender"):
        HardPairSampler(("dialect",), ("device",))(rows, targets=1, nontargets=1, seed=0)
    with pytest.raises(ChoiceError, match="hard pairs"):
        HardPairSampler((), ("device",))(rows, targets=1, nontargets=1, seed=0)
    with pytest.raises(ChoiceError, match="kind of pairs"):
        HardPairSampler(("gender",), ("device",))(rows, targets=1, nontargets=1, seed=0, kind="simple")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="too few"):
        draw_random_pairs(rows, targets=-1, nontargets=1, seed=0)
    assert len(draw_random_pairs([], targets=0, nontargets=0, seed=0)) == 0


def test_recordings_of_unknown_attributes_are_counted() -> None:
    rows = [*crowd(4, 3), Recording("zz-1", "s000", {"gender": "f"}), Recording("zz-2", "s001", {})]
    pairs = HardPairSampler(("gender",), ("device",))(rows, targets=12, nontargets=18, seed=0)
    assert pairs.unknown == 2
    known = {pairs.keys[place] for place in (*pairs.enrol[pairs.target], *pairs.test[pairs.target])}
    assert not known & {"zz-1", "zz-2"}  # no device, no target


@settings(max_examples=80)
@given(crowds(), st.integers(0, 99))
def test_the_four_types_of_text_dependent_pairs(rows: list[Recording], seed: int) -> None:
    said = [row for row in rows if "language" in row.metadata]
    every: dict[str, set[frozenset[str]]] = {name: set() for name in TYPES}
    for one, other in itertools.combinations(said, 2):
        speaker = "T" if one.speaker == other.speaker else "I"
        text = "C" if one.metadata["language"] == other.metadata["language"] else "W"
        every[speaker + text].add(frozenset((one.key, other.key)))
    counts = {name: len(pairs) for name, pairs in every.items()}
    pairs = draw_phrase_pairs(rows, counts, seed=seed, text="language")  # type: ignore[arg-type]
    for place, name in enumerate(TYPES):
        chosen = pairs.side == place
        listed = zip(pairs.enrol[chosen], pairs.test[chosen], strict=True)
        assert {frozenset((pairs.keys[a], pairs.keys[b])) for a, b in listed} == every[name]
        assert chosen.sum() == counts[name]
        assert (pairs.target[chosen] == (name == "TC")).all()
        with pytest.raises(DataError, match=f"too few phrase {name} pairs"):
            draw_phrase_pairs(rows, {name: counts[name] + 1}, seed=seed, text="language")
    assert pairs.unknown == len(rows) - len(said)


def test_bands() -> None:
    assert [get_duration_band(seconds) for seconds in (0.5, 2.0, 5.9, 6.0)] == ["short", "medium", "medium", "long"]
    assert [get_age_band(years) for years in (9, 10, 37.5)] == ["0-9", "10-19", "30-39"]


def test_a_million_pairs_take_seconds() -> None:
    """The size of training lists: pairs are drawn, not listed."""
    rows = [
        Recording(f"{speaker:04d}-{take:02d}", f"{speaker:04d}", {"gender": "fm"[speaker % 2], "scene": str(take % 5)})
        for speaker in range(2000)
        for take in range(50)
    ]
    pairs = HardPairSampler(("gender",), ("scene",))(rows, targets=500_000, nontargets=500_000, seed=0)
    low, high = np.minimum(pairs.enrol, pairs.test).astype(np.int64), np.maximum(pairs.enrol, pairs.test)
    assert len(np.unique(low * len(rows) + high)) == 1_000_000
    speaker = np.arange(len(rows)) // 50
    assert ((speaker[pairs.enrol] == speaker[pairs.test]) == pairs.target).all()
