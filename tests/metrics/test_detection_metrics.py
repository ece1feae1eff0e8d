"""Segment F1 and the equal error rate against second implementations, and by their properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.metrics import f1_score, roc_curve
from torchmetrics.functional.classification import binary_eer, multilabel_f1_score

from bench.metrics import equal_error_rate, segment_f1_macro, segment_f1_micro
from bench.metrics.segment_f1 import build_segment_f1, compute_f1, count_segments, count_totals, weight_f1
from bench.scoring.bootstrap import bootstrap_weighted
from bench.scoring.measure import weight_counts
from bench.types import DataError

BOTH = [segment_f1_macro, segment_f1_micro]


@st.composite
def segments(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    m, c, seed = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.1, 0.5, 1.0], (2, 1, c))
    targets, predictions = (rng.random((2, m, c)) < share).astype(np.uint8)
    targets[0, 0] = 1
    return targets, predictions


class TestSegmentF1:
    @given(segments())
    def test_is_scikit_learns(self, pair):
        targets, predictions = pair
        for average, zero in (("macro", np.nan), ("macro", 0.0), ("micro", np.nan)):
            twice = (np.tile(side, 2) for side in pair)  # one column would be taken for classes 0 and 1
            other = f1_score(*twice, average=average, zero_division=zero)
            assert build_segment_f1(average, zero).compute(targets, predictions) == pytest.approx(other, abs=1e-12)

    @given(segments())
    def test_is_torchmetrics(self, pair):
        targets, predictions = (torch.from_numpy(np.tile(side, 2).astype(int)) for side in pair)
        c = targets.shape[1]  # every class twice: it wants two at least
        micro = multilabel_f1_score(predictions, targets, c, average="micro")
        assert segment_f1_micro.compute(*pair) == pytest.approx(float(micro), abs=1e-6)
        own = multilabel_f1_score(predictions, targets, c, average="none").numpy()[: c // 2]
        occurs = (pair[0] | pair[1]).any(axis=0)
        assert segment_f1_macro.compute(*pair) == pytest.approx(own[occurs].mean(), abs=1e-6)

    @pytest.mark.parametrize("metric", BOTH, ids=lambda m: m.name)
    @given(pair=segments(), seed=st.integers(0, 99))
    def test_properties(self, metric, pair, seed):
        targets, predictions = pair
        rng = np.random.default_rng(seed)
        value = metric.compute(targets, predictions)
        assert metric.worst <= value <= metric.best
        assert metric.compute(targets, targets) == metric.best
        rows, columns = rng.permutation(targets.shape[0]), rng.permutation(targets.shape[1])
        again = metric.compute(targets[rows][:, columns], predictions[rows][:, columns])
        assert again == pytest.approx(value, abs=1e-12)
        silence = np.zeros((5, targets.shape[1]), dtype=np.uint8)
        padded = [np.concatenate([side, silence]) for side in pair]
        assert metric.compute(*padded) == value  # agreement on silence does not count
        if predictions.any():
            assert metric.compute(predictions, targets) == pytest.approx(value, abs=1e-12)

    @pytest.mark.parametrize("metric", BOTH, ids=lambda m: m.name)
    @given(pair=segments(), seed=st.integers(0, 99))
    def test_weights_are_repetitions(self, metric, pair, seed):
        targets, predictions = pair
        weights = np.random.default_rng(seed).integers(0, 3, (5, len(targets)))
        weighted = weight_counts(metric.resampling, count_segments(targets, predictions))
        for counts, value in zip(weights, weighted(weights), strict=True):
            drawn = np.repeat(np.arange(len(targets)), counts)
            if (targets | predictions)[drawn].any():
                assert value == pytest.approx(metric.compute(targets[drawn], predictions[drawn]), abs=1e-12)
            else:
                assert np.isnan(value)

    @given(segments(), st.integers(0, 99))
    def test_counts_of_clips_add_up(self, pair, seed):
        rng = np.random.default_rng(seed)
        clips = rng.integers(0, 6, len(pair[0]))
        counts = count_segments(*pair, clips)
        assert counts.shape == (clips.max() + 1, pair[0].shape[1], 3)
        for clip, own in enumerate(counts):
            expected = np.zeros_like(own)
            for target, said in zip(pair[0][clips == clip], pair[1][clips == clip], strict=True):
                expected += np.stack([target & said, (1 - target) & said, target & (1 - said)], axis=1)
            np.testing.assert_array_equal(own, expected)
        whole = count_segments(*pair).sum(axis=0)
        np.testing.assert_array_equal(counts.sum(axis=0), whole)
        np.testing.assert_array_equal(count_totals(*pair), whole)
        for average in ("macro", "micro"):
            everything = weight_f1(counts, average)(np.ones((1, len(counts)), dtype=int))
            assert everything[0] == pytest.approx(float(compute_f1(whole, average)), abs=1e-12)

    def test_a_bootstrap_over_clips(self):
        rng = np.random.default_rng(0)
        targets = (rng.random((600, 4)) < 0.3).astype(np.uint8)
        predictions = np.where(rng.random((600, 4)) < 0.8, targets, 1 - targets)
        counts = count_segments(targets, predictions, np.arange(600) // 10)
        low, high = bootstrap_weighted([weight_f1(counts, "macro")], 60, resamples=500)
        assert low < segment_f1_macro.compute(targets, predictions) < high
        assert high - low < 0.15

    def test_absent_classes(self):
        targets = np.array([[1, 0, 0], [1, 0, 0]], dtype=np.uint8)
        predictions = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.uint8)
        assert segment_f1_macro.compute(targets, predictions) == 0.5
        assert build_segment_f1("macro", 0.0).compute(targets, predictions) == pytest.approx(1 / 3)
        with pytest.raises(DataError, match="nothing to score: got no active segment"):
            segment_f1_macro.compute(targets * 0, targets * 0)

    def test_chance_is_the_best_without_listening(self):
        rng = np.random.default_rng(0)
        targets = (rng.random((20_000, 3)) < [0.05, 0.2, 0.6]).astype(np.uint8)
        share = targets.mean(axis=0)
        assert segment_f1_macro.chance(targets, 3) == pytest.approx(np.mean(2 * share / (1 + share)))
        for q in (0.1, 0.5, 0.9):
            guess = (rng.random(targets.shape) < q).astype(np.uint8)
            assert segment_f1_macro.compute(targets, guess) < segment_f1_macro.chance(targets, 3)

    def test_bad_input_is_refused(self):
        good = np.eye(3, dtype=np.uint8)
        for targets, predictions, message in (
            (good, good * 0.5, "predictions are not k-hot: got float64"),
            (good * 2, good, "targets are not k-hot: got 0 to 2"),
            (good, good[:2], "shapes differ"),
            (good[:0], good[:0], "nothing to score"),
        ):
            with pytest.raises(DataError, match=message):
                segment_f1_macro.compute(targets, predictions)
        for units in (np.array([0, 1]), np.array([0, -1, 1]), np.zeros(3)):
            with pytest.raises(DataError, match="units are no indices"):
                count_segments(good, good, units)


@st.composite
def trials(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 40))
    targets = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    targets[:2] = [0, 1]
    scores = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    return np.array(targets), np.array(scores, dtype=np.float32)


class TestEqualErrorRate:
    @given(trials())
    def test_is_the_root_on_the_roc_curve(self, pair):
        accepted, rejected, _ = roc_curve(*pair, drop_intermediate=False)
        # The curve by its length x + y, so that vertical pieces are functions too: the sum grows, the difference falls.
        length = accepted + rejected
        root = brentq(lambda s: 1 - np.interp(s, length, rejected) - np.interp(s, length, accepted), 0, 2, xtol=1e-13)
        assert equal_error_rate.compute(*pair) == pytest.approx(np.interp(root, length, accepted), abs=1e-9)

    def test_is_close_to_torchmetrics(self):
        rng = np.random.default_rng(0)
        targets = rng.integers(0, 2, 4000)
        scores = (rng.normal(size=4000) + 1.5 * targets).astype(np.float32)
        other = binary_eer(torch.from_numpy(scores).sigmoid(), torch.from_numpy(targets))
        assert equal_error_rate.compute(targets, scores) == pytest.approx(float(other), abs=1e-3)

    @given(trials(), st.integers(0, 99))
    def test_invariances(self, pair, seed):
        targets, scores = pair
        value = equal_error_rate.compute(targets, scores)
        assert 0 <= value <= 1
        order = np.random.default_rng(seed).permutation(len(targets))
        assert equal_error_rate.compute(targets[order], scores[order]) == value
        assert equal_error_rate.compute(targets, np.exp(scores) * 3 - 1) == value
        assert equal_error_rate.compute(1 - targets, -scores) == pytest.approx(value, abs=1e-12)
        assert equal_error_rate.compute(targets, -scores) == pytest.approx(1 - value, abs=1e-12)

    @given(trials())
    def test_constant_scores_are_guessing(self, pair):
        assert equal_error_rate.compute(pair[0], np.full(len(pair[0]), 0.7)) == 0.5
        assert equal_error_rate.chance(pair[0], 2) == 0.5

    @given(trials())
    def test_perfection_and_its_opposite(self, pair):
        targets = pair[0]
        assert equal_error_rate.compute(targets, targets * 2.0) == equal_error_rate.best == 0.0
        assert equal_error_rate.compute(targets, targets * -2.0) == equal_error_rate.worst == 1.0

    @given(trials(), st.integers(0, 99))
    def test_weights_are_repetitions(self, pair, seed):
        targets, scores = pair
        weights = np.random.default_rng(seed).integers(0, 3, (5, len(targets)))
        for counts, value in zip(weights, equal_error_rate.resampling.prepare(targets, scores)(weights), strict=True):
            drawn = np.repeat(np.arange(len(targets)), counts)
            if len(np.unique(targets[drawn])) == 2:
                assert value == pytest.approx(equal_error_rate.compute(targets[drawn], scores[drawn]), abs=1e-12)
            else:
                assert np.isnan(value)

    @pytest.mark.parametrize(
        ("targets", "scores", "message"),
        [
            (np.array([1, 1]), np.zeros(2), "one kind of trial only: got 2 targets of 2"),
            (np.array([1, 2]), np.zeros(2), "targets are no trials"),
            (np.array([1.0, 0.0]), np.zeros(2), "targets are no trials"),
            (np.array([1, 0]), np.zeros(3), "shapes differ"),
            (np.array([1, 0]), np.array([1, 0]), "predictions are no scores"),
            (np.array([1, 0]), np.array([np.inf, 0]), "a score is not finite"),
            (np.array([], dtype=int), np.array([]), "nothing to score"),
        ],
    )
    def test_bad_input_is_refused(self, targets, scores, message):
        with pytest.raises(DataError, match=message):
            equal_error_rate.compute(targets, scores)
