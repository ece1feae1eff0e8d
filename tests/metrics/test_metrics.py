"""Classification metrics against scikit-learn and torchmetrics, and by their properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torchmetrics.functional.classification import multiclass_accuracy

from bench.metrics import accuracy, balanced_accuracy
from bench.types import DataError, PerClip

METRICS = [accuracy, balanced_accuracy]
CLASSES = 6


@st.composite
def answers(draw: st.DrawFn, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 60))
    column = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)
    return np.array(draw(column)), np.array(draw(column))


@given(answers())
def test_accuracy_is_scikit_learns(pair):
    assert accuracy.compute(*pair) == pytest.approx(accuracy_score(*pair))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@given(answers())
def test_balanced_accuracy_is_scikit_learns(pair):
    assert balanced_accuracy.compute(*pair) == pytest.approx(balanced_accuracy_score(*pair))


@given(answers())
def test_both_are_torchmetrics(pair):
    targets = np.concatenate([pair[0], np.arange(CLASSES)])  # torchmetrics also counts classes that are only predicted
    predictions = np.concatenate([pair[1], np.zeros(CLASSES, dtype=int)])
    for metric, average in ((accuracy, "micro"), (balanced_accuracy, "macro")):
        other = multiclass_accuracy(torch.tensor(predictions), torch.tensor(targets), CLASSES, average=average)
        assert metric.compute(targets, predictions) == pytest.approx(float(other), abs=1e-6)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
class TestEveryMetric:
    @given(pair=answers())
    def test_range_and_perfection(self, metric, pair):
        assert metric.worst <= metric.compute(*pair) <= metric.best
        assert metric.compute(pair[0], pair[0]) == metric.best

    @given(pair=answers(), seed=st.integers(0, 99))
    def test_order_of_clips_and_names_of_classes_do_not_matter(self, metric, pair, seed):
        rng = np.random.default_rng(seed)
        order, renamed = rng.permutation(len(pair[0])), rng.permutation(CLASSES)
        targets, predictions = pair
        value = metric.compute(targets, predictions)
        assert metric.compute(renamed[targets][order], renamed[predictions][order]) == pytest.approx(value)

    @given(pair=answers())
    def test_one_more_right_answer_never_hurts(self, metric, pair):
        targets, predictions = pair
        mended = predictions.copy()
        mended[0] = targets[0]
        assert metric.compute(targets, mended) >= metric.compute(targets, predictions)

    def test_chance_is_what_guessing_scores(self, metric):
        rng = np.random.default_rng(0)
        targets = np.repeat(np.arange(CLASSES), [5000, 3000, 1000, 1000, 1000, 1000])
        guesses = rng.integers(0, CLASSES, len(targets))
        assert metric.compute(targets, guesses) == pytest.approx(metric.chance(targets, CLASSES), abs=0.01)
        assert metric.chance(targets, CLASSES) == 1 / CLASSES

    @pytest.mark.parametrize(
        ("targets", "predictions", "message"),
        [
            ([], [], "nothing to score"),
            ([1, 2], [1], "lengths differ"),
            ([[1], [2]], [1, 2], "no class indices"),
            ([1, 2], [0.2, 0.9], "no class indices"),
        ],
    )
    def test_bad_input_is_refused(self, metric, targets, predictions, message):
        integer = np.array(targets, dtype=np.int64)
        with pytest.raises(DataError, match=message):
            metric.compute(integer, np.array(predictions, dtype=None if predictions else np.int64))


@given(answers())
def test_per_clip_values_average_to_accuracy(pair):
    assert isinstance(accuracy.resampling, PerClip)
    assert accuracy.resampling.contributions(*pair).mean() == accuracy.compute(*pair)


def test_balanced_accuracy_sees_through_the_majority():
    targets = np.array([0] * 90 + [1] * 10)
    assert accuracy.compute(targets, np.zeros(100, dtype=int)) == pytest.approx(0.9)
    assert balanced_accuracy.compute(targets, np.zeros(100, dtype=int)) == 0.5


def test_chance_needs_classes():
    with pytest.raises(DataError, match="no classes"):
        accuracy.chance(np.array([0]), 0)


def test_chance_is_that_of_the_classes_that_occur():
    assert accuracy.chance(np.array([0, 2, 2, 0]), 50) == 0.5
    assert balanced_accuracy.chance(np.array([7]), 50) == 1.0
    assert accuracy.chance(np.arange(5), 5) == 1 / 5
