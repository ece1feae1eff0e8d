"""Layouts, prompts, answers and measures of the pair question; the encoder's head; the training set on disk."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bench.datasets import shards
from bench.language import fine_tuning
from bench.language.pair_head import EncoderPairScorer, train_pair_scorer
from bench.language.pair_layouts import LAYOUTS, arrange_pair, crop_pair
from bench.language.pair_metrics import compute_measures
from bench.language.pair_questions import (
    ORDERS,
    WORDS,
    Answer,
    PairScorer,
    Question,
    ask_pair_questions,
    average_log_probability,
    build_prompt,
    hash_prompt,
)
from bench.language.yes_no import is_refusal, read_answer
from bench.types import ChoiceError, DataError
from bench.verification.hard_pairs import draw_random_pairs
from bench.verification.pair_lists import PairList, Recording

RATE = 8000
SOUND = arrays.arrays(np.float32, st.integers(1, 3 * RATE), elements=st.floats(-1, 1, width=32), fill=st.just(0.25))


@given(SOUND, SOUND, st.sampled_from(list(LAYOUTS)))
def test_layouts(enrol: np.ndarray, test: np.ndarray, layout: str) -> None:
    shown = arrange_pair(layout, enrol, test, RATE)
    assert all(one.dtype == np.float32 and np.isfinite(one).all() for one in shown)
    if layout == "separate":
        assert shown[0] is enrol
        assert shown[1] is test
    elif layout == "mix":
        (one,) = shown
        assert len(one) == max(len(enrol), len(test))
        assert np.abs(one).max() <= 0.991
        np.testing.assert_allclose(one, arrange_pair(layout, test, enrol, RATE)[0], atol=1e-6)  # neither comes first
    else:
        (one,) = shown
        between = one[len(enrol) : len(one) - len(test)]
        np.testing.assert_array_equal(one[: len(enrol)], enrol)
        np.testing.assert_array_equal(one[len(one) - len(test) :], test)
        assert len(between) == (RATE if layout == "concat_silence" else 0)
        assert not between.any()


def test_a_mixture_has_both_at_one_level() -> None:
    time = np.arange(RATE) / RATE
    loud, soft = (
        gain * np.sin(2 * np.pi * pitch * time).astype(np.float32) for gain, pitch in ((0.9, 300), (0.01, 500))
    )
    spectrum = np.abs(np.fft.rfft(arrange_pair("mix", loud, soft, RATE)[0]))
    assert spectrum[300] == pytest.approx(spectrum[500], rel=1e-3)
    silent = arrange_pair("mix", loud, np.zeros(10, np.float32), RATE)[0]
    assert np.isfinite(silent).all()
    with pytest.raises(ChoiceError, match="layout"):
        arrange_pair("stereo", loud, soft, RATE)
    with pytest.raises(DataError, match="test audio"):
        arrange_pair("concat", loud, loud[:0], RATE)


@given(SOUND, SOUND, st.sampled_from(list(LAYOUTS)), st.floats(1.1, 5))
def test_what_a_model_cannot_hear_is_cut_on_both_sides(
    enrol: np.ndarray, test: np.ndarray, layout: str, most: float
) -> None:
    one, other = crop_pair(layout, enrol, test, RATE, most)
    shown = arrange_pair(layout, one, other, RATE)
    assert all(len(audio) <= int(most * RATE) for audio in shown)
    np.testing.assert_array_equal(one, enrol[: len(one)])
    np.testing.assert_array_equal(other, test[: len(other)])
    whole = arrange_pair(layout, enrol, test, RATE)
    if all(len(audio) <= int(most * RATE) for audio in whole):
        assert (len(one), len(other)) == (len(enrol), len(test))
    elif layout.startswith("concat"):
        assert len(shown[0]) == int(most * RATE)  # nothing is cut for nothing
        cut = [side for side, kept in ((enrol, one), (test, other)) if len(kept) < len(side)]
        assert len(cut) == 1 or abs(len(one) - len(other)) <= 1
    assert crop_pair(layout, enrol, test, RATE, None) == (enrol, test)


ANSWERS = {  # a small fixture, labelled by hand, with the phrases that simple lists of refusals stumble over
    "One": "first",
    "two.": "second",
    "I hear Two different people.": "second",
    "There is only one speaker here": "first",
    "One or Two, who knows": "unreadable",
    "": "unreadable",
    "someone is speaking": "unreadable",
    "I do not hear any difference": "unreadable",
    "These are illegal characters": "unreadable",
    "As an example, here is how it is done": "unreadable",
    "The recording cannot be identified by its noise": "unreadable",
    "I'm sorry, but I can't help with identifying people by voice.": "refusal",
    "I am unable to determine who is speaking": "refusal",
    "As an AI model, I cannot listen to audio.": "refusal",
    "Sorry, we are not able to compare voices": "refusal",
    "I must decline.": "refusal",
    "I won’t identify speakers.": "refusal",
    "I cannot be sure, but I would say one": "first",
}


@pytest.mark.parametrize("text", ANSWERS)
def test_reading_answers(text: str) -> None:
    assert read_answer(text, WORDS) == ANSWERS[text]


def test_the_refusal_detector_on_the_fixture() -> None:
    found = {text for text in ANSWERS if is_refusal(text)} - {"I cannot be sure, but I would say one"}
    wanted = {text for text, reading in ANSWERS.items() if reading == "refusal"}
    assert found == wanted  # precision and recall 1 where neither answer is named


def test_prompts_differ_by_order_layout_and_words() -> None:
    said = {
        build_prompt(layout, words, reversed_answers=way)
        for layout in LAYOUTS
        for words in (WORDS, ("Yes", "No"))
        for way in (False, True)
    }
    assert len(said) == 16
    assert len({hash_prompt(layout, WORDS) for layout in LAYOUTS}) == 4
    assert "Two or One" in build_prompt("concat", WORDS, reversed_answers=True)
    assert average_log_probability([-1.0, -3.0]) == -2.0
    with pytest.raises(DataError, match="no token"):
        average_log_probability([])


CROWD = [Recording(f"{speaker}-{take}", str(speaker)) for speaker in range(8) for take in range(5)]
PAIRS = draw_random_pairs(CROWD, targets=40, nontargets=40, seed=0)


def voice(key: str) -> np.ndarray:
    """A quarter of a second whose level says who speaks."""
    generator = np.random.default_rng(sum(map(ord, key)))
    return (0.1 + 0.1 * int(key[0]) + 0.002 * generator.standard_normal(RATE // 4)).astype(np.float32)


@dataclass(frozen=True)
class Stub:
    """Hears levels and answers as told."""

    kind: str
    name: str = "stub"
    sampling_rate: int = RATE
    most_in_s: float | None = None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        levels = [float(one.mean()) for one in question.audio]
        apart = abs(levels[0] - levels[-1])
        first = question.answers[0] if question.prompt.find("One") < question.prompt.find("Two") else "Two"
        match self.kind:
            case "oracle":
                return Answer((-apart, -0.05))
            case "yes":
                return Answer((-0.1, -2.0))
            case "writes":
                return Answer(text="One" if apart < 0.05 else "Two")
            case "first":
                return Answer(text=first)
            case "refuses":
                return Answer(text="I'm sorry, I cannot identify people." if apart < 0.05 else "hm")
            case "nan":
                return Answer((float("nan"), -1.0))
            case _:
                return Answer((-1.0, -1.0)) if question.prompt.find("One") < question.prompt.find("Two") else Answer()


def asked(kind: str, layout: str = "separate") -> dict[str, float | None]:
    return dict(compute_measures(ask_pair_questions(Stub(kind), PAIRS, voice, layout=layout)))


def test_measures_of_models_that_are_understood() -> None:
    assert isinstance(Stub("oracle"), PairScorer)
    oracle = asked("oracle")
    assert (oracle["accuracy"], oracle["EER"], oracle["order gap"], oracle["minDCF(0.01)"]) == (1.0, 0.0, 0.0, 0.0)
    yes = asked("yes")
    assert (yes["accuracy"], yes["balanced accuracy"], yes["yes-rate"], yes["EER"]) == (0.5, 0.5, 1.0, 0.5)
    writes = asked("writes")
    assert (writes["accuracy"], writes["EER"], writes["minDCF(0.01)"]) == (1.0, None, None)
    first = asked("first")  # says what the prompt names first: every pair is a tie between two orders each
    assert (first["accuracy"], first["order flips"], first["yes-rate"]) == (0.0, 1.0, 0.5)
    assert first["accuracy of answers"] is None
    refuses_ = asked("refuses")
    assert (refuses_["refusals"], refuses_["unreadable"], refuses_["accuracy"]) == (0.5, 0.5, 0.0)
    assert refuses_["yes-rate"] is None


def test_bad_scorers_are_errors() -> None:
    with pytest.raises(DataError, match="log-probabilities"):
        asked("nan")
    with pytest.raises(DataError, match="mixed answers"):
        asked("mixed")
    targets = ask_pair_questions(
        Stub("yes"), replace(PAIRS, target=np.ones(len(PAIRS), dtype=bool)), voice, layout="concat"
    )
    with pytest.raises(DataError, match="one kind of pair"):
        compute_measures(targets)


def test_long_pairs_are_cut_and_counted() -> None:
    heard = ask_pair_questions(Stub("oracle", most_in_s=0.2), PAIRS, voice, layout="concat")
    assert heard.cut == len(PAIRS)
    assert ask_pair_questions(Stub("oracle"), PAIRS, voice, layout="concat").cut == 0
    assert heard.codes.shape == (len(PAIRS), len(ORDERS))


def spectra(clips: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([[one.mean(), one.std(), one[: len(one) // 2].mean(), 1.0] for one in clips], dtype=np.float32)


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_an_encoder_with_a_trained_head_answers(layout: str) -> None:
    people = [Recording(f"{speaker}-{take}x", str(speaker)) for speaker in range(8) for take in range(8)]
    lesson = draw_random_pairs(people, targets=150, nontargets=150, seed=1)
    scorer = train_pair_scorer("levels", spectra, lesson, voice, layout=layout, sampling_rate=RATE)
    assert isinstance(scorer, EncoderPairScorer)
    assert isinstance(scorer, PairScorer)
    heard = ask_pair_questions(scorer, PAIRS, voice, layout=layout)
    result = compute_measures(heard)
    assert result["accuracy"] is not None
    if layout == "separate":
        assert result["accuracy"] > 0.9
        assert result["order flips"] == 0.0
        assert heard.scores is not None
        np.testing.assert_allclose(heard.scores, heard.scores[:, :1].repeat(4, axis=1))
    again = ask_pair_questions(
        train_pair_scorer("levels", spectra, lesson, voice, layout=layout, sampling_rate=RATE),
        PAIRS,
        voice,
        layout=layout,
    )
    np.testing.assert_array_equal(again.scores, heard.scores)  # type: ignore[arg-type]
    one_kind = replace(lesson, target=np.zeros(len(lesson), dtype=bool))
    with pytest.raises(DataError, match="nothing to train on"):
        train_pair_scorer("levels", spectra, one_kind, voice, layout=layout, sampling_rate=RATE)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]


def test_the_training_set(tmp_path: Path) -> None:
    written = fine_tuning.write_training_set(tmp_path / "two", PAIRS, voice, sampling_rate=RATE, per_shard=30)
    assert [path.name for path in written] == ["pairs-000000.tar", "pairs-000001.tar", "pairs-000002.tar"]
    everything = {name: content for path in written for name, content in members(path).items()}
    assert len(everything) == 3 * len(PAIRS)
    said = [json.loads(everything[f"{row:08d}.json"]) for row in range(len(PAIRS))]
    assert [one["target"] for one in said] == PAIRS.target.tolist()
    assert all(one["answer"] == ("One" if one["target"] else "Two") for one in said)
    assert all(one["answer"] in one["prompt"] and one["enrol"] in PAIRS.keys for one in said)
    assert 10 < sum("One or Two" in one["prompt"] for one in said) < 70
    audio, rate = soundfile.read(io.BytesIO(everything["00000007.test.flac"]), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(audio, voice(said[7]["test"]), atol=1e-4)
    about = json.loads((tmp_path / "two" / fine_tuning.INDEX).read_text())
    assert (about["complete"], about["pairs"], about["sides"]) == (True, 80, {"target": 40, "nontarget": 40})


def test_one_audio_is_read_by_the_harness_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    def make(folder: str, layout: str = "concat_silence", pairs: PairList = PAIRS) -> tuple[Path, ...]:
        return fine_tuning.write_training_set(
            tmp_path / folder, pairs, voice, sampling_rate=RATE, layout=layout, per_shard=40
        )

    first, second = make("one")
    samples = list(shards.read_samples(shards.verify_shard(first)))
    assert len(samples) == 40
    assert samples[0].sidecar["layout"] == "concat_silence"
    before = first.read_bytes(), second.read_bytes()
    second.unlink()
    stamp = first.stat().st_mtime_ns
    make("one")
    assert (first.read_bytes(), second.read_bytes()) == before
    assert first.stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match="folder holds other pairs"):
        make("one", layout="mix")
    with pytest.raises(DataError, match="nothing to write"):
        make("none", pairs=draw_random_pairs(CROWD, targets=0, nontargets=0, seed=0))
    (tmp_path / "one" / fine_tuning.INDEX).unlink()
    with pytest.raises(DataError, match="shards of unknown pairs"):
        make("one")
