"""A metric that a user's task file defines goes through everything that the bundled ones go through."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics import accuracy
from bench.scoring.measure import ScoredPredictions, compute_result
from bench.scoring.paired import compute_paired_difference
from bench.types import Metric, Statistic, Weighted


def compute_macro_f1(targets, predictions):
    values = []
    for label in np.unique(targets):
        hits = np.sum((targets == label) & (predictions == label))
        values.append(2 * hits / (np.sum(targets == label) + np.sum(predictions == label)))
    return float(np.mean(values))


MACRO_F1 = Metric("macro-F1", compute=compute_macro_f1, chance=lambda targets, n_classes: 1 / n_classes)


def answers(share: float, seed: int) -> ScoredPredictions:
    rng = np.random.default_rng(seed)
    targets = np.arange(90) % 3
    predictions = np.where(rng.random((2, 90)) < share, targets, rng.integers(0, 3, (2, 90)))
    keys = tuple(f"clip{index:03d}" for index in range(90))
    return ScoredPredictions(keys, targets, predictions, np.zeros(90, dtype=np.int64), None, ("a", "b", "c"))


def test_it_is_scored_with_an_interval_and_secondary_metrics():
    metric = Metric("macro-F1", compute=compute_macro_f1, chance=MACRO_F1.chance, secondary=(accuracy,))
    scored = answers(0.6, 0)
    result = compute_result(metric, scored, 3, where="test")
    assert result.value == pytest.approx(np.mean([compute_macro_f1(scored.targets, row) for row in scored.predictions]))
    assert result.ci95[0] < result.value < result.ci95[1]
    assert result.secondary == {"accuracy": pytest.approx((scored.predictions == scored.targets).mean())}


def test_it_is_compared():
    weak, strong = answers(0.3, 1), answers(0.9, 2)
    pair = compute_paired_difference(MACRO_F1, weak, strong, where="test", resamples=100, flips=99)
    assert pair.difference > 0.2
    assert pair.ci95[0] > 0
    assert pair.p == pytest.approx(1 / 100)
    same = compute_paired_difference(MACRO_F1, weak, weak, where="test", resamples=20, flips=19)
    assert (same.difference, same.p, same.equal) == (0.0, 1.0, True)


def test_recomputing_equals_weighing():
    """A statistic of repeated clips and a mean of weighted ones are two ways to the same intervals and p-values."""

    def prepare(targets, predictions):
        return lambda weights: weights @ (targets == predictions) / np.maximum(weights.sum(axis=1), 1)

    by_clip = {"name": "accuracy", "compute": accuracy.compute, "chance": accuracy.chance}
    pairs = [
        compute_paired_difference(
            Metric(**by_clip, resampling=resampling), answers(0.4, 3), answers(0.6, 4), where="", resamples=50, flips=49
        )
        for resampling in (Statistic(), Weighted(prepare))
    ]
    np.testing.assert_allclose(pairs[0].resampled, pairs[1].resampled, atol=1e-12)
    np.testing.assert_allclose(pairs[0].permuted, pairs[1].permuted, atol=1e-12)


def test_scores_are_not_ranked_for_a_metric_that_needs_their_values():
    """For a mean absolute error the values of scores count, not only their order."""
    metric = Metric(
        "mean absolute error",
        compute=lambda targets, scores: float(np.abs(targets - scores).mean()),
        chance=lambda targets, n_classes: 0.5,
        best=0.0,
        worst=1.0,
    )
    targets = np.arange(40) % 2
    keys, folds = tuple(map(str, range(40))), np.zeros(40, dtype=np.int64)
    near, far = (
        ScoredPredictions(keys, targets, np.abs(targets - error)[None].astype(np.float64), folds, None, ("no", "yes"))
        for error in (np.linspace(0.1, 0.2, 40), np.linspace(0.3, 0.4, 40))
    )
    pair = compute_paired_difference(metric, near, far, where="", resamples=50, flips=49)
    assert pair.difference == pytest.approx(0.2)
    assert pair.p == pytest.approx(1 / 50)
