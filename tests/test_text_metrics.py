"""Error rates of transcripts and recall of retrieval against second implementations, and by their properties."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_hit_rate
from torchmetrics.functional.text import char_error_rate, word_error_rate

from bench.metrics import character_error_rate_inverse, recall_at_k, word_error_rate_inverse
from bench.metrics.retrieval import ranks
from bench.metrics.transcripts import error_counts, lower_case, plain_words
from bench.types import DataError

sentence = st.lists(st.sampled_from(["a", "bb", "ab", "c", "B"]), max_size=6).map(" ".join)
WORDS = word_error_rate_inverse(lower_case)
CHARACTERS = character_error_rate_inverse(lower_case)


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
            counts = error_counts(*pair, normaliser=lower_case, characters=metric is CHARACTERS)
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
        for counts, found in zip(weights, metric.weighted(references, hypotheses)(weights), strict=True):
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
        assert word_error_rate_inverse(plain_words).compute(["Hello,  World!"], ["hello world"]) == 1.0
        assert word_error_rate_inverse(str).compute(["Hello"], ["hello"]) == 0.0
        assert plain_words("Twenty-two, isn\u2019t it? 'Yes' \uff21") == "twenty two isn't it yes a"

    @given(st.text(max_size=20))
    def test_plain_words_are_plain_already(self, text):
        assert plain_words(plain_words(text)) == plain_words(text)

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
            error_counts(references, hypotheses, normaliser=lower_case)


@st.composite
def galleries(draw: st.DrawFn, distinct: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Captions of 1 to 6 clips, 1 to 4 each, in any order, and similarities."""
    each = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    owners = rng.permutation(np.repeat(np.arange(len(each)), each))
    shape = (len(owners), len(each))
    if distinct:
        return owners, rng.permutation(shape[0] * shape[1]).reshape(shape).astype(np.float32)
    return owners, rng.integers(0, 4, shape).astype(np.float32)


def slowly(owners, similarity, direction, k):
    """By sorting, the wrong ones first among equals."""
    hits = []
    if direction == "text_to_audio":
        for caption, owner in enumerate(owners):
            order = sorted(range(similarity.shape[1]), key=lambda a: (-similarity[caption, a], a == owner))
            hits.append(owner in order[:k])
    else:
        for clip in range(similarity.shape[1]):
            order = sorted(range(len(owners)), key=lambda t: (-similarity[t, clip], owners[t] == clip))
            hits.append(any(owners[t] == clip for t in order[:k]))
    return np.array(hits, dtype=float)


@pytest.mark.parametrize("direction", ["audio_to_text", "text_to_audio"])
class TestRecall:
    @given(gallery=galleries(), k=st.integers(1, 6))
    def test_is_what_sorting_gives(self, direction, gallery, k):
        metric = recall_at_k(k, direction)
        expected = slowly(*gallery, direction, k)
        np.testing.assert_array_equal(metric.per_clip(*gallery), expected)
        assert metric.compute(*gallery) == expected.mean()

    @given(gallery=galleries(distinct=True), k=st.integers(1, 4))
    def test_is_torchmetrics_hit_rate(self, direction, gallery, k):
        owners, similarity = gallery
        right = owners[:, None] == np.arange(similarity.shape[1])
        if direction == "audio_to_text":
            right, similarity = right.T, similarity.T
        k = min(k, similarity.shape[1])
        others = [
            float(retrieval_hit_rate(torch.from_numpy(s), torch.from_numpy(r), top_k=k))
            for s, r in zip(similarity, right, strict=True)
        ]
        np.testing.assert_array_equal(recall_at_k(k, direction).per_clip(*gallery), others)

    @given(gallery=galleries(), seed=st.integers(0, 99))
    def test_order_does_not_matter_and_more_answers_never_hurt(self, direction, gallery, seed):
        owners, similarity = gallery
        rng = np.random.default_rng(seed)
        captions, clips = rng.permutation(len(owners)), rng.permutation(similarity.shape[1])
        renamed = np.argsort(clips)[owners]
        values = [recall_at_k(k, direction).compute(owners, similarity) for k in (1, 2, 5, len(owners))]
        again = recall_at_k(1, direction).compute(renamed[captions], similarity[captions][:, clips])
        assert again == pytest.approx(values[0], abs=1e-12)
        assert values == sorted(values)
        assert recall_at_k(1, direction).compute(owners, np.exp(similarity)) == values[0]

    @given(gallery=galleries())
    def test_perfect_and_constant_similarities(self, direction, gallery):
        owners, similarity = gallery
        perfect = (owners[:, None] == np.arange(similarity.shape[1])).astype(np.float32)
        metric = recall_at_k(1, direction)
        assert metric.compute(owners, perfect) == 1.0
        if similarity.shape[1] > 1:
            assert metric.compute(owners, np.ones_like(similarity)) == 0.0

    @pytest.mark.parametrize("k", [1, 2, 4])
    def test_chance_is_the_mean_over_all_orders(self, direction, k):
        owners = np.array([0, 1, 0, 0])
        size = 4 if direction == "audio_to_text" else 2
        found = []
        for order in itertools.permutations(range(size)):
            row = np.array(order, dtype=float)
            similarity = np.tile(row[:, None], (1, 2)) if direction == "audio_to_text" else np.tile(row, (4, 1))
            found.append(recall_at_k(k, direction).compute(owners, similarity))
        assert recall_at_k(k, direction).chance(owners, 2) == pytest.approx(np.mean(found), abs=1e-12)

    @pytest.mark.parametrize(
        ("owners", "similarity", "message"),
        [
            (np.array([0, 2]), np.zeros((2, 2)), "targets are no clips: got 0 to 2, expected 0 to 1"),
            (np.array([0, 0]), np.zeros((2, 2)), "a clip without caption: got clip 1"),
            (np.array([0.0, 1.0]), np.zeros((2, 2)), "targets are no clips"),
            (np.array([], dtype=int), np.zeros((0, 2)), "targets are no clips"),
            (np.array([0, 1]), np.zeros((3, 2)), "similarities do not fit"),
            (np.array([0, 1]), np.full((2, 2), np.nan), "a score is not finite"),
        ],
    )
    def test_bad_input_is_refused(self, direction, owners, similarity, message):
        with pytest.raises(DataError, match=message):
            ranks(owners, similarity, direction)


def test_no_answers_are_refused():
    with pytest.raises(DataError, match="no answers: got k=0"):
        recall_at_k(0, "audio_to_text")
