"""Mean average precision against scikit-learn and torchmetrics, and its promises; k-hot labels from sidecars."""

import itertools
import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.functional.classification import multilabel_average_precision

from bench.metrics import mean_average_precision
from bench.metrics.multilabel import weight_average_precisions
from bench.types import ClassLabel, DataError, MultiLabel, Target

compute = mean_average_precision.compute


@st.composite
def answers(draw: st.DrawFn, distinct: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """K-hot targets with at least one positive, and scores, with many ties unless ``distinct``."""
    n, c = draw(st.integers(1, 25)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, c)) < draw(st.floats(0.05, 0.95))).astype(np.uint8)
    targets[rng.integers(n), rng.integers(c)] = 1
    if distinct:
        return targets, np.argsort(rng.random((n, c)), axis=0).astype(np.float32)
    return targets, rng.integers(0, draw(st.integers(1, 8)), (n, c)).astype(np.float32)


@given(answers())
def test_is_scikit_learns_over_the_classes_that_occur(pair):
    targets, scores = pair
    present = targets.any(axis=0)
    other = average_precision_score(targets[:, present], scores[:, present], average="macro")
    assert compute(targets, scores) == pytest.approx(other, abs=1e-12)
    by_class = weight_average_precisions(targets, scores)(np.ones((1, len(targets)), dtype=int))[0]
    np.testing.assert_array_equal(np.isnan(by_class), ~present)


@given(answers())
def test_is_torchmetrics(pair):
    targets, scores = pair
    present = np.tile(np.flatnonzero(targets.any(axis=0)), 2)  # it wants two classes at least
    targets, scores = targets[:, present], scores[:, present] / 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = multilabel_average_precision(
            torch.from_numpy(scores), torch.from_numpy(targets.astype(int)), len(present), average="macro"
        )
    assert compute(targets, scores) == pytest.approx(float(other), abs=1e-6)


@given(answers(), st.integers(0, 99))
def test_order_of_clips_and_classes_does_not_matter(pair, seed):
    targets, scores = pair
    rng = np.random.default_rng(seed)
    clips, classes = rng.permutation(targets.shape[0]), rng.permutation(targets.shape[1])
    again = compute(targets[clips][:, classes], scores[clips][:, classes])
    assert again == pytest.approx(compute(targets, scores), abs=1e-12)


@given(answers())
def test_only_the_order_of_scores_counts(pair):
    targets, scores = pair
    assert compute(targets, np.exp(scores / 3) - 7) == compute(targets, scores)


@given(answers())
def test_range_and_perfection(pair):
    targets, scores = pair
    assert 0 < compute(targets, scores) <= 1
    assert compute(targets, targets.astype(np.float32)) == 1.0


@given(answers())
def test_constant_scores_give_the_share_of_positives(pair):
    targets, scores = pair
    share = targets.mean(axis=0)
    assert compute(targets, np.full_like(scores, 0.3)) == pytest.approx(share[share > 0].mean(), abs=1e-12)


@given(answers(), st.integers(0, 99))
def test_weights_are_repetitions(pair, seed):
    targets, scores = pair
    weights = np.random.default_rng(seed).integers(0, 4, (6, len(targets)))
    weights[0] = 0
    found = mean_average_precision.resampling.prepare(targets, scores)(weights)
    for counts, value in zip(weights, found, strict=True):
        drawn = np.repeat(np.arange(len(targets)), counts)
        if targets[drawn].any():
            assert value == pytest.approx(compute(targets[drawn], scores[drawn]), abs=1e-12)
        else:
            assert np.isnan(value)


@pytest.mark.parametrize(("n", "positives"), [(1, 1), (5, 1), (6, 3), (6, 5), (4, 4)])
def test_chance_is_the_mean_over_all_orders(n, positives):
    targets = np.array([[1]] * positives + [[0]] * (n - positives), dtype=np.uint8)
    orders = [compute(targets, np.array(order, dtype=float)[:, None]) for order in itertools.permutations(range(n))]
    assert mean_average_precision.chance(targets, 1) == pytest.approx(np.mean(orders), abs=1e-12)


def test_chance_is_what_random_scores_get():
    rng = np.random.default_rng(0)
    targets = (rng.random((80, 5)) < [0, 0.03, 0.1, 0.5, 0.9]).astype(np.uint8)
    scores = rng.random((3000, 80, 5))
    found = np.mean([compute(targets, one) for one in scores])
    assert mean_average_precision.chance(targets, 5) == pytest.approx(found, abs=0.003)


@pytest.mark.parametrize(
    ("targets", "scores", "message"),
    [
        (np.zeros((3, 2), np.uint8), np.zeros((3, 2)), "no class has a positive clip: got none in 3 clips"),
        (np.full((3, 2), 2, np.uint8), np.zeros((3, 2)), "targets are not k-hot: got 2 to 2"),
        (np.zeros(3, np.uint8), np.zeros(3), "targets are not k-hot"),
        (np.ones((3, 2)), np.zeros((3, 2)), "targets are not k-hot: got float64"),
        (np.ones((0, 2), np.uint8), np.zeros((0, 2)), "nothing to score"),
        (np.ones((3, 2), np.uint8), np.zeros((3, 3)), "shapes differ"),
        (np.ones((3, 2), np.uint8), np.zeros((3, 2), int), "predictions are no scores"),
        (np.ones((3, 2), np.uint8), np.full((3, 2), np.nan), "a score is not finite: got nan"),
    ],
)
def test_bad_input_is_refused(targets, scores, message):
    with pytest.raises(DataError, match=message):
        compute(targets, scores)


def test_chance_needs_fitting_targets():
    with pytest.raises(DataError, match="targets do not fit: got 2 classes, expected 3"):
        mean_average_precision.chance(np.ones((3, 2), np.uint8), 3)


# ------------------------------------------------------------------------------------------------------- labels

CLASSES = ("Bark", "Meow", "Purr, soft", "Growl")


@given(st.lists(st.sampled_from(CLASSES), min_size=1), st.sampled_from([";", "; ", " ;"]))
def test_labels_become_a_k_hot_vector(labels, between):
    target = MultiLabel("soundevent", CLASSES)({"soundevent": between.join(labels)}, "x")
    assert target.dtype == np.uint8
    assert {CLASSES[i] for i in np.flatnonzero(target)} == set(labels)
    assert target.max() == 1


def test_labels_stack():
    several, one = MultiLabel("k", CLASSES), ClassLabel("k", CLASSES)
    assert isinstance(several, Target)
    assert isinstance(one, Target)
    stacked = several.stack([several({"k": text}, "x") for text in ("Bark", "Growl;Meow")])
    assert stacked.dtype == np.uint8
    assert stacked.tolist() == [[1, 0, 0, 0], [0, 1, 0, 1]]
    assert several.stack([]).shape == (0, 4)
    assert one.stack([2, 0]).tolist() == [2, 0]
    assert one.stack([2, 0]).dtype == np.int64


def test_a_clip_without_labels_must_be_allowed():
    with pytest.raises(DataError, match=r"empty label 'k': got ' ', expected at least one class \[x\]"):
        MultiLabel("k", CLASSES)({"k": " "}, "x")
    assert MultiLabel("k", CLASSES, allow_empty=True)({"k": ""}, "x").tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ({"k": "Bark;Moo"}, r"unknown label 'k': got 'Moo', expected one of 4 classes \('Bark', .*\) \[x\]"),
        ({"k": "Bark;"}, "unknown label 'k': got ''"),
        ({"k": "bark"}, "unknown label 'k': got 'bark'"),
        ({"k": "Bark,Meow"}, "unknown label 'k': got 'Bark,Meow'"),
        ({"k": ["Bark"]}, r"unreadable label 'k': got \['Bark'\]"),
        ({"k": None}, "unreadable label 'k': got None"),
        ({"l": "Bark"}, r"label missing: got \['l'\], expected a key 'k'"),
    ],
    ids=json.dumps,
)
def test_each_bad_label_has_its_message(sidecar, message):
    with pytest.raises(DataError, match=message):
        MultiLabel("k", CLASSES, allow_empty=True)(sidecar, "x")


def test_the_interval_of_map_lies_around_it() -> None:
    """Repeated positives raise average precision; without a correction the estimate would lie at the lower end."""
    from bench.metrics import mean_average_precision
    from bench.scoring.measure import compute_interval

    rng = np.random.default_rng(3)
    targets = (rng.random((200, 20)) < 0.08).astype(np.uint8)
    scores = (0.3 * targets + rng.random(targets.shape)).astype(np.float32)[None]
    value = mean_average_precision.compute(targets, scores[0])
    low, high = compute_interval(mean_average_precision, targets, scores, np.zeros(200, dtype=np.int64), None)
    assert low < value < high
    assert abs((value - low) - (high - value)) < 0.35 * (high - low)
