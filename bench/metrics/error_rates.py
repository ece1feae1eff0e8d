"""Transcripts: one minus the word or character error rate (iWER, iCER).

Conventions: ``targets`` and ``predictions`` are strings [N] (a list or an array of them), the reference and the
hypothesis of each clip. The error rate is that of the corpus: substitutions, deletions and insertions of all clips,
counted by jiwer clip by clip, over the words (or characters, a space being one) of all references. The value is
max(0, 1 - rate), a fraction in [0, 1], higher is better.

Both sides first go through a normaliser that the caller names, since the score depends on it; then runs of white
space become one space. X-ARES uses ``to_lower_case``. A reference that is empty after that adds no words, and the words
predicted for it are insertions; where all references are empty the rate is undefined, and DataError.

Chance is 0: words without the recording get a rate of about 1 or more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError, Metric, Weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.types import Predictions, Targets, WeightedMetric

Normaliser = Callable[[str], str]
WHERE = "error rate"


def to_lower_case(text: str) -> str:
    """Convert to lower case and nothing else, as X-ARES does.

    >>> to_lower_case("It's OK.")
    "it's ok."
    """
    return text.lower()


def to_plain_words(text: str) -> str:
    """Convert to lower case words: NFKC, without punctuation but apostrophes inside a word.

    Other punctuation and symbols separate words.

    >>> to_plain_words("Twenty-two, isn't it?")
    "twenty two isn't it"
    """
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    kept = "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return " ".join(word for raw in kept.split() if (word := raw.strip("'")))


def count_errors(
    references: Sequence[str], hypotheses: Sequence[str], *, normaliser: Normaliser, characters: bool = False
) -> NDArray[np.int64]:
    """Count the errors and reference words (or ``characters``) of each clip; they add up over clips.

    Args:
        references: N texts, N >= 1.
        hypotheses: N texts.
        normaliser: applied to both sides.
        characters: count characters instead of words.

    Returns:
        int64 [N, 2]: errors, reference words.

    Raises:
        DataError: for no clips, unequal lengths and anything but strings.

    >>> count_errors(["a dog barks"], ["the dog barks"], normaliser=to_lower_case).tolist()
    [[1, 3]]
    """
    import jiwer

    if len(references) != len(hypotheses):
        raise DataError("lengths differ", got=f"{len(hypotheses)} hypotheses", expected=len(references), where=WHERE)
    if len(references) == 0:
        raise DataError("nothing to score", got="0 clips", expected="at least 1", where=WHERE)
    sides = [[_normalise(text, normaliser) for text in side] for side in (references, hypotheses)]
    output = (jiwer.process_characters if characters else jiwer.process_words)(*sides)
    errors = [
        sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in clip
            if chunk.type != "equal"
        )
        for clip in output.alignments
    ]
    return np.array([errors, [len(reference) for reference in output.references]], dtype=np.int64).T


def weight_inverse_rate(counts: NDArray[np.int64]) -> WeightedMetric:
    """Return max(0, 1 - error rate) as a function of clip weights [R, N], of the clips' counts [N, 2]."""

    def weighted(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        errors, words = (weights @ counts).T
        return np.where(words > 0, np.maximum(0.0, (words - errors) / np.maximum(words, 1)), np.nan)

    return weighted


def build_word_error_rate_inverse(normaliser: Normaliser) -> Metric:
    """Build iWER, one minus the word error rate, under ``normaliser``; secondary is iCER of plain words.

    The functions of the metric raise as ``count_errors`` does.

    >>> metric = build_word_error_rate_inverse(to_lower_case)
    >>> metric.compute(np.array(["a dog barks"]), np.array(["A dog"])).__round__(3)
    0.667
    """
    other = _build_inverse_rate("iCER", to_plain_words, characters=True)
    return _build_inverse_rate("iWER", normaliser, characters=False, secondary=(other,))


def build_character_error_rate_inverse(normaliser: Normaliser) -> Metric:
    """Build iCER, one minus the character error rate, under ``normaliser``; secondary is iWER of plain words.

    The functions of the metric raise as ``count_errors`` does.

    >>> metric = build_character_error_rate_inverse(to_lower_case)
    >>> metric.compute(np.array(["dogs"]), np.array(["dog"]))
    0.75
    """
    other = _build_inverse_rate("iWER", to_plain_words, characters=False)
    return _build_inverse_rate("iCER", normaliser, characters=True, secondary=(other,))


def _build_inverse_rate(
    name: str, normaliser: Normaliser, *, characters: bool, secondary: tuple[Metric, ...] = ()
) -> Metric:
    def prepare(targets: Targets, predictions: Predictions) -> WeightedMetric:
        counts = count_errors(list(targets), list(predictions), normaliser=normaliser, characters=characters)
        return weight_inverse_rate(counts)

    def compute(targets: Targets, predictions: Predictions) -> float:
        value = float(prepare(targets, predictions)(np.ones((1, len(targets)), dtype=np.int64))[0])
        if np.isnan(value):
            raise DataError("nothing to score", got="empty references", expected="at least one word", where=WHERE)
        return value

    def chance(targets: Targets, n_classes: int) -> float:
        return 0.0

    return Metric(name=name, compute=compute, chance=chance, resampling=Weighted(prepare), secondary=secondary)


def _normalise(text: str, normaliser: Normaliser) -> str:
    if not isinstance(text, str):
        raise DataError("no transcript", got=repr(text), expected="a string", where=WHERE)
    return " ".join(normaliser(text).split())
