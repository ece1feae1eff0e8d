"""The bootstrap: coverage by simulation, clusters, folds, edges and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.metrics import accuracy, balanced_accuracy
from bench.scoring import bootstrap
from bench.scoring.bootstrap import (
    bootstrap_mean,
    bootstrap_statistic,
    bootstrap_weighted,
    draw_weights,
    split_by_seed_and_fold,
)
from bench.types import DataError

values = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    per_clip = draw(values)
    labels = st.lists(st.integers(0, 4), min_size=len(per_clip), max_size=len(per_clip)).map(np.array)
    return per_clip, draw(labels), draw(labels)


def fold_mean(per_clip, folds):
    return np.mean([per_clip[folds == fold].mean() for fold in np.unique(folds)])


@given(grouped())
def test_interval_contains_the_score_and_stays_in_range(case):
    per_clip, folds, clusters = case
    for clustered in (None, clusters):
        low, high = bootstrap_mean(per_clip, folds=folds, clusters=clustered, resamples=50)
        assert 0 <= low <= fold_mean(per_clip, folds) + 1e-9
        assert fold_mean(per_clip, folds) - 1e-9 <= high <= 1


@given(grouped(), st.floats(0, 1))
def test_better_clips_never_lower_the_interval(case, share):
    per_clip, folds, clusters = case
    better = per_clip + share * (1 - per_clip)
    old = bootstrap_mean(per_clip, folds=folds, clusters=clusters, resamples=50)
    new = bootstrap_mean(better, folds=folds, clusters=clusters, resamples=50)
    if per_clip.min() < per_clip.max() and better.min() < better.max():
        assert new[0] >= old[0] - 1e-9
        assert new[1] >= old[1] - 1e-9


@given(values.filter(lambda v: v.min() < v.max() and (1 - v).min() < (1 - v).max()))
def test_mirrored_values_mirror_the_interval(per_clip):
    low, high = bootstrap_mean(per_clip, resamples=50)
    assert bootstrap_mean(1 - per_clip, resamples=50) == pytest.approx((1 - high, 1 - low))


def test_coverage_for_200_clips():
    rng = np.random.default_rng(0)
    runs, p = 1000, 0.7
    inside = 0
    for run in range(runs):
        low, high = bootstrap_mean((rng.random(200) < p).astype(float), resamples=400, seed=run)
        inside += low <= p <= high
    assert 0.92 <= inside / runs <= 0.98


def test_coverage_with_clusters_and_folds():
    rng = np.random.default_rng(1)
    runs, covered, naive = 500, 0, 0
    clusters = np.repeat(np.arange(50), 8)
    folds = clusters % 5
    for run in range(runs):
        skill = rng.beta(3, 1.5, size=50)  # mean 2/3
        per_clip = (rng.random(400) < skill[clusters]).astype(float)
        low, high = bootstrap_mean(per_clip, folds=folds, clusters=clusters, resamples=400, seed=run)
        covered += low <= 2 / 3 <= high
        low, high = bootstrap_mean(per_clip, folds=folds, resamples=400, seed=run)
        naive += low <= 2 / 3 <= high
    assert 0.91 <= covered / runs <= 0.98
    assert naive / runs < 0.88


def test_informative_clusters_widen_the_interval_and_others_do_not():
    clusters = np.repeat(np.arange(40), 10)
    by_cluster = (clusters % 4 > 0).astype(float)
    mixed = (np.arange(400) % 4 > 0).astype(float)

    def width(per_clip, **more):
        low, high = bootstrap_mean(per_clip, **more)
        return high - low

    assert width(by_cluster, clusters=clusters) > 2.5 * width(by_cluster)
    assert width(mixed, clusters=np.random.default_rng(0).permutation(clusters)) < 1.4 * width(mixed)


def test_agrees_with_the_normal_approximation():
    per_clip = np.random.default_rng(0).random(2000)
    half = 1.96 * per_clip.std() / np.sqrt(2000)
    expected = (per_clip.mean() - half, per_clip.mean() + half)
    assert bootstrap_mean(per_clip, resamples=4000) == pytest.approx(expected, abs=0.1 * half)


def test_agrees_with_scipy():
    per_clip = (np.random.default_rng(3).random(150) < 0.6).astype(float)
    other = scipy_stats.bootstrap((per_clip,), np.mean, method="percentile", n_resamples=4000, rng=0)
    assert bootstrap_mean(per_clip, resamples=4000) == pytest.approx(tuple(other.confidence_interval), abs=0.011)


def test_the_same_every_time_and_whatever_the_block(monkeypatch):
    per_clip = np.random.default_rng(0).random(300)
    clusters = np.arange(300) // 7
    once = bootstrap_mean(per_clip, clusters=clusters)
    assert once == bootstrap_mean(per_clip, clusters=clusters)
    assert once != bootstrap_mean(per_clip, clusters=clusters, seed=1)
    weights = np.concatenate(list(draw_weights(300, 50, 0, clusters)))
    monkeypatch.setattr(bootstrap, "BLOCK", 1000)
    np.testing.assert_array_equal(np.concatenate(list(draw_weights(300, 50, 0, clusters))), weights)
    assert bootstrap_mean(per_clip, clusters=clusters) == once


def test_resamples_are_pinned():
    # The raw stream of PCG64 is fixed by numpy's policy; published intervals rest on these numbers.
    assert next(draw_weights(5, 2, 0)).tolist() == [[0, 2, 1, 1, 1], [0, 1, 2, 1, 1]]


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 5))
def test_weights_are_multinomial_counts(n, resamples, seed):
    weights = np.concatenate(list(draw_weights(n, resamples, seed)))
    assert weights.shape == (resamples, n)
    assert (weights.sum(axis=1) == n).all()
    clusters = np.arange(n) % 3
    for row in np.concatenate(list(draw_weights(n, resamples, seed, clusters))):
        drawn = [set(row[clusters == cluster]) for cluster in np.unique(clusters)]
        assert all(len(counts) == 1 for counts in drawn)
        assert sum(counts.pop() for counts in drawn) == len(np.unique(clusters))


@pytest.mark.parametrize("more", [{}, {"clusters": np.arange(90) // 4}, {"folds": np.arange(90) % 4}], ids=str)
def test_general_statistic_agrees_with_the_mean_over_clips(more):
    rng = np.random.default_rng(0)
    targets, predictions = rng.integers(0, 3, 90), rng.integers(0, 3, (2, 90))
    predictions[:, :50] = targets[:50]
    per_clip = (predictions == targets).mean(axis=0)
    general = bootstrap_statistic(accuracy.compute, targets, predictions, resamples=200, **more)
    assert general == pytest.approx(bootstrap_mean(per_clip, resamples=200, **more))


def test_general_statistic_of_balanced_accuracy():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], [160, 40])
    predictions = np.where(rng.random(200) < 0.8, targets, 1 - targets)
    low, high = bootstrap_statistic(balanced_accuracy.compute, targets, predictions, resamples=300)
    assert low < balanced_accuracy.compute(targets, predictions) < high
    plain = bootstrap_mean((targets == predictions).astype(float))
    assert high - low > plain[1] - plain[0]  # 40 clips decide half of it


@pytest.mark.parametrize("n", [2, 20, 200])
def test_all_right_or_all_wrong_is_the_exact_binomial_interval(n):
    exact = scipy_stats.binomtest(n, n).proportion_ci(0.95)
    assert bootstrap_mean(np.ones(n)) == pytest.approx((exact.low, exact.high))
    assert bootstrap_mean(np.zeros(n)) == pytest.approx((1 - exact.high, 1 - exact.low))
    targets = np.zeros(n, dtype=int)
    assert bootstrap_statistic(accuracy.compute, targets, targets, resamples=5) == pytest.approx(
        bootstrap_mean(np.ones(n))
    )
    low, _ = bootstrap_mean(np.ones(2 * n), clusters=np.arange(2 * n) // 2)
    assert low == pytest.approx(exact.low)


def test_prepared_metrics_are_averaged_over_seeds_and_folds():
    rng = np.random.default_rng(0)
    per_clip = rng.random((2, 60))
    folds, clusters = np.arange(60) % 4, np.arange(60) // 4

    def weighted(values, answers):
        return lambda weights: np.where(
            weights.any(axis=1), weights @ answers / np.maximum(weights.sum(axis=1), 1), np.nan
        )

    values = split_by_seed_and_fold(weighted, np.zeros(60), per_clip, folds)
    assert len(values) == 8
    found = bootstrap_weighted(values, 60, clusters=clusters, resamples=200)
    assert found == pytest.approx(bootstrap_mean(per_clip.mean(axis=0), folds=folds, clusters=clusters, resamples=200))


def test_resamples_without_a_value_are_left_out():
    def of_the_first(weights):
        return np.where(weights[:, 0] > 0, 0.25, np.nan)

    def all_or_nothing(weights):
        return np.where((weights == 1).all(axis=1), 0.25, np.nan)

    assert bootstrap_weighted([of_the_first], 20) == pytest.approx(bootstrap_mean(np.full(20, 0.25)))
    assert bootstrap_weighted([all_or_nothing], 20, resamples=50) == (0.0, 1.0)


def test_one_clip_or_one_cluster_says_nothing():
    assert bootstrap_mean(np.array([1.0])) == (0.0, 1.0)
    assert bootstrap_mean(np.array([0.0, 1.0, 1.0]), clusters=np.zeros(3)) == (0.0, 1.0)
    assert bootstrap_mean(np.array([0.5]), bounds=(-1.0, 2.0)) == (-1.0, 2.0)
    assert bootstrap_statistic(accuracy.compute, np.array([1]), np.array([1])) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean(np.array([])), "nothing to resample"),
        (lambda: bootstrap_mean(np.array([0.1, np.nan])), "cannot resample"),
        (lambda: bootstrap_mean(np.array([0.1, 1.2])), "value out of range"),
        (lambda: bootstrap_mean(np.ones(3), folds=np.zeros(2)), "lengths differ"),
        (lambda: bootstrap_mean(np.ones(3), clusters=np.zeros(2)), "lengths differ"),
        (lambda: bootstrap_mean(np.array([0.0, 1.0]), resamples=0), "no resamples"),
        (lambda: bootstrap_statistic(accuracy.compute, np.zeros(3, int), np.zeros(2, int)), "lengths differ"),
        (lambda: bootstrap_weighted([], 3), "nothing to resample"),
        (lambda: bootstrap_weighted([lambda w: np.full(len(w), np.nan)], 3), "value out of range: got nan"),
        (lambda: bootstrap_weighted([lambda w: w.sum(axis=1)], 3), "value out of range: got 3"),
        (lambda: bootstrap_statistic(lambda t, p: float("nan"), np.zeros(3, int), np.zeros(3, int)), "out of range"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
