"""Trials against what is known of their utterances: contradictions are errors, weaknesses are rates of the row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.leaderboard.terminal.tables import list_flags
from bench.probes import Cosine
from bench.types import DataError, Score, Trials
from bench.types.rates import EQUAL_TRIALS, FLAGGED, REPEATED_TRIALS
from tasks.mini.write import Sample, write_shards
from tests.evaluation.test_trials import run
from tests.helpers import verification_toys as hums


def name_utterance(speaker: int, take: int) -> str:
    return f"test{speaker:02d}/{take}.wav"


A0, A1, B0, B1, C0 = (name_utterance(*own) for own in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)))
SOUND = [f"1 {A0} {A1}", f"0 {A0} {B0}", f"1 {B0} {B1}", f"0 {A1} {B1}"]


def score(tmp_path: Path, lines: list[str], clips: dict[str, list[Sample]] | None = None, **changes: Any) -> Score:
    folder = tmp_path / "hums"
    folder.mkdir()
    made = {split: [hums.clip(split, s, t) for s in range(4) for t in range(hums.TAKES)] for split in ("train", "test")}
    for split, samples in (made | (clips or {})).items():
        write_shards(folder, split, samples, per_shard=40)
    (folder / "trials.txt").write_text("\n".join(lines) + "\n")
    (evaluation,) = run(hums.task(probes=(Cosine(),), **changes), "oracle", tmp_path, tmp_path / "cache")
    return evaluation.score


def loosen(**changes: Any) -> Trials:
    target = hums.task().target
    assert isinstance(target, Trials)
    return replace(target, **changes)


def test_a_sound_list_has_no_flag(tmp_path: Path) -> None:
    found = score(tmp_path, SOUND)
    assert not set(found.rates) & set(FLAGGED)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"1 {A0} {C0}", "target for .*'test00' and 'test02'.*1 of 5 trials.*line 5"),
        (f"0 {B1} {B0}".replace("/0", "/2"), "non-target for .*'test01' and 'test01'.*line 5"),
    ],
)
def test_labels_that_contradict_the_speakers(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=f"label of a trial: got {message}"):
        score(tmp_path, [*SOUND, line])


def test_a_speaker_that_is_not_known_contradicts_nothing(tmp_path: Path) -> None:
    test = [hums.clip("test", s, t) for s in range(4) for t in range(hums.TAKES)]
    test = [
        replace(own, sidecar={k: v for k, v in own.sidecar.items() if k != "speaker"})
        if own.sidecar["speaker"] == "test02"
        else own
        for own in test
    ]
    assert score(tmp_path, [*SOUND, f"1 {A0} {C0}"], {"test": test}).n == 5


def test_text_dependent_trials_are_told_apart_by_the_text_too(tmp_path: Path) -> None:
    asked = loosen(nontargets=("speaker", "language"))
    a2 = name_utterance(0, 2)  # of the language of a0
    lines = [f"0 {A0} {A1}", f"0 {A0} {B0}", f"1 {B0} {B1.replace('/1', '/2')}"]
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    assert score(tmp_path / "right", [f"1 {A0} {a2}", *lines], target=asked).n == 4
    with pytest.raises(DataError, match=r"label of a trial: got non-target.*'test00' and 'test00'.*line 1"):
        score(tmp_path / "wrong", [f"0 {A0} {a2}", *lines], target=asked)


def test_repeats_are_counted(tmp_path: Path) -> None:
    lines = [*SOUND, SOUND[0], f"0 {B0} {A0}", f"0 {A0} {C0}", f"0 {A1} {C0}"]
    found = score(tmp_path, lines, target=loosen(repeats=True))
    assert found.rates[REPEATED_TRIALS] == 2 / 8
    assert "25.0% trials listed twice" in list_flags(found)


def test_equal_audio_on_both_sides_is_counted(tmp_path: Path) -> None:
    test = [hums.clip("test", s, t) for s in range(4) for t in range(hums.TAKES)]
    twin = replace(test[1], audio=test[0].audio, container="wav")  # a1 says what a0 says
    found = score(tmp_path, SOUND, {"test": [test[0], twin, *test[2:]]})
    assert found.rates[EQUAL_TRIALS] == 1 / 4
    assert "25.0% trials of equal audio" in list_flags(found)


def test_speakers_in_training_are_refused(tmp_path: Path) -> None:
    train = [hums.clip("train", s, t) for s in range(4) for t in range(hums.TAKES)]
    known = [replace(own, sidecar={**own.sidecar, "speaker": "test01"}) for own in train[:2]]
    with pytest.raises(DataError, match="training set overlaps the trials"):
        score(tmp_path, SOUND, {"train": [*known, *train[2:]]})


@pytest.mark.parametrize("label", [0, 1])
def test_trials_of_one_kind_are_no_test(tmp_path: Path, label: int) -> None:
    with pytest.raises(DataError):
        score(tmp_path, [line for line in SOUND if line.startswith(str(label))])


@pytest.mark.parametrize("speaker", [" test01", "test01\n", "", 1, True, ["test01"]])
def test_a_speaker_is_a_text_without_space_around_it(tmp_path: Path, speaker: object) -> None:
    test = [hums.clip("test", s, t) for s in range(4) for t in range(hums.TAKES)]
    test[5] = replace(test[5], sidecar={**test[5].sidecar, "speaker": speaker})
    with pytest.raises(DataError, match="attribute 'speaker'"):
        score(tmp_path, SOUND, {"test": test})
