"""Ask the pair question, "do these recordings have one speaker or two?".

Every pair is asked about four times, with the recordings in both orders and with the two answers in both orders, as
models are biased towards the first. The score of a pair is the mean over its four questions of the log-probability of
"one" minus that of "two"; its answer is the sign of the score or, for a model without log-probabilities, the majority
of its four answers.

Source: Ren et al., "Speaker Verification for Audio Large Language Models", arXiv 2509.19755 (answers ``One`` and
``Two``, the similarity from the two tokens' logits). The prompts are ours, since theirs are not published; their digest
is part of the result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.language.pair_layouts import Audio, arrange_pair, crop_pair
from bench.language.yes_no import VERSION, read_answer
from bench.types import DataError
from bench.verification.pair_lists import PairList

WORDS = ("One", "Two")  # speakers
PROMPTS = {
    False: (
        "{audio} Is it one person who speaks, or are there two different people? "
        "Answer with a single word: {first} or {second}."
    ),
    True: "{audio} Was this said by one and the same person? Answer with a single word: {first} or {second}.",
}
"""Prompts by "the answers are yes and no"; ``{audio}`` describes the layout."""
AUDIO = {
    "separate": "Listen to the first recording and to the second recording.",
    "concat": "Listen to this audio: two recordings, one after the other.",
    "concat_silence": "Listen to this audio: two recordings with a second of silence between them.",
    "mix": "Listen to this audio: two recordings that are played at the same time.",
}
ORDERS = tuple((swapped, reversed_) for swapped in (False, True) for reversed_ in (False, True))
WHERE = "pair question"


@dataclass(frozen=True, slots=True)
class Question:
    """A question; ``answers`` are the words for one speaker and for two speakers, in this order."""

    audio: tuple[Audio, ...]  # [N] each; two of layout ``separate``, else one
    sampling_rate: int  # Hz
    prompt: str
    answers: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Log-probabilities of both answers, in the question's order, from a model that gives them; else its text.

    The log-probability of an answer of several tokens is their mean (``average_log_probability``), so that long words
    are not at a disadvantage.
    """

    log_probabilities: tuple[float, float] | None = None
    text: str = ""


@runtime_checkable
class PairScorer(Protocol):
    """A model that answers pair questions: an encoder with a trained head, or a language model with audio input."""

    @property
    def name(self) -> str: ...

    @property
    def sampling_rate(self) -> int: ...  # of its audio [Hz]

    @property
    def most_in_s(self) -> float | None: ...  # longest audio; longer pairs are cut on both sides

    def ask(self, questions: Sequence[Question]) -> Sequence[Answer]: ...


@dataclass(frozen=True, slots=True)
class PairAnswers:
    """Answers about P pairs in the four orders of the question."""

    target: NDArray[np.bool_]  # [P]
    scores: NDArray[np.float64] | None
    """[P, 4] log-probability of one speaker minus that of two; None from a model that gives only text."""
    codes: NDArray[np.int8]  # [P, 4] 1 one speaker, 0 two, REFUSED or UNREADABLE
    cut: int  # number of pairs of which some audio was left out
    layout: str
    prompt_sha256: str  # over prompts, words and the version of ``read_answer``


REFUSED = -1
UNREADABLE = -2
ANSWER_CODES = {"first": 1, "second": 0, "refusal": REFUSED, "unreadable": UNREADABLE}


def average_log_probability(tokens: Sequence[float]) -> float:
    """Return the mean log-probability of an answer's tokens. Raises DataError when there are none."""
    if not tokens:
        raise DataError("no token", got="an empty answer", expected="at least one", where=WHERE)
    return float(np.mean(tokens))


def build_prompt(layout: str, words: tuple[str, str], *, reversed_answers: bool) -> str:
    """Return the prompt; ``reversed_answers`` names the second answer first.

    Example:
        >>> build_prompt("mix", ("Yes", "No"), reversed_answers=False).split(": ")[-1]
        'Yes or No.'
    """
    first, second = words[::-1] if reversed_answers else words
    about_identity = words[0].lower() == "yes"
    return PROMPTS[about_identity].format(audio=AUDIO[layout], first=first, second=second)


def hash_prompt(layout: str, words: tuple[str, str]) -> str:
    """Return the sha256 of the prompts, the words and the version of ``read_answer``."""
    prompts = [build_prompt(layout, words, reversed_answers=is_reversed) for is_reversed in (False, True)]
    return hashlib.sha256(json.dumps([prompts, words, VERSION]).encode()).hexdigest()


def ask_pair_questions(
    scorer: PairScorer,
    pairs: PairList,
    audio: Callable[[str], Audio],
    *,
    layout: str,
    words: tuple[str, str] = WORDS,
    together: int = 16,
) -> PairAnswers:
    """Ask about every pair in all four orders.

    Args:
        scorer: The model.
        pairs: The P pairs.
        audio: Returns the samples [N] of a recording's key at the scorer's rate.
        layout: One of ``LAYOUTS``.
        words: Answers for one speaker and for two speakers.
        together: Number of pairs per call of the scorer.

    Raises:
        DataError: The scorer returns a wrong number of answers, log-probabilities for some questions only, or NaN.
    """
    scores, codes, cut = [], [], 0
    for start in range(0, len(pairs), together):
        batch = range(start, min(start + together, len(pairs)))
        questions = []
        for index in batch:
            sides = audio(pairs.keys[pairs.enrol[index]]), audio(pairs.keys[pairs.test[index]])
            cropped = crop_pair(layout, *sides, scorer.sampling_rate, scorer.most_in_s)
            cut += sum(map(len, cropped)) < sum(map(len, sides))
            questions += list(_build_questions(cropped, scorer.sampling_rate, layout, words))
        answers = list(scorer.ask(questions))
        if len(answers) != len(questions):
            raise DataError("answers", got=len(answers), expected=len(questions), where=scorer.name)
        scores += [_compute_score(answer, scorer.name) for answer in answers]
        codes += [ANSWER_CODES[read_answer(answer.text, words)] for answer in answers]
    shape = (len(pairs), len(ORDERS))
    known = [score is not None for score in scores]
    if any(known) and not all(known):
        got = f"{sum(known)} of {len(known)} answers with log-probabilities"
        raise DataError("mixed answers", got=got, expected="all or none", where=scorer.name)
    continuous = np.array(scores, dtype=np.float64).reshape(shape) if known and all(known) else None
    code = np.array(codes, dtype=np.int8).reshape(shape)
    if continuous is not None:
        code = (continuous > 0).astype(np.int8)
    return PairAnswers(pairs.target, continuous, code, cut, layout, hash_prompt(layout, words))


def _build_questions(sides: tuple[Audio, Audio], rate: int, layout: str, words: tuple[str, str]) -> Iterator[Question]:
    """Yield the four orders of one question, as in ``ORDERS``."""
    both_ways = [arrange_pair(layout, *sides, rate), arrange_pair(layout, *sides[::-1], rate)]
    for swapped, reversed_answers in ORDERS:
        text = build_prompt(layout, words, reversed_answers=reversed_answers)
        yield Question(both_ways[swapped], rate, text, words)


def _compute_score(answer: Answer, name: str) -> float | None:
    if answer.log_probabilities is None:
        return None
    one, two = answer.log_probabilities
    if not (np.isfinite(one) and np.isfinite(two)):
        got = f"{one}, {two}"
        raise DataError("log-probabilities", got=got, expected="finite numbers", where=name)
    return one - two
