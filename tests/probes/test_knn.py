"""The kNN probe against scikit-learn, and its promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from bench.probes import KNN, knn
from bench.types import DataError, FitSplit, Probe

C = 5


def clips(n=120, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, C, n)
    targets[:C] = np.arange(C)
    vectors = (rng.normal(size=(C, dim))[targets] * 0.7 + rng.normal(size=(n, dim))).astype(np.float32)
    return vectors, targets


def solve(vectors, targets, train, test, probe=None):
    problem = FitSplit(np.asarray(train), None, np.asarray(test))
    result = (probe or KNN()).run(vectors, targets, [problem], n_classes=C, seeds=())[0]
    assert result.predictions.shape == (1, len(test))
    return result.predictions[0]


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (10, 0.07), (15, 1.0), (80, 0.07)])
def test_agrees_with_scikit_learn(k, temperature):
    vectors, targets = clips()
    train, test = np.arange(80), np.arange(80, 120)
    other = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distance: np.exp(-distance / temperature)
    ).fit(vectors[train].astype(np.float64), targets[train])
    ours = solve(vectors, targets, train, test, KNN(k, temperature))
    np.testing.assert_array_equal(ours, other.predict(vectors[test].astype(np.float64)))


def test_blocks_and_several_problems_change_nothing(monkeypatch):
    vectors, targets = clips()
    fold = np.arange(len(targets)) % 3
    problems = [FitSplit(np.flatnonzero(fold != f), None, np.flatnonzero(fold == f)) for f in range(3)]
    whole = KNN().run(vectors, targets, problems, n_classes=C, seeds=())
    monkeypatch.setattr(knn, "BLOCK", 200)
    for problem, result, blocked in zip(
        problems, whole, KNN().run(vectors, targets, problems, n_classes=C, seeds=()), strict=True
    ):
        np.testing.assert_array_equal(result.predictions, blocked.predictions)
        np.testing.assert_array_equal(result.predictions[0], solve(vectors, targets, problem.train, problem.test))


@given(seed=st.integers(0, 1000))
def test_order_of_clips_does_not_matter(seed):
    vectors, targets = clips(seed=seed)
    rng = np.random.default_rng(seed)
    train, test = rng.permutation(80), 80 + rng.permutation(40)
    expected = solve(vectors, targets, np.arange(80), np.arange(80, 120))
    np.testing.assert_array_equal(solve(vectors, targets, train, test), expected[test - 80])


@given(seed=st.integers(0, 1000), exponents=st.lists(st.integers(-30, 30), min_size=120, max_size=120))
def test_length_of_a_vector_does_not_matter(seed, exponents):
    vectors, targets = clips(seed=seed)
    scaled = vectors * np.exp2(np.array(exponents, dtype=np.float32))[:, None]  # exact in floating point
    train, test = np.arange(80), np.arange(80, 120)
    np.testing.assert_array_equal(solve(scaled, targets, train, test), solve(vectors, targets, train, test))


@given(seed=st.integers(0, 1000))
def test_names_of_classes_do_not_matter(seed):
    vectors, targets = clips(seed=seed)
    renamed = np.random.default_rng(seed).permutation(C)
    train, test = np.arange(80), np.arange(80, 120)
    expected = renamed[solve(vectors, targets, train, test)]
    np.testing.assert_array_equal(solve(vectors, renamed[targets], train, test), expected)


def test_an_offset_common_to_all_clips_does_not_drown_the_direction_of_each():
    # Scaling feature dimensions instead of clips, as X-ARES does, lets the long training vectors win every vote.
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 2
    angle = np.where(targets == 0, 0.3, 0.9) + rng.normal(scale=0.05, size=200)
    length = np.where(targets == 0, 1.0, 50.0)
    vectors = (np.stack([np.cos(angle), np.sin(angle)], axis=1) * length[:, None]).astype(np.float32)
    assert (solve(vectors, targets, np.arange(100), np.arange(100, 200)) == targets[100:]).all()


@pytest.mark.parametrize("fill", [0.0, 3.0])
def test_constant_vectors_give_one_answer_from_the_first_clips(fill):
    vectors, targets = clips()
    vectors[:] = fill
    targets[:10] = [4, 4, 4, 4, 1, 1, 1, 0, 0, 2]
    assert set(solve(vectors, targets, np.arange(80), np.arange(80, 120))) == {4}


def test_zero_vectors_are_orthogonal_to_everything():
    vectors, targets = clips()
    vectors[0] = 0.0
    expected = solve(vectors, targets, np.arange(1, 80), np.arange(80, 120))
    np.testing.assert_array_equal(solve(vectors, targets, np.arange(80), np.arange(80, 120)), expected)
    assert 0 <= solve(vectors, targets, np.arange(1, 80), [0])[0] < C


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=30), st.data())
def test_ties_go_to_the_first_columns(values, data):
    k = data.draw(st.integers(1, len(values)))
    row = knn.torch.tensor([values], dtype=knn.torch.float32)
    similarity, columns = knn._find_top_k(row, k)
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert sorted(columns[0].tolist()) == sorted(expected)
    assert similarity[0].tolist() == [values[i] for i in columns[0].tolist()]


def test_it_is_a_probe():
    assert isinstance(KNN(), Probe)
    assert (KNN().name, KNN().seeded) == ("knn", False)


def test_fewer_clips_than_neighbours_is_an_error_naming_both():
    vectors, targets = clips()
    with pytest.raises(DataError, match="fewer neighbours than k: got k=10, 9 training clips"):
        solve(vectors, targets, np.arange(9), np.arange(80, 120))


def test_several_labels_per_clip_are_refused():
    vectors, targets = clips()
    k_hot = np.eye(C, dtype=np.uint8)[targets]
    with pytest.raises(
        DataError, match=r"votes need one label per clip: got targets \[120, 5\], expected targets \[N\]"
    ):
        solve(vectors, k_hot, np.arange(80), np.arange(80, 120))


def test_not_finite_is_refused():
    vectors, targets = clips()
    vectors[90, 0] = np.nan
    with pytest.raises(DataError, match="row 90 is not finite"):
        solve(vectors, targets, np.arange(80), np.arange(80, 120))
