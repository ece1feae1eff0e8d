"""The ridge probe against scikit-learn, and its promises."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import average_precision_score

from bench.probes import RidgeProbe, ridge
from bench.probes.layered import build_selection_split
from bench.types import DataError, FitSplit, Probe

N, D, C = 180, 12, 4
PENALTIES = ridge.PENALTIES


def clips(seed=0, separation=0.8, k_hot=False):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, C, N)
    targets[:C] = np.arange(C)
    centres = rng.normal(size=(C, D)) * separation
    if not k_hot:
        return (centres[targets] + rng.normal(size=(N, D))).astype(np.float32), targets
    many = (rng.random((N, C)) < 0.3).astype(np.uint8)
    many[np.arange(C), np.arange(C)] = 1
    return (many @ centres + rng.normal(size=(N, D))).astype(np.float32), many


def folds(n=3, valid=False):
    fold = np.arange(N) % n
    parts = [np.flatnonzero(fold == f) for f in range(n)]
    if valid:
        return [FitSplit(parts[0], parts[1], parts[2])]
    return [FitSplit(np.flatnonzero(fold != f), None, parts[f]) for f in range(n)]


def standardised(vectors):
    wide = vectors.astype(np.float64)
    return (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-5)


def rows_of(vectors, targets):
    return ridge.StandardizedRows(torch.from_numpy(vectors), torch.from_numpy(targets), C)


def one_hot(targets):
    return np.eye(C)[targets] if targets.ndim == 1 else targets


def solve(vectors, targets, problems, probe=None):
    return (probe or RidgeProbe()).run(vectors, targets, problems, n_classes=C, seeds=())


@pytest.mark.parametrize("k_hot", [False, True])
@pytest.mark.parametrize("penalty", [PENALTIES[0], 0.1, PENALTIES[-1]])
def test_weights_are_those_of_scikit_learn(k_hot, penalty):
    vectors, targets = clips(k_hot=k_hot)
    rows = rows_of(vectors, targets)
    everything, left_out = np.arange(N), np.arange(0, N, 4)
    own = np.setdiff1d(everything, left_out)
    sums = rows.sums(everything).less(rows.sums(left_out))
    weight, offset = ridge.solve_weights(sums, penalty)
    x = np.concatenate([block.numpy() for _, block in rows.blocks(own)])
    np.testing.assert_allclose(x, standardised(vectors)[own], atol=1e-5)
    theirs = Ridge(alpha=penalty * len(own)).fit(x, one_hot(targets)[own])
    np.testing.assert_allclose(weight.numpy().T, theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(offset.numpy(), theirs.intercept_, atol=1e-8)


@pytest.mark.parametrize("valid", [False, True])
def test_answers_and_penalty_are_those_of_a_plain_search_with_scikit_learn(valid):
    vectors, targets = clips()
    x = rows_of(vectors, targets)
    x = np.concatenate([block.numpy() for _, block in x.blocks(np.arange(N))])
    problems = folds(valid=valid)
    for problem, result in zip(problems, solve(vectors, targets, problems), strict=True):
        inner = build_selection_split(problem, None)
        reached = {}
        for penalty in PENALTIES:
            model = RidgeClassifier(alpha=penalty * len(inner.train)).fit(x[inner.train], targets[inner.train])
            reached[penalty] = model.score(x[inner.test], targets[inner.test])
        best = max(penalty for penalty in PENALTIES if reached[penalty] == max(reached.values()))
        assert result.info == {"penalty": best, "held out": reached[best]}
        final = RidgeClassifier(alpha=best * len(problem.train)).fit(x[problem.train], targets[problem.train])
        np.testing.assert_array_equal(result.predictions[0], final.predict(x[problem.test]))


def test_values_of_several_labels_are_those_of_scikit_learn():
    vectors, targets = clips(k_hot=True)
    x = np.concatenate([block.numpy() for _, block in rows_of(vectors, targets).blocks(np.arange(N))])
    for problem, result in zip(folds(), solve(vectors, targets, folds()), strict=True):
        inner = build_selection_split(problem, None)
        reached = {}
        for penalty in PENALTIES:
            model = Ridge(alpha=penalty * len(inner.train)).fit(x[inner.train], targets[inner.train])
            reached[penalty] = average_precision_score(targets[inner.test], model.predict(x[inner.test]))
        assert result.info["held out"] == pytest.approx(max(reached.values()), abs=1e-9)
        alpha = result.info["penalty"] * len(problem.train)
        expected = Ridge(alpha=alpha).fit(x[problem.train], targets[problem.train]).predict(x[problem.test])
        assert result.predictions.dtype == np.float32
        np.testing.assert_allclose(result.predictions[0], expected, atol=1e-6)
        assert average_precision_score(targets[problem.test], result.predictions[0]) > 0.5


@pytest.mark.parametrize("k_hot", [False, True])
def test_more_dimensions_than_clips(k_hot):
    rng = np.random.default_rng(1)
    _, targets = clips(k_hot=k_hot)
    vectors = rng.normal(size=(N, 2 * N)).astype(np.float32) + 3 * np.repeat(one_hot(targets), 2 * N // C, axis=1)
    vectors = vectors.astype(np.float32)
    result = solve(vectors, targets, folds())[0]
    truth = targets[folds()[0].test]
    said = result.predictions[0]
    assert (said == truth).mean() > 0.9 if not k_hot else average_precision_score(truth, said) > 0.9


def test_blocks_change_nothing_but_rounding(monkeypatch):
    vectors, targets = clips(k_hot=True)
    whole = solve(vectors, targets, folds())
    monkeypatch.setattr(ridge, "BLOCK", 7 * D)
    for one, other in zip(whole, solve(vectors, targets, folds()), strict=True):
        assert one.info["penalty"] == other.info["penalty"]
        np.testing.assert_allclose(one.predictions, other.predictions, atol=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 500), exponents=st.lists(st.integers(-3, 3), min_size=N, max_size=N), n=st.integers(2, 6))
def test_length_of_a_vector_and_order_of_problems_do_not_matter(seed, exponents, n):
    vectors, targets = clips(seed=seed)
    vectors *= 50  # LayerNorm's epsilon is then without effect
    scaled = vectors * np.exp2(np.array(exponents, dtype=np.float32))[:, None]
    ours, others = solve(vectors, targets, folds(n)), solve(scaled, targets, folds(n)[::-1])[::-1]
    for one, other in zip(ours, others, strict=True):
        assert (one.predictions != other.predictions).mean() <= 0.05  # a penalty may tie


@settings(max_examples=40)
@given(seed=st.integers(0, 500), k_hot=st.booleans())
def test_targets_of_test_clips_are_never_read(seed, k_hot):
    vectors, targets = clips(seed=seed, k_hot=k_hot)
    problem = folds()[0]
    leaky = FitSplit(problem.train, problem.test, problem.test)  # as protocol xares has it
    scrambled = targets.copy()
    scrambled[problem.test] = (targets[problem.test] + 1) % (2 if k_hot else C)
    results = [solve(vectors, y, [p])[0] for y in (targets, scrambled) for p in (problem, leaky)]
    for result in results[1:]:
        np.testing.assert_array_equal(result.predictions, results[0].predictions)
        assert result.info == results[0].info


@settings(max_examples=40)
@given(seed=st.integers(0, 500), size=st.integers(2, 20))
def test_clusters_are_held_out_whole(seed, size):
    clusters = np.random.default_rng(seed).permutation(N) // size
    inner = build_selection_split(folds()[0], clusters)
    assert set(clusters[inner.train]).isdisjoint(clusters[inner.test])
    assert len(inner.test) > 0


def test_fewer_clusters_than_parts_hold_out_the_last():
    clusters = np.arange(N) // 60
    problem = FitSplit(np.arange(120), None, np.arange(120, N))
    inner = build_selection_split(problem, clusters)
    np.testing.assert_array_equal(inner.test, np.arange(60, 120))
    vectors, targets = clips()
    assert solve(vectors, targets, [problem], RidgeProbe().grouped(clusters))[0].predictions.shape == (1, 60)
    with pytest.raises(DataError, match="held-out clips"):
        solve(vectors, targets, [problem], RidgeProbe().grouped(np.zeros(N, dtype=np.int64)))


def test_a_penalty_is_chosen_for_speakers_that_were_not_heard():
    """With what tells speakers apart in the vectors, clips of a training speaker ask for less penalty than others."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(30), 6)
    targets = (speakers % C).astype(np.int64)
    vectors = (rng.normal(size=(30, 60))[speakers] + 0.3 * rng.normal(size=(N, 60))).astype(np.float32)
    problem = FitSplit(np.arange(120), None, np.arange(120, N))
    blind, aware = (
        solve(vectors, targets, [problem], probe)[0].info for probe in (RidgeProbe(), RidgeProbe().grouped(speakers))
    )
    assert blind["held out"] > 0.9
    assert aware["held out"] < 0.6


def test_is_a_probe_without_seeds():
    assert isinstance(RidgeProbe(), Probe)
    assert (RidgeProbe().name, RidgeProbe().seeded) == ("ridge", False)
    assert RidgeProbe() == RidgeProbe().grouped(np.arange(3))
    with pytest.raises(DataError, match="ridge probe"):
        solve(np.full((N, D), np.nan, np.float32), clips()[1], folds())
