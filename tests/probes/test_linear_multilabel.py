"""The linear probe on k-hot targets against a plain torch.nn / torch.optim loop, and its promises."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from bench.probes import LinearProbe, linear
from bench.probes.linear import HeadJob
from bench.probes.objectives import MultiLabelObjective
from bench.types import DataError, FitSplit

N, D, C = 150, 12, 4
SEEDS = (7, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def clips(separation=1.5, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((N, C)) < 0.3).astype(np.uint8)
    vectors = targets @ rng.normal(size=(C, D)) * separation + rng.normal(size=(N, D))
    return vectors.astype(np.float32), targets


def folds():
    order = np.random.default_rng(1).permutation(N)
    return [FitSplit(order[:90], order[90:110], order[110:]), FitSplit(order[41:], None, order[:41])]


def plain_torch(probe, x, y, job):
    """The textbook loop with the probe's initial weights and batches: [(parameters, valid mAP, scores)] by epoch."""
    model = torch.nn.Sequential(torch.nn.LayerNorm(D), torch.nn.Linear(D, C))
    start = linear._initial([(job.seed, job.place)], D, C, torch.device("cpu"))
    with torch.no_grad():
        model[1].weight.copy_(start.weight[0].T)
        model[1].bias.copy_(start.offset[0, 0])
    weight = None if probe.pos_weight is None else torch.tensor(probe.pos_weight)
    criterion = torch.nn.BCEWithLogitsLoss(pos_weight=weight)
    adam = torch.optim.Adam(model.parameters(), lr=probe.learning_rate, fused=False, foreach=False)
    history = []
    for epoch in range(1, probe.epochs + 1):
        adam.param_groups[0]["lr"] = linear.compute_learning_rate(probe, epoch)
        bits = linear._random_bits(len(job.problem.train), job.seed, job.place, epoch)
        shuffled = torch.from_numpy(job.problem.train[np.argsort(bits, kind="stable")])
        for rows in shuffled.split(probe.batch_size):
            adam.zero_grad()
            criterion(model(x[rows]), y[rows].float()).backward()
            adam.step()
        with torch.no_grad():
            valid = job.problem.valid
            score = None if valid is None else average_precision_score(y[valid].numpy(), model(x[valid]).numpy())
            history.append(([p.clone() for p in model.parameters()], score, model(x[job.problem.test]).sigmoid()))
    return history


@pytest.mark.parametrize(
    "probe", [LinearProbe(), LinearProbe(epochs=6, learning_rate=0.02, batch_size=7, pos_weight=10.0)], ids=str
)
def test_every_stacked_head_is_what_plain_torch_trains(probe):
    vectors, targets = clips()
    x, y = torch.from_numpy(vectors), torch.from_numpy(targets)
    jobs = [HeadJob(problem, i, seed) for i, problem in enumerate(folds()) for seed in SEEDS]
    fitted = linear.fit_heads(
        probe, linear._normalize_rows(vectors, "cpu"), y, jobs, C, MultiLabelObjective(probe.pos_weight)
    )
    results = probe.run(vectors, targets, folds(), n_classes=C, seeds=SEEDS)
    for p, job in enumerate(jobs):
        history = plain_torch(probe, x, y, job)
        scores = [score for _, score, _ in history]
        epoch = fitted.epochs[p]
        if job.problem.valid is None:
            assert epoch == probe.epochs
        else:
            assert scores[epoch - 1] == pytest.approx(max(scores), abs=1e-6)
            assert fitted.valid[p] == pytest.approx(max(scores), abs=1e-6)
        parameters, _, expected = history[epoch - 1]
        mine = fitted.heads
        stacked = (mine.gain[p, 0], mine.bias[p, 0], mine.weight[p].T, mine.offset[p, 0])
        for ours, theirs in zip(stacked, parameters, strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
        found = results[job.place].predictions
        assert (found.dtype, found.shape) == (np.float32, (len(SEEDS), len(job.problem.test), C))
        np.testing.assert_allclose(found[SEEDS.index(job.seed)], expected.numpy(), atol=1e-4)
        assert results[job.place].info["epoch"][SEEDS.index(job.seed)] == epoch


def test_learns_what_is_there():
    vectors, targets = clips(separation=4)
    problem = folds()[1]
    probe = LinearProbe(epochs=30, learning_rate=0.02)
    scores = probe.run(vectors, targets, [problem], n_classes=C, seeds=(0,))[0].predictions[0]
    assert average_precision_score(targets[problem.test], scores) > 0.9
    assert ((scores > 0) & (scores < 1)).all()


def test_a_weight_of_positives_raises_scores():
    vectors, targets = clips()
    plain, same, raised = (
        LinearProbe(learning_rate=0.02, pos_weight=weight)
        .run(vectors, targets, [folds()[1]], n_classes=C, seeds=(0,))[0]
        .predictions
        for weight in (None, 1.0, 10.0)
    )
    assert raised.mean() > plain.mean() + 0.2
    np.testing.assert_allclose(same, plain, atol=1e-6)


def test_targets_of_test_clips_are_never_read():
    vectors, targets = clips(separation=0.3)
    problem = folds()[0]
    scrambled = targets.copy()
    scrambled[problem.test] = 1 - targets[problem.test]
    a, b = (LinearProbe().run(vectors, y, [problem], n_classes=C, seeds=SEEDS)[0] for y in (targets, scrambled))
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert a.info == b.info


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": range(N), "value": 0}, "cannot teach a distinction: got every class in all clips or in none"),
        ({"rows": range(N), "value": 1}, "cannot teach a distinction"),
        ({"rows": folds()[0].valid, "value": 0}, "valid set has no label: got none in 20 clips"),
        ({"rows": [9], "value": 3}, "target of row 9 is not k-hot: got 3, expected 0 or 1"),
        ({"classes": 5}, r"do not match: got vectors \[150, 12\], targets \[150, 4\], expected \[N, D\] and \[N, 5\]"),
        ({"probe": LinearProbe(pos_weight=0.0)}, "pos_weight does not fit: got 0.0"),
        ({"probe": LinearProbe(pos_weight=math.nan)}, "pos_weight does not fit"),
        (
            {"probe": LinearProbe(pos_weight=2.0), "single": True},
            r"pos_weight does not fit: got 2.0 for targets \[150\]",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_bad_input_is_refused(change, message):
    vectors, targets = clips()
    if "rows" in change:
        targets[list(change["rows"])] = change["value"]
    if "single" in change:
        targets = np.arange(N) % C
    probe = change.get("probe", LinearProbe())
    with pytest.raises(DataError, match=message):
        probe.run(vectors, targets, folds(), n_classes=change.get("classes", C), seeds=(0,))
