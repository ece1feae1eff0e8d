"""Segment F1 against scikit-learn, and its bootstrap against resampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import f1_score

from bench.metrics import segment_f1_macro, segment_f1_micro
from bench.metrics.segments import macro_f1, micro_f1, segment_counts
from bench.stats import bootstrap_counts, bootstrap_weights
from bench.types import DataError

pairs = array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)


@given(pairs)
def test_as_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, said = pair
    micro = segment_f1_micro.compute(truth, said)
    assert micro == pytest.approx(f1_score(truth.ravel(), said.ravel(), zero_division=0.0))
    defined = (truth | said).any(axis=0)
    each = [f1_score(truth[:, c], said[:, c], zero_division=0.0) for c in np.flatnonzero(defined)]
    macro = segment_f1_macro.compute(truth, said)
    assert macro == pytest.approx(np.mean(each) if each else 0.0)
    if truth.shape[1] > 1 and defined.all():
        assert macro == pytest.approx(f1_score(truth, said, average="macro"))
        assert micro == pytest.approx(f1_score(truth, said, average="micro"))
    for value in (micro, macro):
        assert 0 <= value <= 1
    assert segment_f1_micro.compute(truth, truth) == (1.0 if truth.any() else 0.0)


@given(pairs, st.integers(1, 4))
def test_counts_of_clips_add_up(pair: tuple[np.ndarray, np.ndarray], clips: int) -> None:
    truth, said = pair
    groups = np.arange(len(truth)) % clips
    counts = segment_counts(truth, said, groups)
    assert np.array_equal(counts.sum(axis=0), segment_counts(truth, said)[0])
    assert float(macro_f1(counts.sum(axis=0))) == segment_f1_macro.compute(truth, said)
    assert macro_f1(counts).shape == micro_f1(counts).shape == (len(counts),)


def test_known_values() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    said = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert segment_f1_macro.compute(truth, said) == pytest.approx(2 / 3)  # class 1 has no F1
    said[0, 1] = 1
    assert segment_f1_macro.compute(truth, said) == pytest.approx(4 / 9)  # now it is 0
    assert segment_f1_micro.compute(truth, said) == pytest.approx(4 / 7)
    assert segment_f1_macro.chance(truth, 3) == pytest.approx((2 / 3 + 0 + 2 / 5) / 3)
    assert segment_f1_micro.chance(truth, 3) == pytest.approx(6 / 15)


@pytest.mark.parametrize(
    ("truth", "said"),
    [([[0, 2]], [[0, 1]]), ([[0, 1]], [[0, 1], [0, 1]]), ([0, 1], [0, 1]), (np.zeros((0, 3)), np.zeros((0, 3)))],
)
def test_what_is_no_segments(truth: object, said: object) -> None:
    with pytest.raises(DataError, match="no segments"):
        segment_f1_macro.compute(np.array(truth), np.array(said))


def test_the_bootstrap_resamples_clips() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, (60, 3))
    said = np.where(rng.random((60, 3)) < 0.8, truth, 1 - truth)
    clips = np.repeat(np.arange(12), 5)
    counts = segment_counts(truth, said, clips)
    low, high = bootstrap_counts(counts, macro_f1, resamples=300, seed=3)
    by_hand = [
        segment_f1_macro.compute(*(np.repeat(a, weights[clips], axis=0) for a in (truth, said)))
        for block in bootstrap_weights(12, 300, 3)
        for weights in block
    ]
    assert (low, high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
    assert low < segment_f1_macro.compute(truth, said) < high
    halves = bootstrap_counts(counts, macro_f1, folds=np.arange(12) % 2, resamples=300)
    assert halves[0] < halves[1]
    paired = bootstrap_counts(counts, macro_f1, clusters=np.arange(12) // 2, resamples=300)
    assert paired != (low, high)


def test_an_interval_that_resampling_cannot_give() -> None:
    truth = np.array([[1, 0], [0, 1]] * 4)
    counts = segment_counts(truth, truth, np.arange(8))
    assert bootstrap_counts(counts, micro_f1) == pytest.approx((0.025 ** (1 / 8), 1.0))
    assert bootstrap_counts(counts[:1], micro_f1) == (0.0, 1.0)
    with pytest.raises(DataError, match="nothing to resample"):
        bootstrap_counts(counts[:0], micro_f1)
    with pytest.raises(DataError, match="value out of range"):
        bootstrap_counts(counts, lambda sums: np.full(len(sums), np.nan))
