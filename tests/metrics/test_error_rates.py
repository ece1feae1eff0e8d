"""Error rates of transcripts against second implementations, and by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.text import char_error_rate, word_error_rate

from bench.metrics import build_character_error_rate_inverse, build_word_error_rate_inverse
from bench.metrics.error_rates import count_errors, to_lower_case, to_plain_words
from bench.types import DataError

sentence = st.lists(st.sampled_from(["a", "bb", "ab", "c", "B"]), max_size=6).map(" ".join)
WORDS = build_word_error_rate_inverse(to_lower_case)
CHARACTERS = build_character_error_rate_inverse(to_lower_case)


@st.composite
def transcripts(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    n = draw(st.integers(1, 6))
    references = draw(st.lists(sentence, min_size=n, max_size=n))
    return ["a", *references[1:]], draw(st.lists(sentence, min_size=n, max_size=n))


def edits(one, other):
    """Levenshtein's distance by the textbook table."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    return row[-1]


class TestTranscripts:
    @given(transcripts())
    def test_is_the_table_and_torchmetrics(self, pair):
        references, hypotheses = ([text.lower() for text in side] for side in pair)
        for metric, split, other in (
            (WORDS, str.split, word_error_rate(hypotheses, references)),
            (CHARACTERS, list, char_error_rate(hypotheses, references)),
        ):
            sides = [(split(r), split(h)) for r, h in zip(references, hypotheses, strict=True)]
            rate = sum(edits(r, h) for r, h in sides) / sum(len(r) for r, _ in sides)
            assert metric.compute(*pair) == pytest.approx(max(0, 1 - rate), abs=1e-12)
            assert metric.compute(*pair) == pytest.approx(max(0, 1 - float(other)), abs=1e-6)
            counts = count_errors(*pair, normaliser=to_lower_case, characters=metric is CHARACTERS)
            assert counts.tolist() == [[edits(r, h), len(r)] for r, h in sides]

    @pytest.mark.parametrize("metric", [WORDS, CHARACTERS], ids=lambda m: m.name)
    @given(pair=transcripts(), seed=st.integers(0, 99))
    def test_properties(self, metric, pair, seed):
        references, hypotheses = (np.array(side, dtype=object) for side in pair)
        value = metric.compute(references, hypotheses)
        assert metric.worst <= value <= metric.best
        assert metric.compute(references, references) == metric.best
        assert metric.compute(references, np.full(len(references), "")) == 0.0
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(references))
        assert metric.compute(references[order], hypotheses[order]) == value
        weights = rng.integers(0, 3, (4, len(references)))
        for counts, found in zip(weights, metric.resampling.prepare(references, hypotheses)(weights), strict=True):
            drawn = np.repeat(np.arange(len(references)), counts)
            if any(references[drawn]):
                assert found == pytest.approx(metric.compute(references[drawn], hypotheses[drawn]), abs=1e-12)
            else:
                assert np.isnan(found)

    def test_more_errors_than_words_are_0(self):
        assert WORDS.compute(["a"], ["b c d e"]) == 0.0
        assert WORDS.chance(np.array(["a"]), 0) == 0.0

    def test_the_rate_is_the_corpus_not_the_mean_of_clips(self):
        assert WORDS.compute(["a b c d e f g h i", "j"], ["a b c d e f g h i", "k"]) == pytest.approx(0.9)

    def test_an_empty_reference_counts_insertions(self):
        assert WORDS.compute(["", "a b c d"], ["x", "a b c d"]) == pytest.approx(0.75)
        with pytest.raises(DataError, match="nothing to score: got empty references"):
            WORDS.compute(["", " "], ["x", ""])

    def test_normalisers(self):
        assert WORDS.compute(["Hello, World"], ["hello, world"]) == 1.0
        assert WORDS.compute(["hello, world"], ["hello world"]) == 0.5
        assert build_word_error_rate_inverse(to_plain_words).compute(["Hello,  World!"], ["hello world"]) == 1.0
        assert build_word_error_rate_inverse(str).compute(["Hello"], ["hello"]) == 0.0
        assert to_plain_words("Twenty-two, isn\u2019t it? 'Yes' \uff21") == "twenty two isn't it yes a"

    @given(st.text(max_size=20))
    def test_plain_words_are_plain_already(self, text):
        assert to_plain_words(to_plain_words(text)) == to_plain_words(text)

    @pytest.mark.parametrize(
        ("references", "hypotheses", "message"),
        [
            ([], [], "nothing to score"),
            (["a"], ["a", "b"], "lengths differ"),
            (["a"], [None], "no transcript: got None"),
        ],
    )
    def test_bad_input_is_refused(self, references, hypotheses, message):
        with pytest.raises(DataError, match=message):
            count_errors(references, hypotheses, normaliser=to_lower_case)
