"""The synthetic people of the verification tasks: the same bytes twice, and lists that are what their names say."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.verification import trial_lists
from tasks.mini.checksums import read_checksums
from tasks.mini.speech import people

SMALL = {
    "HIGH": ("f1", "f2"),
    "LOW": ("m1", "m3"),
    "TRAINING": 4,
    "TARGETS": 40,
    "NONTARGETS": 48,
    "EASY_TARGETS": 20,
    "BUCKET": 20,
    "REPEATING": 2,
    "PHRASE_TRIALS": {"TC": 20, "TW": 30, "IC": 30, "IW": 30},
}


Sidecars = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both corpora, of four people, made twice."""
    folders = tmp_path_factory.mktemp("once"), tmp_path_factory.mktemp("again")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(people, name, value)
        for folder in folders:
            people.make_speakers(folder)
            people.make_phrases(folder)
    return folders


def sidecars(folder: Path, pattern: str) -> Sidecars:
    found = {}
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".json"):
                    found[member.name.removesuffix(".json")] = json.loads(archive.extractfile(member).read())  # type: ignore[union-attr]
    return found


def trials(
    folder: Path, name: str, known: dict[str, dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    ids = list(known)
    listed = trial_lists.read_trial_list(folder / name, ids, "label first")
    assert listed.labels is not None
    rows = zip(listed.enrol, listed.test, listed.labels, strict=True)
    return [(known[ids[a]], known[ids[b]], int(label)) for a, b, label in rows]


def test_the_same_bytes_twice_under_the_published_names(made: tuple[Path, Path]) -> None:
    once, again = made
    names = {path.name for path in once.iterdir()}
    assert names == {*read_checksums(people.SPEAKERS), *read_checksums(people.PHRASES)}
    for name in names:
        assert (once / name).read_bytes() == (again / name).read_bytes(), name


def test_training_people_are_in_no_trial(made: tuple[Path, Path]) -> None:
    test, train = (sidecars(made[0], f"speakers_{split}_*.tar") for split in ("test", "train"))
    assert not {one["speaker"] for one in test.values()} & {one["speaker"] for one in train.values()}
    assert Counter(one["speaker"] for one in test.values()) == dict.fromkeys({"p00", "p01", "p02", "p03"}, 12)
    assert {one["language"] for one in train.values()} == set(people.LANGUAGES)
    variants = {*people.HIGH, *people.LOW}
    assert not variants & {name for names in people.OTHERS.values() for name in names}


def test_hard_random_and_easy_lists(made: tuple[Path, Path]) -> None:
    known = sidecars(made[0], "speakers_test_*.tar")
    agree = ("gender", "language", "device")
    for one, other, label in trials(made[0], "hard.txt", known):
        assert label == (one["speaker"] == other["speaker"])
        if label:
            assert (one["language"], one["device"]) != (other["language"], other["device"])
        else:
            assert all(one[name] == other[name] for name in agree)
    for one, other, label in trials(made[0], "easy.txt", known):
        if label:
            assert (one["language"], one["device"]) == (other["language"], other["device"])
        else:
            assert any(one[name] != other[name] for name in agree)
    for name, targets, others in (("random.txt", 40, 48), ("veri_test2.txt", 40, 40)):
        assert Counter(label for *_, label in trials(made[0], name, known)) == {1: targets, 0: others}


def test_the_four_buckets_and_the_four_types(made: tuple[Path, Path]) -> None:
    known = sidecars(made[0], "speakers_test_*.tar")
    buckets = Counter(
        (label, a["language"] == b["language"]) for a, b, label in trials(made[0], "TidyVoiceX_Dev.txt", known)
    )
    assert buckets == dict.fromkeys(((1, True), (1, False), (0, True), (0, False)), 20)
    said = sidecars(made[0], "phrases_test_*.tar")
    types = Counter(
        (a["speaker"] == b["speaker"], a["text"] == b["text"], label)
        for a, b, label in trials(made[0], "phrases.txt", said)
    )
    assert types == {(True, True, 1): 20, (True, False, 0): 30, (False, True, 0): 30, (False, False, 0): 30}
