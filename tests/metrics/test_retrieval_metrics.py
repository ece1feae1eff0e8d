"""Recall of retrieval against sorting, torchmetrics and all orders, and by its properties."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_hit_rate

from bench.metrics import recall_at_1
from bench.metrics import retrieval as module
from bench.metrics.retrieval import KINDS, compute_ranks, compute_recall, list_kinds
from bench.types import DataError


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


def recalls(targets, predictions, ks):
    return {
        f"{name}_r@{k}": compute_recall(targets, predictions, kind=kind, k=k)
        for kind, name in enumerate(KINDS)
        for k in ks
    }


def ranked(owners, similarity):
    """Kinds and ranks of a gallery."""
    n_clips = similarity.shape[1]
    found = compute_ranks(owners, n_clips, lambda start, stop: similarity[start:stop])
    return list_kinds(n_clips, len(owners)), found


def slowly(owners, similarity):
    """The ranks by sorting, the wrong ones first among equals."""
    found = []
    for clip in range(similarity.shape[1]):
        order = sorted(range(len(owners)), key=lambda t: (-similarity[t, clip], owners[t] == clip))
        places = [place for place, t in enumerate(order) if owners[t] == clip]
        found.append(1 + places[0])
    for caption, owner in enumerate(owners):
        order = sorted(range(similarity.shape[1]), key=lambda a: (-similarity[caption, a], a == owner))
        found.append(1 + order.index(owner))
    return found


class TestRanks:
    @given(galleries())
    def test_are_what_sorting_gives(self, gallery):
        targets, found = ranked(*gallery)
        assert found.tolist() == slowly(*gallery)
        assert targets.tolist() == [0] * gallery[1].shape[1] + [1] * len(gallery[0])

    @given(galleries())
    def test_do_not_depend_on_blocks(self, gallery):
        whole = ranked(*gallery)[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BLOCK", 1)
            assert np.array_equal(ranked(*gallery)[1], whole)

    @given(gallery=galleries(), seed=st.integers(0, 99))
    def test_follow_a_permutation(self, gallery, seed):
        owners, similarity = gallery
        rng = np.random.default_rng(seed)
        captions, clips = rng.permutation(len(owners)), rng.permutation(similarity.shape[1])
        found = ranked(owners, similarity)[1]
        again = ranked(np.argsort(clips)[owners][captions], np.exp(similarity[captions][:, clips]))[1]
        size = similarity.shape[1]
        assert np.array_equal(again, np.concatenate([found[:size][clips], found[size:][captions]]))

    @pytest.mark.parametrize(
        ("owners", "similarity", "message"),
        [
            (np.array([0, 2]), np.zeros((2, 2)), "owners are no clips: got 0 to 2, expected 0 to 1"),
            (np.array([0, 0]), np.zeros((2, 2)), "a clip without caption: got clip 1"),
            (np.array([0.0, 1.0]), np.zeros((2, 2)), "owners are no clips"),
            (np.array([], dtype=int), np.zeros((0, 2)), "owners are no clips"),
            (np.array([0, 1]), np.zeros((1, 2)), "similarities do not fit"),
            (np.array([0, 1]), np.full((2, 2), np.nan), "a score is not finite"),
        ],
    )
    def test_bad_input_is_refused(self, owners, similarity, message):
        with pytest.raises(DataError, match=message):
            compute_ranks(owners, 2, lambda start, stop: similarity[start:stop])


class TestRecall:
    @given(gallery=galleries(distinct=True), k=st.integers(1, 4))
    def test_is_torchmetrics_hit_rate(self, gallery, k):
        owners, similarity = gallery
        right = owners[:, None] == np.arange(similarity.shape[1])
        k = min(k, similarity.shape[1])

        def rate(rows, answers):
            each = zip(torch.from_numpy(rows), torch.from_numpy(answers), strict=True)
            return np.mean([float(retrieval_hit_rate(row, answer, top_k=k)) for row, answer in each])

        expected = {
            f"audio_to_text_r@{k}": rate(similarity.T, right.T),
            f"text_to_audio_r@{k}": rate(similarity, right),
        }
        found = recalls(*ranked(owners, similarity), ks=(k,))
        assert found == pytest.approx(expected, abs=1e-12)
        if k == 1:
            both = np.mean(list(expected.values()))
            assert recall_at_1.compute(*ranked(owners, similarity)) == pytest.approx(both, abs=1e-12)

    @pytest.mark.parametrize("captions", [1, 3])
    def test_closed_form_for_one_place_each(self, captions):
        """The score as published: rows are pairs, and every clip's row is repeated for each of its captions."""
        rng = np.random.default_rng(5)
        audio, text = rng.standard_normal((8, 6)), rng.standard_normal((8, captions, 6))
        text += audio[:, None]
        similarity = (text @ audio.T).reshape(-1, 8)
        owners = np.repeat(np.arange(8), captions)
        a2t = np.mean(owners[similarity.argmax(axis=0)] == np.arange(8))
        t2a = np.mean(similarity.argmax(axis=1) == owners)
        assert 0 < a2t < 1
        assert recall_at_1.compute(*ranked(owners, similarity)) == pytest.approx((a2t + t2a) / 2, abs=1e-12)

    @given(galleries())
    def test_more_answers_never_hurt_and_all_are_enough(self, gallery):
        targets, found = ranked(*gallery)
        values = recalls(targets, found, ks=(1, 2, 5, len(found)))
        for kind in KINDS:
            own = [value for name, value in values.items() if name.startswith(kind)]
            assert own == sorted(own)
            assert own[-1] == 1.0
        ends = [values[f"{kind}_r@1"] for kind in KINDS]
        assert recall_at_1.compute(targets, found) == pytest.approx(np.mean(ends), abs=1e-12)

    @given(galleries())
    def test_perfect_and_constant_similarities(self, gallery):
        owners, similarity = gallery
        perfect = (owners[:, None] == np.arange(similarity.shape[1])).astype(np.float32)
        assert recall_at_1.compute(*ranked(owners, perfect)) == 1.0
        if similarity.shape[1] > 1:
            assert recall_at_1.compute(*ranked(owners, np.ones_like(similarity))) == 0.0

    def test_chance_is_the_mean_over_all_orders(self):
        owners = np.array([0, 1, 0, 0])
        found = []
        for of_captions, of_clips in itertools.product(
            itertools.permutations(range(4)), itertools.permutations(range(2))
        ):
            a2t = np.tile(np.array(of_captions, dtype=float)[:, None], (1, 2))
            t2a = np.tile(np.array(of_clips, dtype=float), (4, 1))
            both = np.concatenate([ranked(owners, a2t)[1][:2], ranked(owners, t2a)[1][2:]])
            found.append(recall_at_1.compute(list_kinds(2, 4), both))
        assert recall_at_1.chance(list_kinds(2, 4), 0) == pytest.approx(np.mean(found), abs=1e-12)

    @given(gallery=galleries(), seed=st.integers(0, 99))
    def test_weights_are_repetitions_of_queries(self, gallery, seed):
        targets, found = ranked(*gallery)
        weights = np.random.default_rng(seed).integers(0, 3, (4, len(targets)))
        for counts, value in zip(weights, recall_at_1.resampling.prepare(targets, found)(weights), strict=True):
            drawn = np.repeat(np.arange(len(targets)), counts)
            if len(set(targets[drawn])) == 2:
                assert value == pytest.approx(recall_at_1.compute(targets[drawn], found[drawn]), abs=1e-12)
            else:
                assert np.isnan(value)

    @pytest.mark.parametrize(
        ("targets", "found", "message"),
        [
            (np.array([0, 2]), np.array([1, 1]), "no queries"),
            (np.array([0, 0]), np.array([1, 1]), "no queries: got 2 clips, 0 captions"),
            (np.array([0, 1]), np.array([1]), "no queries"),
            (np.array([0, 1]), np.array([1, 0]), "no rank: got 0"),
        ],
    )
    def test_bad_input_is_refused(self, targets, found, message):
        with pytest.raises(DataError, match=message):
            recall_at_1.compute(targets, found)
