"""Back-ends of verification against their definitions, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression

from bench.metrics.detection import compute_cllr, compute_eer, rank_trials
from bench.probes import PLDA, Cosine, SNorm
from bench.probes.backends import build_cohort, compute_cohort_statistics, scale_to_unit_length
from bench.types import DataError, FitSplit, Pairs
from bench.types.trials import UNKNOWN
from bench.verification import plda
from bench.verification.calibration import fit_line

HOW = {"n_classes": 2, "seeds": (0,)}
SPEAKERS, UTTERANCES, D = 24, 5, 7
SPEAKER = np.repeat(np.arange(SPEAKERS), UTTERANCES)
TRAIN = np.flatnonzero(SPEAKER >= 10)


def drawn(seed: int = 0, dimensions: int = D, spread: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((SPEAKERS, dimensions))
    return (2 + centres[SPEAKER] + spread * rng.standard_normal((len(SPEAKER), dimensions))).astype(np.float32)


def all_pairs() -> Pairs:
    first, second = np.triu_indices(50, k=1)
    return Pairs(first.astype(np.int32), second.astype(np.int32), SPEAKER)


def run(backend, vectors, pairs=None, train=TRAIN):
    (result,) = backend.run(vectors, pairs or all_pairs(), [FitSplit(train, None, np.arange(50))], **HOW)
    return result.predictions[0]


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_cosine():
    vectors, pairs = drawn(), all_pairs()
    expected = [cosine(vectors[e], vectors[t]) for e, t in zip(pairs.enrol, pairs.test, strict=True)]
    np.testing.assert_allclose(run(Cosine(), vectors), expected, atol=1e-6)
    moved = vectors - vectors[TRAIN].mean(axis=0)
    expected = [cosine(moved[e], moved[t]) for e, t in zip(pairs.enrol, pairs.test, strict=True)]
    np.testing.assert_allclose(run(Cosine(centred=True), vectors), expected, atol=1e-5)


@pytest.mark.parametrize("top_n", [None, 2, 9])
@pytest.mark.parametrize("cohort", ["speakers", "utterances"])
def test_snorm_is_its_formula(top_n, cohort):
    vectors, pairs = drawn(), all_pairs()
    moved = (vectors - vectors[TRAIN].mean(axis=0)).astype(np.float64)
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    others = unit[TRAIN]
    if cohort == "speakers":
        others = np.stack([unit[speaker == SPEAKER].mean(axis=0) for speaker in np.unique(SPEAKER[TRAIN])])
        others /= np.linalg.norm(others, axis=1, keepdims=True)
    expected = []
    for e, t in zip(pairs.enrol, pairs.test, strict=True):
        s, terms = unit[e] @ unit[t], []
        for side in (e, t):
            best = np.sort(others @ unit[side])[-(top_n or len(others)) :]
            terms.append((s - best.mean()) / np.std(best))
        expected.append(sum(terms) / 2)
    np.testing.assert_allclose(run(SNorm(top_n, cohort), vectors), expected, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("backend", [Cosine(), Cosine(True), SNorm(), SNorm(3), PLDA(), PLDA(calibrate=True)])
@pytest.mark.parametrize("width", [1, 3, 16, 33])
def test_constant_embeddings_tie(backend, width):
    same = np.tile(np.linspace(0.1, 0.73, width, dtype=np.float32), (len(SPEAKER), 1))
    for vectors in (same, same * 0):
        scores = run(backend, vectors)
        assert len(np.unique(scores)) == 1
        assert compute_eer(rank_trials(SPEAKER[all_pairs().enrol] == SPEAKER[all_pairs().test], scores)) == 0.5


@pytest.mark.parametrize("backend", [Cosine(), Cosine(True), SNorm(5), PLDA(), Cosine(calibrate=True)])
@settings(max_examples=15)
@given(seed=st.integers(0, 99))
def test_sides_and_order_do_not_matter(backend, seed):
    vectors, pairs = drawn(seed), all_pairs()
    scores = run(backend, vectors)
    order = np.random.default_rng(seed).permutation(len(scores))
    other = Pairs(pairs.test[order], pairs.enrol[order], SPEAKER)
    np.testing.assert_array_equal(run(backend, vectors, other), scores[order])
    scaled = run(backend, vectors * np.float32(4))  # exact in floats
    np.testing.assert_allclose(scaled, scores, rtol=1e-4, atol=1e-4)


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_plda_is_the_ratio_of_two_gaussians(seed):
    """log p(e, t | one speaker) - log p(e) p(t), from the covariances themselves."""
    rng = np.random.default_rng(seed)
    d = 4
    a, b = rng.standard_normal((2, d, d))
    within, between = a @ a.T + 0.3 * np.eye(d), b @ b.T
    mean = rng.standard_normal(d)
    basis, psi = plda.diagonalize_covariances(within, between)
    fitted = plda.PldaModel(mean, basis, psi).prepare_vectors(rng.standard_normal((6, d)).astype(np.float32))
    rng = np.random.default_rng(seed)
    rng.standard_normal((2, d, d)), rng.standard_normal(d)
    vectors = rng.standard_normal((6, d)).astype(np.float32).astype(np.float64)
    whole = np.block([[between + within, between], [between, between + within]])
    joint, single = multivariate_normal(np.tile(mean, 2), whole), multivariate_normal(mean, between + within)
    for e, t in ((0, 1), (2, 2), (5, 3)):
        expected = joint.logpdf(np.concatenate([vectors[e], vectors[t]])) - single.logpdf(vectors[[e, t]]).sum()
        dot = fitted.vectors[e].astype(np.float64) @ fitted.vectors[t]
        assert dot + fitted.biases[e] + fitted.biases[t] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_plda_finds_the_covariances_that_made_the_data():
    rng = np.random.default_rng(1)
    n, each, d = 3000, 4, 3
    between, within = np.diag([4.0, 1.0, 0.1]), np.array([[1.0, 0.5, 0], [0.5, 1.0, 0], [0, 0, 2.0]])
    speaker = np.repeat(np.arange(n), each)
    y = rng.multivariate_normal(np.zeros(d), between, n)[speaker]
    vectors = (y + rng.multivariate_normal(np.ones(d), within, len(speaker))).astype(np.float32)
    model = plda.fit_plda(vectors, speaker, iterations=20, ridge=0.0)
    back = np.linalg.inv(model.basis)
    np.testing.assert_allclose(back.T @ back, within, atol=0.1)
    np.testing.assert_allclose(back.T @ np.diag(model.psi) @ back, between, atol=0.3)
    np.testing.assert_allclose(model.mean, 1.0, atol=0.1)


def test_plda_uses_what_varies_between_speakers():
    """Where one direction says who speaks and the others are loud noise, PLDA hears what cosine does not."""
    rng = np.random.default_rng(0)
    vectors = 2 * rng.standard_normal((len(SPEAKER), 6))
    vectors[:, 0] = 2 * rng.standard_normal(SPEAKERS)[SPEAKER] + 0.1 * rng.standard_normal(len(SPEAKER))
    pairs = all_pairs()
    same = SPEAKER[pairs.enrol] == SPEAKER[pairs.test]
    by = {b.name: compute_eer(rank_trials(same, run(b, vectors.astype(np.float32)))) for b in (Cosine(), PLDA())}
    assert by["plda"] < by["cosine"] - 0.05


def test_calibration_is_logistic_regression():
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], [300, 3000])
    scores = (rng.standard_normal(3300) + 2.0 * same).astype(np.float32) * 0.1
    found = fit_line(scores, same)
    balance = np.where(same, 0.5 / 300, 0.5 / 3000) * 1e6
    other = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(scores[:, None] * 10, same, sample_weight=balance)
    assert found.scale == pytest.approx(float(other.coef_[0, 0]) * 10, rel=5e-3)
    assert found.offset == pytest.approx(float(other.intercept_[0]), abs=1e-2)
    assert compute_cllr(rank_trials(same, found(scores))) < min(compute_cllr(rank_trials(same, scores)), 0.6)
    assert fit_line(scores[same], same[same] & (np.arange(300) < 150)).scale > 0
    assert fit_line(scores, ~same).scale > 0  # never upside down
    separable = fit_line(np.float32([0, 0.1, 1, 1.1]), np.array([False, False, True, True]))
    assert np.isfinite([separable.scale, separable.offset]).all()


def test_units_and_cohorts():
    vectors = np.float32([[3, 4], [0, 0], [1e-30, 0]])
    np.testing.assert_allclose(scale_to_unit_length(vectors, None), [[0.6, 0.8], [0, 0], [0, 0]], atol=1e-7)
    unit = scale_to_unit_length(drawn(), None)
    assert build_cohort(unit, TRAIN, SPEAKER, "speakers").shape == (14, D)
    assert build_cohort(unit, TRAIN, SPEAKER, "utterances").shape == (70, D)
    mean, spread = compute_cohort_statistics(unit, unit[TRAIN], None)
    cosines = unit.astype(np.float64) @ unit[TRAIN].T
    np.testing.assert_allclose(mean, cosines.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(spread, cosines.std(axis=1), atol=1e-6)


def test_names_tell_back_ends_apart():
    backends = [Cosine(), Cosine(True), Cosine(True, True), SNorm(), SNorm(3), SNorm(3, "utterances"), PLDA()]
    names = [backend.name for backend in backends]
    assert names == [
        *("cosine", "cosine:centred", "cosine:centred,calibrated", "snorm", "asnorm", "asnorm:utterances", "plda")
    ]
    assert not any(backend.seeded for backend in backends)


@pytest.mark.parametrize(
    ("backend", "changes", "message"),
    [
        (SNorm(15), {}, "cohort too small: got top_n 15, cohort of 14"),
        (SNorm(1), {}, "cohort too small: got top_n 1"),
        (SNorm(71, "utterances"), {}, "cohort too small: got top_n 71, cohort of 70"),
        (SNorm(), {"train": np.arange(45, 120)}, "training set overlaps the trials"),
        (Cosine(True), {"train": np.arange(49, 120)}, "training set overlaps the trials"),
        (Cosine(True), {"train": np.zeros(0, dtype=int)}, "no mean to subtract"),
        (PLDA(), {"train": TRAIN[::5]}, "nothing to learn from: got 14 speakers, at most 1"),
        (PLDA(), {"train": TRAIN[:5]}, "nothing to learn from: got 1 speakers"),
        (Cosine(calibrate=True), {"train": TRAIN[::5]}, "nothing to calibrate on"),
        (Cosine(), {"speakers": np.where(SPEAKER == 20, UNKNOWN, SPEAKER)}, "training speakers: got 5 of 70"),
        (Cosine(), {"speakers": SPEAKER[:-1]}, "trials do not fit"),
        (Cosine(), {"vectors": np.where(np.arange(120)[:, None] == 3, np.nan, drawn())}, "row 3 is not finite"),
    ],
)
def test_what_is_refused(backend, changes, message):
    pairs = all_pairs()
    pairs = Pairs(pairs.enrol, pairs.test, changes.get("speakers", SPEAKER))
    with pytest.raises(DataError, match=message):
        run(backend, changes.get("vectors", drawn()), pairs, changes.get("train", TRAIN))
