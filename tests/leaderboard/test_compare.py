"""Differences on the same clips against scipy and planted truths, and what does not compare."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, permutation_test

from bench.leaderboard.cli import main
from bench.leaderboard.files.metric_names import STRICT
from bench.leaderboard.files.sources import read_source
from bench.leaderboard.ranking.comparison import compare_encoders
from bench.metrics import accuracy
from bench.scoring.alignment import align
from bench.scoring.measure import ScoredPredictions
from bench.scoring.paired import adjust_p_values, compute_p_value, compute_paired_difference, compute_spread
from bench.types import ChoiceError, DataError
from tests.leaderboard.test_verify import METRICS, answers, run, saved


def clips(right, n=None):
    """One fold without clusters; ``right`` [S, N] says which answers are."""
    right = np.atleast_2d(right)
    n = right.shape[1]
    keys = tuple(f"{i:04}" for i in range(n))
    return ScoredPredictions(keys, np.zeros(n, int), 1 - right.astype(int), np.zeros(n, int), None, ("a", "b"))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_scipys(p):
    np.testing.assert_allclose(adjust_p_values(np.array(p)), false_discovery_control(p), atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25])
def test_p_is_that_of_scipys_permutation_test(shift):
    rng = np.random.default_rng(3)
    a, b = rng.random(120) < 0.5, rng.random(120) < 0.5 + shift
    found = compute_paired_difference(accuracy, clips(a), clips(b), where="here")
    theirs = permutation_test(
        (b.astype(float), a.astype(float)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    assert found.difference == pytest.approx(theirs.statistic, abs=1e-12)
    assert found.p == pytest.approx(theirs.pvalue, abs=0.03)


def test_the_interval_is_that_of_the_mean_difference():
    rng = np.random.default_rng(4)
    a, b = rng.random(400) < 0.5, rng.random(400) < 0.6
    found = compute_paired_difference(accuracy, clips(a), clips(b), where="here")
    error = (b.astype(float) - a).std() / 20
    assert np.diff(found.ci95)[0] == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found.detectable == pytest.approx(2.8016 * error, rel=0.08)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=5)
@given(seed=st.integers(0, 20))
def test_swapped_sides_change_signs_only(metric, seed):
    first, second = answers(metric, seed, 0.4), answers(metric, 0, 0.6)
    second = replace(second, targets=first.targets)
    there = compute_paired_difference(STRICT[metric], first, second, where="here", resamples=50)
    back = compute_paired_difference(STRICT[metric], second, first, where="here", resamples=50)
    assert there.difference == pytest.approx(-back.difference, abs=1e-9)
    assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]), abs=1e-9)
    assert there.p == back.p
    assert there.ci95[0] <= there.difference <= there.ci95[1]
    assert 0 < there.p <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_rows_does_not_matter_and_nothing_differs_from_itself(metric):
    first, second = answers(metric, 1, 0.4), answers(metric, 0, 0.9)
    second = replace(second, targets=first.targets)
    order = np.random.default_rng(0).permutation(len(first.keys))
    shuffled = replace(
        second,
        keys=tuple(second.keys[i] for i in order),
        targets=second.targets[order],
        predictions=second.predictions[:, order],
        folds=second.folds[order],
        clusters=second.clusters[order] * 7 % 100,
    )
    there, again = (
        compute_paired_difference(STRICT[metric], first, own, where="here", resamples=40) for own in (second, shuffled)
    )
    assert (there.difference, there.ci95, there.p) == (again.difference, again.ci95, again.p)
    same = compute_paired_difference(STRICT[metric], first, first, where="here", resamples=40)
    assert (same.difference, same.p, same.units) == (0.0, 1.0, 12)
    assert same.ci95[0] < 0 < same.ci95[1]


def test_clusters_make_it_less_sure():
    rng = np.random.default_rng(5)
    a, b = np.repeat(rng.random(40) < 0.4, 10), np.repeat(rng.random(40) < 0.6, 10)
    alone = compute_paired_difference(accuracy, clips(a), clips(b), where="here")
    groups = np.repeat(np.arange(40), 10)
    whole = compute_paired_difference(accuracy, *(replace(clips(own), clusters=groups) for own in (a, b)), where="here")
    assert whole.difference == alone.difference
    assert whole.p > alone.p
    assert whole.detectable > 2 * alone.detectable


def test_numbers_of_seeds_may_differ():
    rng = np.random.default_rng(6)
    a, b = rng.random((2, 50)) < 0.5, rng.random((3, 50)) < 0.5
    found = compute_paired_difference(accuracy, clips(a), clips(b), where="here", resamples=20)
    assert found.difference == pytest.approx(b.mean() - a.mean(), abs=1e-12)


def test_false_alarms_are_as_rare_as_promised():
    rng = np.random.default_rng(7)
    p = [
        compute_paired_difference(
            accuracy, clips(rng.random(60) < 0.5), clips(rng.random(60) < 0.5), where="", seed=i, resamples=2
        ).p
        for i in range(200)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.1


def test_small_functions_by_hand():
    assert compute_p_value(np.array([0.0, 0.5, -0.5, np.nan]), 0.5) == 3 / 4
    assert compute_spread(np.zeros(9), 0.0, 1, 1.0) == ((-1.0, 1.0), 1.0)
    assert compute_spread(np.full(9, 0.1), 0.1, 20, 1.0)[0] == pytest.approx((0.1 - 0.1684, 0.1 + 0.1684), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: {"keys": ("new", "newer", *own.keys[2:])}, "other clips: got 2 only in the first, 2 only in the"),
        (lambda own: {"targets": (own.targets + 1) % 3}, "other targets: got 24 clips differ"),
        (lambda own: {"folds": own.folds * 2}, "other folds: got 12 clips differ"),
        (lambda own: {"clusters": None}, "other clusters"),
        (lambda own: {"classes": ("x", "y", "z")}, "other classes"),
    ],
)
def test_other_clips_do_not_compare(change, message):
    own = answers("accuracy")
    with pytest.raises(DataError, match=message):
        align(own, replace(own, **change(own)), "here")


def boards(tmp_path, *changes):
    rows = [run(tmp_path / "a", right=0.2), run(tmp_path / "b", encoder="other", right=1.0)]
    rows = [replace(row, **change) for row, change in zip(rows, changes or ({}, {}), strict=True)]
    return [read_source(saved(tmp_path / name, [row])) for name, row in zip("ab", rows, strict=True)]


def test_a_planted_difference_is_found(tmp_path, capsys):
    found = compare_encoders(*boards(tmp_path))
    (row,), (summary,) = found.rows, found.summaries
    assert (found.encoders, row.verdict) == (("logmel", "other"), "win")
    assert row.paired.difference == pytest.approx(row.second.value - row.first.value, abs=1e-12)
    assert summary.difference == pytest.approx(row.gain, abs=1e-12)
    assert summary.ci95 == pytest.approx(row.paired.ci95)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "other minus logmel: 1 wins, 0 ties, 0 losses" in capsys.readouterr().out
    assert [row.verdict for row in compare_encoders(read_source(tmp_path / "b"), read_source(tmp_path / "a")).rows] == [
        "loss"
    ]
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 0
    assert "0 wins, 1 ties, 0 losses" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version of the task differs: no comparison: got 2, expected 1"),
        ({"metric": "mAP"}, "metric of the task differs"),
        ({"value": 0.3}, "predictions of another row"),
        ({"task": "gtzan"}, "nothing to compare"),
    ],
)
def test_rows_that_do_not_compare_are_one_error(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        compare_encoders(*boards(tmp_path, {}, change))


def test_one_of_several_encoders_must_be_named(tmp_path):
    saved(tmp_path, [run(tmp_path, encoder=name) for name in ("logmel", "other")])
    with pytest.raises(ChoiceError, match="several encoders, none named, expected logmel or other"):
        compare_encoders(read_source(tmp_path), read_source(tmp_path))
    assert compare_encoders(read_source(tmp_path), read_source(tmp_path), ("logmel", "other")).rows[0].verdict == "tie"
