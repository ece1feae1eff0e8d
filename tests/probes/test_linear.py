"""The linear probe against a plain torch.nn / torch.optim loop, and its promises."""

import math

import numpy as np
import pytest
import torch

from bench.probes import LinearProbe, heads, linear
from bench.probes.linear import HeadJob
from bench.types import DataError, FitSplit, Probe

N, D, C = 150, 12, 4
SEEDS = (7, 8, 9)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def clips(separation=1.0, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, C, N)
    vectors = rng.normal(size=(C, D))[targets] * separation + rng.normal(size=(N, D))
    return (vectors * 3 + 5).astype(np.float32), targets


def folds():
    """Three uneven folds with a validation part, and one problem without."""
    order = np.random.default_rng(1).permutation(N)
    return [
        FitSplit(order[:90], order[90:110], order[110:]),
        FitSplit(order[40:], order[:20], order[20:40]),
        FitSplit(order[101:], None, order[:101]),
    ]


def plain_torch(probe, x, y, job):
    """The textbook loop with the probe's initial weights and batch order: [(parameters, valid accuracy)] by epoch."""
    model = torch.nn.Sequential(torch.nn.LayerNorm(D), torch.nn.Linear(D, C))
    start = linear._initial([(job.seed, job.place)], D, C, torch.device("cpu"))
    with torch.no_grad():
        model[1].weight.copy_(start.weight[0].T)
        model[1].bias.copy_(start.offset[0, 0])
    adam = torch.optim.Adam(model.parameters(), lr=probe.learning_rate, fused=False, foreach=False)
    history = []
    for epoch in range(1, probe.epochs + 1):
        cosine = (1 + math.cos(math.pi * (epoch - 1) / probe.epochs)) / 2
        adam.param_groups[0]["lr"] = 0.1 * probe.learning_rate + 0.9 * probe.learning_rate * cosine
        bits = linear._random_bits(len(job.problem.train), job.seed, job.place, epoch)
        shuffled = torch.from_numpy(job.problem.train[np.argsort(bits, kind="stable")])
        for rows in shuffled.split(probe.batch_size):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            adam.step()
        with torch.no_grad():
            valid = job.problem.valid
            score = None if valid is None else float((model(x[valid]).argmax(1) == y[valid]).double().mean())
            history.append(([p.clone() for p in model.parameters()], score, model(x[job.problem.test]).argmax(1)))
    return history


@pytest.mark.parametrize("probe", [LinearProbe(), LinearProbe(epochs=4, learning_rate=0.03, batch_size=7)], ids=str)
def test_every_stacked_head_is_what_plain_torch_trains(probe):
    vectors, targets = clips()
    x, y = torch.from_numpy(vectors), torch.from_numpy(targets)
    jobs = [HeadJob(problem, i, seed) for i, problem in enumerate(folds()) for seed in SEEDS]
    fitted = linear.fit_heads(probe, linear._normalize_rows(vectors, "cpu"), y, jobs, C)
    results = probe.run(vectors, targets, folds(), n_classes=C, seeds=SEEDS)
    for p, job in enumerate(jobs):
        history = plain_torch(probe, x, y, job)
        scores = [score for _, score, _ in history]
        epoch = probe.epochs if job.problem.valid is None else 1 + scores.index(max(scores))
        assert fitted.epochs[p] == epoch
        assert fitted.valid[p] == scores[epoch - 1]
        parameters, _, predictions = history[epoch - 1]
        mine = fitted.heads
        stacked = (mine.gain[p, 0], mine.bias[p, 0], mine.weight[p].T, mine.offset[p, 0])
        for ours, theirs in zip(stacked, parameters, strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
        row = SEEDS.index(job.seed)
        np.testing.assert_array_equal(results[job.place].predictions[row], predictions.numpy())
        assert results[job.place].info["epoch"][row] == epoch


def test_a_head_does_not_depend_on_what_it_is_stacked_with(monkeypatch):
    vectors, targets = clips()
    x, y = linear._normalize_rows(vectors, "cpu"), torch.from_numpy(targets)
    jobs = [HeadJob(problem, i, seed) for i, problem in enumerate(folds()) for seed in SEEDS]
    together = linear.fit_heads(LinearProbe(), x, y, jobs, C)
    for p, job in enumerate(jobs):
        alone = linear.fit_heads(LinearProbe(), x, y, [job], C)
        for a, b in zip(alone.heads.tensors, together.heads.tensors, strict=True):
            torch.testing.assert_close(a[0], b[p], atol=1e-6, rtol=1e-5)
        assert alone.epochs == [together.epochs[p]]
    whole = LinearProbe().run(vectors, targets, folds(), n_classes=C, seeds=SEEDS)
    monkeypatch.setattr(linear, "GROUP", 2 * D * C)  # two heads at a time
    monkeypatch.setattr(heads, "ROWS", 16)
    split = LinearProbe().run(vectors, targets, folds(), n_classes=C, seeds=SEEDS)
    for a, b in zip(whole, split, strict=True):
        np.testing.assert_array_equal(a.predictions, b.predictions)
        assert a.info == b.info


def test_same_bits_again_whatever_the_global_random_state():
    vectors, targets = clips(separation=0.3)
    x, y = linear._normalize_rows(vectors, "cpu"), torch.from_numpy(targets)
    jobs = [HeadJob(problem, i, 3) for i, problem in enumerate(folds())]
    torch.manual_seed(1)
    first = linear.fit_heads(LinearProbe(), x, y, jobs, C)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = linear.fit_heads(LinearProbe(), x, y, jobs, C)
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(first.heads.tensors, second.heads.tensors, strict=True):
        assert torch.equal(a, b)


def test_seeds_differ_and_are_independent_of_each_other():
    vectors, targets = clips(separation=0.3)
    both = LinearProbe().run(vectors, targets, folds(), n_classes=C, seeds=(1, 2))
    one = LinearProbe().run(vectors, targets, folds(), n_classes=C, seeds=(2,))
    assert both[0].predictions.shape == (2, 40)
    assert (both[2].predictions[0] != both[2].predictions[1]).any()
    for a, b in zip(both, one, strict=True):
        np.testing.assert_array_equal(a.predictions[1:], b.predictions)


def test_targets_of_test_clips_are_never_read():
    vectors, targets = clips(separation=0.3)
    problem = folds()[0]
    scrambled = targets.copy()
    scrambled[problem.test] = (targets[problem.test] + 1) % C
    a = LinearProbe().run(vectors, targets, [problem], n_classes=C, seeds=SEEDS)[0]
    b = LinearProbe().run(vectors, scrambled, [problem], n_classes=C, seeds=SEEDS)[0]
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert a.info == b.info


def test_without_validation_the_last_epoch_counts():
    vectors, targets = clips()
    result = LinearProbe(epochs=3).run(vectors, targets, [folds()[2]], n_classes=C, seeds=(0,))[0]
    assert result.info == {"epoch": [3]}


def test_equal_validation_scores_keep_the_earlier_epoch():
    vectors, targets = clips(separation=40)
    probe = LinearProbe(learning_rate=0.05)
    info = probe.run(vectors, targets, [folds()[0]], n_classes=C, seeds=(0,))[0].info
    assert info["valid"] == [1.0]
    assert info["epoch"][0] < probe.epochs


def test_learns_what_is_there_and_nothing_else():
    vectors, targets = clips(separation=3)
    problem = folds()[2]
    probe = LinearProbe(epochs=30, learning_rate=0.01)
    right = probe.run(vectors, targets, [problem], n_classes=C, seeds=(0,))[0].predictions[0] == targets[problem.test]
    assert right.mean() > 0.95
    constant = np.ones_like(vectors)
    predictions = probe.run(constant, targets, [problem], n_classes=C, seeds=(0,))[0].predictions
    assert len(np.unique(predictions)) == 1


def test_layer_norm_makes_scale_and_offset_irrelevant():
    vectors, targets = clips(separation=0.5)
    probe = LinearProbe()
    a = probe.run(vectors, targets, folds(), n_classes=C, seeds=(0,))
    b = probe.run((vectors * 128 - 64).astype(np.float32), targets, folds(), n_classes=C, seeds=(0,))
    agree = np.concatenate([x.predictions == y.predictions for x, y in zip(a, b, strict=True)], axis=1)
    assert agree.mean() > 0.99


def test_learning_rates_are_the_published_ones():
    published = [1e-3, 9.780e-4, 9.141e-4, 8.145e-4, 6.891e-4, 5.500e-4, 4.109e-4, 2.855e-4, 1.859e-4, 1.220e-4]
    rates = [linear.compute_learning_rate(LinearProbe(), epoch) for epoch in range(1, 11)]
    np.testing.assert_allclose(rates, published, rtol=5e-4)


def test_initial_weights_are_distributed_as_torchs():
    heads = linear._initial([(0, 0), (0, 1), (1, 0)], 400, 50, torch.device("cpu"))
    reference = torch.nn.Linear(400, 50)
    assert float(heads.weight.abs().max()) <= 0.05
    assert float(heads.weight.std()) == pytest.approx(float(reference.weight.detach().std()), rel=0.02)
    assert not torch.equal(heads.weight[0], heads.weight[1])
    assert not torch.equal(heads.weight[0], heads.weight[2])


@pytest.mark.parametrize("size", [1, 31, 32, 33, 64])
def test_an_epoch_is_every_clip_once(size):
    rows = np.arange(size) + 5
    jobs = [HeadJob(FitSplit(rows, None, rows), 0, 0), HeadJob(FitSplit(np.arange(50), None, rows), 1, 0)]
    batches, weights = linear._build_batches(LinearProbe(), jobs, 1, torch.device("cpu"))
    used = weights[:, 0] > 0
    assert sorted(batches[:, 0][used].tolist()) == rows.tolist()
    sums = weights[:, 0].sum(dim=1)
    torch.testing.assert_close(sums[sums > 0], torch.ones(math.ceil(size / 32)))
    again, _ = linear._build_batches(LinearProbe(), jobs, 2, torch.device("cpu"))
    assert size < 31 or not torch.equal(batches[:, 0], again[:, 0])


def test_it_is_a_probe():
    probe = LinearProbe()
    assert isinstance(probe, Probe)
    assert (probe.name, probe.seeded) == ("linear", True)


def _problem(train=range(100), valid=None, test=range(100, N)):
    as_rows = [None if rows is None else np.array(rows, dtype=np.int64) for rows in (train, valid, test)]
    return FitSplit(*as_rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": _problem(train=[])}, "train set is empty.*problem 1 of 1"),
        ({"problem": _problem(test=[])}, "test set is empty"),
        ({"problem": _problem(valid=[])}, "valid set is empty"),
        ({"problem": _problem(test=[3, N])}, f"test rows out of range: got 3 to {N}"),
        ({"problem": _problem(test=[99, 100])}, "train and test overlap: got 1 shared rows, first 99"),
        ({"problem": _problem(valid=[5])}, "train and valid overlap"),
        ({"nan": 17}, "embedding of row 17 is not finite: got nan"),
        ({"inf": 20}, "embedding of row 20 is not finite: got -inf"),
        ({"label": C}, f"class index of row 9 out of range: got {C}, expected 0 to {C - 1}"),
        ({"label": -1}, "class index of row 9 out of range: got -1"),
        ({"same": True}, "cannot teach a distinction: got only class 2"),
        ({"targets": 3}, r"embeddings and targets do not match: got vectors \[150, 12\], targets \[3\]"),
        ({"seeds": ()}, "no probe seeds"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_refused(change, message):
    vectors, targets = clips()
    if "nan" in change:
        vectors[change["nan"], 3] = np.nan
    if "inf" in change:
        vectors[change["inf"], 3] = -np.inf
    if "label" in change:
        targets[9] = change["label"]
    if "same" in change:
        targets[:] = 2
    targets = targets[: change.get("targets", N)]
    with pytest.raises(DataError, match=message):
        LinearProbe().run(
            vectors, targets, [change.get("problem", _problem())], n_classes=C, seeds=change.get("seeds", (0,))
        )
