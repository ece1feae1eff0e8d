"""Detection cost, Cllr and EER of trials: golden values, second implementations, properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtri
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_curve

from bench.metrics import equal_error_rate
from bench.metrics.detection import (
    compute_cllr,
    compute_det,
    compute_eer,
    compute_expected_min_dcf,
    compute_min_cllr,
    compute_min_dcf,
    is_cost_implausible,
    rank_trials,
)
from bench.types import DataError


@st.composite
def trials(draw):
    """Labels and scores with many ties, some of them extreme."""
    n, seed = draw(st.integers(2, 60)), draw(st.integers(0, 100_000))
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < rng.choice([0.1, 0.5, 0.9])).astype(np.uint8)
    labels[:2] = 0, 1
    levels = rng.standard_normal(rng.integers(1, 12))
    scores = rng.choice(levels, n) + rng.choice([0.0, 1.0]) * labels
    return labels, scores[rng.permutation(n)].astype(np.float64)


def by_root(labels, scores):
    """The EER as the root of 1 - TPR - FPR along the full ROC polygon."""
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    along = np.arange(len(false), dtype=float)
    x = brentq(lambda at: 1 - np.interp(at, along, true) - np.interp(at, along, false), 0, along[-1], xtol=1e-14)
    return float(np.interp(x, along, false))


def costs(labels, scores, prior):
    """The detection cost by trying every threshold."""
    found = []
    for threshold in [*scores, np.inf]:
        miss, false = (scores[labels == 1] < threshold).mean(), (scores[labels == 0] >= threshold).mean()
        found.append((prior * miss + (1 - prior) * false) / min(prior, 1 - prior))
    return min(found)


@settings(max_examples=400)
@given(trials())
def test_the_eer_is_the_root_along_the_roc(pair):
    assert compute_eer(rank_trials(*pair)) == pytest.approx(by_root(*pair), abs=1e-9)


@given(trials(), st.sampled_from([0.01, 0.05, 0.5, 0.9]))
def test_the_cost_is_that_of_the_best_threshold(pair, prior):
    found = compute_min_dcf(rank_trials(*pair), prior)
    assert found == pytest.approx(costs(*pair, prior), abs=1e-12)
    assert 0 <= found <= 1


@given(trials(), st.integers(0, 99))
def test_order_sign_and_monotone_maps_do_not_matter(pair, seed):
    labels, scores = pair
    order = np.random.default_rng(seed).permutation(len(labels))
    own = rank_trials(labels, scores)
    for other in (
        rank_trials(labels[order], scores[order]),
        rank_trials(labels, np.exp(scores / 2)),
        rank_trials(labels, scores**3),
    ):
        assert compute_eer(other) == compute_eer(own)
        for prior in (0.01, 0.05):
            assert compute_min_dcf(other, prior) == compute_min_dcf(own, prior)
        assert compute_min_cllr(other) == pytest.approx(compute_min_cllr(own), abs=1e-12)
    flipped = rank_trials(1 - labels, -scores)
    assert compute_eer(flipped) == pytest.approx(compute_eer(own), abs=1e-15)
    assert compute_min_dcf(flipped, 0.99) == pytest.approx(compute_min_dcf(own, 0.01), abs=1e-12)
    assert compute_cllr(flipped) == pytest.approx(compute_cllr(own), abs=1e-12)
    assert compute_cllr(rank_trials(labels[order], scores[order])) == pytest.approx(compute_cllr(own), abs=1e-12)


@given(trials())
def test_the_metric_of_rows_is_the_same_eer(pair):
    labels, scores = pair[0].astype(np.int64), pair[1]
    assert equal_error_rate.compute(labels, scores) == compute_eer(rank_trials(*pair))
    weights = np.ones((1, len(labels)), dtype=np.int64)
    assert equal_error_rate.resampling.prepare(labels, scores)(weights)[0] == pytest.approx(
        compute_eer(rank_trials(*pair)), abs=1e-15
    )


@given(trials())
def test_min_cllr_is_cllr_after_isotonic_regression(pair):
    labels, scores = pair
    share = IsotonicRegression().fit(scores, labels).predict(scores)
    with np.errstate(divide="ignore"):
        ratios = np.log(share / (1 - share)) - np.log(labels.mean() / (1 - labels.mean()))
    targets, others = (np.logaddexp(0, sign * ratios[labels == own]) for sign, own in ((-1, 1), (1, 0)))
    expected = (targets.mean() + others.mean()) / (2 * np.log(2))
    found = compute_min_cllr(rank_trials(labels, scores))
    assert found == pytest.approx(expected, abs=1e-9)
    assert 0 <= found <= 1 + 1e-12
    assert found <= compute_cllr(rank_trials(labels, scores)) + 1e-12


@pytest.mark.parametrize("value", [0.0, -3.5, 1e6])
def test_constant_scores_are_guesses(value):
    rng = np.random.default_rng(0)
    labels = (rng.random(1000) < 0.3).astype(np.uint8)
    for order in (np.argsort(labels), np.argsort(-labels.astype(int)), rng.permutation(1000)):
        own = rank_trials(labels[order], np.full(1000, value, dtype=np.float32))
        assert compute_eer(own) == 0.5
        assert compute_min_dcf(own, 0.01) == compute_min_dcf(own, 0.05) == 1.0
        assert compute_min_cllr(own) == pytest.approx(1.0, abs=1e-12)
    assert compute_cllr(rank_trials(labels, np.zeros(1000))) == pytest.approx(1.0, abs=1e-12)


def test_the_table_of_ties():
    """What scorers in use get wrong: all tied, answers yes or no in any order, one trial of each kind."""
    yes_or_no = np.repeat([1.0, 0.0, 1.0, 0.0], [70, 30, 30, 70])
    labels = np.repeat([1, 1, 0, 0], [70, 30, 30, 70])
    rng = np.random.default_rng(1)
    for _ in range(5):
        order = rng.permutation(200)
        assert compute_eer(rank_trials(labels[order], yes_or_no[order])) == pytest.approx(0.3, abs=1e-15)
    uneven = np.repeat([1.0, 0.0, 1.0, 0.0], [65, 35, 29, 71])  # misses 0.35, false alarms 0.29
    # the segment from (0.29, 0.35) to (1, 0): 0.29 + t 0.71 = 0.35 (1 - t)
    assert compute_eer(rank_trials(labels, uneven)) == pytest.approx(0.29 + 0.06 / 1.06 * 0.71, abs=1e-15)
    assert compute_eer(rank_trials(np.array([1, 0]), np.array([1.0, 0.0]))) == 0.0
    assert compute_eer(rank_trials(np.array([1, 0]), np.array([0.0, 1.0]))) == 1.0
    assert compute_eer(rank_trials(np.array([1, 0]), np.array([0.5, 0.5]))) == 0.5


@pytest.mark.parametrize(("rate", "cost"), [(0.0307, 0.357), (0.00893, 0.124), (0.0906, 0.76)])
def test_normal_scores(rate, cost):
    """EER and minDCF(0.01) of two normal densities of one variance, by formula and drawn."""
    assert compute_expected_min_dcf(rate, 0.01) == pytest.approx(cost, abs=0.02)
    n = 200_000
    steps = ndtri((np.arange(n) + 0.5) / n)
    scores = np.concatenate([steps - 2 * ndtri(rate), steps])
    own = rank_trials(np.repeat([1, 0], n), scores)
    assert compute_eer(own) == pytest.approx(rate, abs=1e-4)
    assert compute_min_dcf(own, 0.01) == pytest.approx(compute_expected_min_dcf(rate, 0.01), abs=0.01)


def test_a_few_wrong_labels_are_noticed():
    """Half a percent of non-targets that are targets lifts minDCF far more than the EER."""
    n = 100_000
    steps = ndtri((np.arange(n) + 0.5) / n)
    targets = steps - 2 * ndtri(0.006)
    right = rank_trials(np.repeat([1, 0], n), np.concatenate([targets, steps]))
    wrong = rank_trials(np.repeat([1, 0], n), np.concatenate([targets, steps[np.arange(n) % 200 > 0], targets[::200]]))
    assert not is_cost_implausible(compute_eer(right), compute_min_dcf(right, 0.01), 0.01, 2 * n)
    assert compute_eer(wrong) == pytest.approx(0.00895, abs=0.001)
    assert compute_min_dcf(wrong, 0.01) == pytest.approx(0.551, abs=0.05)
    assert is_cost_implausible(compute_eer(wrong), compute_min_dcf(wrong, 0.01), 0.01, 2 * n)
    assert is_cost_implausible(0.0307, 0.82, 0.01, 12_000_000)
    assert not is_cost_implausible(0.0307, 0.82, 0.01, 100)
    assert compute_expected_min_dcf(0.5, 0.01) == compute_expected_min_dcf(0.7, 0.01) == 1.0


@given(trials())
def test_det_points_fall(pair):
    misses, false = compute_det(rank_trials(*pair))
    assert (misses[0], false[0], misses[-1], false[-1]) == (1, 0, 0, 1)
    assert (np.diff(misses) <= 0).all()
    assert (np.diff(false) >= 0).all()
    thinned = compute_det(rank_trials(*pair), n_points=3)
    assert len(thinned[0]) == min(3, len(misses))
    assert set(zip(*thinned, strict=True)) <= set(zip(misses, false, strict=True))


def test_cllr_of_calibrated_scores():
    """Scores that are log-likelihood ratios lose nothing; scaled ones do; extreme ones do not overflow."""
    n, apart = 100_000, 3.0
    steps = ndtri((np.arange(n) + 0.5) / n)
    x = np.concatenate([steps + apart / 2, steps - apart / 2])
    labels = np.repeat([1, 0], n)
    own = rank_trials(labels, apart * x)
    assert compute_cllr(own) == pytest.approx(compute_min_cllr(own), abs=1e-3)
    assert compute_cllr(rank_trials(labels, 3 * apart * x)) > compute_cllr(own) + 0.05
    assert compute_cllr(rank_trials(np.array([1, 0]), np.array([-1e4, 1e4]))) == pytest.approx(1e4 / np.log(2))


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.0, 1.0], "one kind of trial only: got 2 targets of 2 trials"),
        ([], [], "one kind of trial only"),
        ([1, 2], [0.0, 1.0], "labels of trials"),
        ([1, 0], [0.0, np.nan], "a score is not finite"),
        ([1, 0, 1], [0.0, 1.0], "shapes differ"),
    ],
)
def test_bad_trials_are_refused(labels, scores, message):
    with pytest.raises(DataError, match=message):
        rank_trials(np.array(labels, dtype=np.int64), np.array(scores, dtype=np.float64))
    with pytest.raises(DataError, match="no prior"):
        compute_min_dcf(rank_trials(np.array([1, 0]), np.array([1.0, 0.0])), 1.0)
