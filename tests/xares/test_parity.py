"""Our probes against a second implementation of X-ARES's training loop, on stored embeddings.

The loop below is written from the description of X-ARES 0.1.3 (``xares/trainer.py``, ``xares/models/simple.py``) in
plain torch: batches of stored [T, D] arrays padded with zeros, a mean masked by the stored length, LayerNorm and
Linear, Adam with a cosine per epoch, the best epoch on the published validation data, which here is the test data.
X-ARES seeds its shuffling from process id and time, so parity is one of means over seeds.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn import functional

from bench.metrics import segment_f1_micro
from bench.probes import KNN, FrameProbe, LinearProbe
from bench.probes import frame as frame_module
from bench.probes.heads import draw_bits, draw_heads
from bench.types import FitSplit
from bench.xares.segments import XaresEventTargets, pad_to_batches

D, CLASSES, FOLDS, SEEDS = 32, 5, 3, 10
Head = torch.nn.Sequential


class Padded(NamedTuple):
    """Stored [T, D] arrays, all padded once."""

    frames: torch.Tensor  # [N, longest, D]
    lengths: torch.Tensor  # [N]


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


# ------------------------------------------------------------------------------------- the published loop, written anew


def batches(stored: Padded, targets: torch.Tensor, rows: np.ndarray, size: int) -> Iterator[Batch]:
    """(x [B, T, D] padded with zeros, y, stored lengths [B]) of the rows in their order, the last batch partial.

    Labels of frames, y [B, T, C], are cut or padded to the frames of x.
    """
    for own in torch.from_numpy(rows).split(size):
        lengths = stored.lengths[own]
        longest = int(lengths.max())
        y = targets[own]
        yield stored.frames[own, :longest], y[:, :longest] if y.ndim == 3 else y, lengths


def of_clips(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    mask = (torch.arange(x.shape[1])[None] < lengths[:, None]).float()[..., None]
    pooled: torch.Tensor = (x * mask).sum(1) / mask.sum(1)
    return pooled


def trained(
    stored: Padded,
    targets: torch.Tensor,
    problem: FitSplit,
    *,
    head: Head,
    orders: Iterator[np.ndarray],
    epochs: int,
    rate: float,
    size: int,
    pool: bool,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    metric: Callable[[Head, np.ndarray], float],
) -> Head:
    """The head at its best epoch; equal ones keep the earlier."""
    optimiser = torch.optim.Adam(head.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda epoch: 0.1 + 0.9 * (1 + math.cos(math.pi * epoch / epochs)) / 2
    )
    best, kept = -math.inf, copy.deepcopy(head)
    assert problem.valid is not None
    for _ in range(epochs):
        for x, y, lengths in batches(stored, targets, next(orders), size):
            optimiser.zero_grad()
            loss_of(head(of_clips(x, lengths) if pool else x), y).backward()
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            value = metric(head, problem.valid)
        if value > best:
            best, kept = value, copy.deepcopy(head)
    return kept


def padded(stored: Sequence[np.ndarray]) -> Padded:
    frames = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(one) for one in stored], batch_first=True)
    return Padded(frames, torch.tensor([len(one) for one in stored]))


def shuffled(rows: np.ndarray, generator: torch.Generator) -> Iterator[np.ndarray]:
    while True:
        yield rows[torch.randperm(len(rows), generator=generator).numpy()]


def the_same_draws(classes: int, place: int, rows: np.ndarray, seed: int) -> tuple[Head, Iterator[np.ndarray]]:
    """Initial weights and orders as ours are drawn."""
    start = draw_heads([(seed, place)], D, classes, torch.device("cpu"))
    head = Head(torch.nn.LayerNorm(D), torch.nn.Linear(D, classes))
    head[1].weight.data = start.weight[0].T.clone()
    head[1].bias.data = start.offset[0, 0].clone()
    orders = (rows[np.argsort(draw_bits(len(rows), seed, place, epoch), kind="stable")] for epoch in range(1, 99))
    return head, orders


def fresh(classes: int, seed: int) -> tuple[Head, torch.Generator]:
    torch.manual_seed(1000 + seed)
    head = Head(torch.nn.LayerNorm(D), torch.nn.Linear(D, classes))
    return head, torch.Generator().manual_seed(seed)


# ----------------------------------------------------------------------------------------------------------- clips


def clips() -> tuple[list[np.ndarray], np.ndarray, list[FitSplit]]:
    """400 stored embeddings of 3 to 9 frames, in five classes that overlap and three folds."""
    rng = np.random.default_rng(5)
    targets = rng.integers(0, CLASSES, 400)
    centres = rng.normal(size=(CLASSES, D)) * 0.45
    own = centres[targets] + rng.normal(size=(400, D)) + 0.5
    stored = [
        (vector + 0.3 * rng.normal(size=(rng.integers(3, 10), D))).astype(np.float32) * np.float32(rng.uniform(0.5, 2))
        for vector in own
    ]
    fold = np.arange(400) % FOLDS
    rows = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(FOLDS)]
    return stored, targets, [FitSplit(train, test, test) for train, test in rows]


def accuracies(stored: Padded, targets: torch.Tensor) -> Callable[[Head, np.ndarray], float]:
    def accuracy(head: Head, rows: np.ndarray) -> float:
        right = [head(of_clips(x, lengths)).argmax(1) == y for x, y, lengths in batches(stored, targets, rows, 32)]
        return float(torch.cat(right).double().mean())

    return accuracy


EPOCHS, RATE = 8, 4e-3


def test_the_linear_probe_agrees_with_the_published_loop() -> None:
    stored, targets, problems = clips()
    whole, labels = padded(stored), torch.from_numpy(targets)
    accuracy = accuracies(whole, labels)

    def published(problem: FitSplit, head: Head, orders: Iterator[np.ndarray]) -> float:
        found = trained(
            whole, labels, problem, head=head, orders=orders, epochs=EPOCHS, rate=RATE, size=32, pool=True,
            loss_of=functional.cross_entropy, metric=accuracy,
        )  # fmt: skip
        return accuracy(found, problem.test)

    theirs = []
    for seed in range(SEEDS):
        fits = [(problem, *fresh(CLASSES, 100 * place + seed)) for place, problem in enumerate(problems)]
        theirs.append(np.mean([published(p, head, shuffled(p.train, generator)) for p, head, generator in fits]))
    vectors = np.stack([one.mean(axis=0) for one in stored])
    results = LinearProbe(epochs=EPOCHS, learning_rate=RATE, batch_size=32).run(
        vectors, targets, problems, n_classes=CLASSES, seeds=tuple(range(SEEDS))
    )
    ours = np.array([(r.predictions == targets[p.test]).mean(axis=1) for r, p in zip(results, problems, strict=True)])
    assert_equal_on_average(ours.mean(axis=0).tolist(), theirs)
    assert 0.3 < ours.mean() < 0.95  # neither chance nor the ceiling, where everything agrees
    for place, problem in enumerate(problems):
        same = the_same_draws(CLASSES, place, problem.train, 0)
        assert published(problem, *same) == pytest.approx(ours[place, 0], abs=1.01 / len(problem.test))


def test_knn_agrees_exactly() -> None:
    stored, targets, problems = clips()
    vectors = np.stack([one.mean(axis=0) for one in stored])
    for problem, result in zip(
        problems, KNN().as_published().run(vectors, targets, problems, n_classes=CLASSES), strict=True
    ):
        train = functional.normalize(torch.from_numpy(vectors[problem.train]).T, dim=1)
        test = functional.normalize(torch.from_numpy(vectors[problem.test]), dim=1)
        similarity, nearest = (test @ train).topk(10, dim=1)
        votes = functional.one_hot(torch.from_numpy(targets[problem.train])[nearest], CLASSES)
        weights = functional.softmax(similarity / 0.07, dim=1)
        assert np.array_equal(result.predictions[0], (votes * weights[..., None]).sum(1).argmax(1).numpy())
    cosine = KNN().run(vectors, targets, problems, n_classes=CLASSES)
    assert not np.array_equal(cosine[0].predictions, result.predictions)


# ---------------------------------------------------------------------------------------------------------- frames

SHAPES, HOP, SEGMENT, SIZE = 4, 40.0, 0.1, 4


def scenes() -> tuple[list[np.ndarray], XaresEventTargets, FitSplit]:
    """60 clips of 20 to 45 stored frames, with up to four events each; some are longer than their labels."""
    rng = np.random.default_rng(9)
    shapes = rng.normal(size=(SHAPES, D)) * 0.8
    stored, events = [], []
    for _ in range(60):
        length = int(rng.integers(20, 46))
        onsets = rng.uniform(0, length * 0.03, rng.integers(1, 5))
        own = np.stack([onsets, onsets + rng.uniform(0.02, 0.6, len(onsets)), rng.integers(0, SHAPES, len(onsets))], 1)
        x = rng.normal(size=(length, D)) + 0.5
        time = (np.arange(length) + 0.5) * HOP / 1000
        for on, off, label in own:
            x[(time >= on) & (time < off)] += shapes[int(label)]
        stored.append(x.astype(np.float32))
        events.append(own)
    test = np.arange(40, 60)
    lengths = np.array([len(one) for one in stored])
    lengths[test] = pad_to_batches(lengths[test], SIZE)
    targets = XaresEventTargets(events, lengths, lengths * HOP / 1000, HOP, SEGMENT, SHAPES, segment_f1_micro.compute)
    return stored, targets, FitSplit(np.arange(40), test, test)


def labelled(events: Sequence[np.ndarray], length: int) -> torch.Tensor:
    """[N, length, C]"""
    hop = HOP / 1000
    target = torch.zeros(len(events), 1000, SHAPES)
    for clip, rows in enumerate(events):
        for on, off, label in rows:
            target[clip, math.ceil(on / hop) : math.ceil(off / hop), int(label)] = 1
    return target[:, :length]


def segment_f1(stored: Padded, y: torch.Tensor, head: Head, rows: np.ndarray) -> float:
    """Answers and labels of all frames, those of padding too, max-pooled over whole segments."""
    kernel = math.ceil(SEGMENT / (HOP / 1000))
    said, wanted = [], []
    for x, truth, _ in batches(stored, y, rows, SIZE):
        for values, into in ((torch.sigmoid(head(x)).round(), said), (truth, wanted)):
            pooled = functional.max_pool1d(values.transpose(1, 2), kernel, kernel)
            into.append(pooled.transpose(1, 2).reshape(-1, SHAPES))
    return float(f1_score(torch.cat(wanted).numpy(), torch.cat(said).numpy(), average="micro", zero_division=0))


@pytest.mark.parametrize("pos_weight", [None, 10.0])
def test_the_frame_probe_agrees_with_the_published_loop(
    pos_weight: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also exactly, when it draws the same weights and orders; padding counts in training and in the test."""
    stored, targets, problem = scenes()
    whole = padded(stored)
    y = labelled(targets.events, whole.frames.shape[1])
    weight = None if pos_weight is None else torch.tensor(pos_weight)

    def published(head: Head, orders: Iterator[np.ndarray]) -> float:
        found = trained(
            whole, y, problem, head=head, orders=orders, epochs=EPOCHS, rate=1e-2, size=SIZE, pool=False,
            metric=lambda head, rows: segment_f1(whole, y, head, rows),
            loss_of=lambda logits, truth: functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight),
        )  # fmt: skip
        with torch.no_grad():
            return segment_f1(whole, y, found, problem.test)

    fits = [fresh(SHAPES, seed) for seed in range(SEEDS // 2)]
    theirs = [published(head, shuffled(problem.train, generator)) for head, generator in fits]
    monkeypatch.setattr(frame_module, "BLOCK", 50 * D)
    probe = FrameProbe(epochs=EPOCHS, learning_rate=1e-2, batch_size=SIZE, pos_weight=pos_weight)
    (result,) = probe.as_published().run(stored, targets, [problem], n_classes=SHAPES, seeds=tuple(range(SEEDS // 2)))
    truth = np.concatenate([targets.label_segments(clip) for clip in problem.test])
    ours = [segment_f1_micro.compute(truth, row) for row in result.predictions]
    assert_equal_on_average(ours, theirs)
    assert 0.2 < np.mean(ours) < 0.97
    assert published(*the_same_draws(SHAPES, 0, problem.train, 0)) == pytest.approx(ours[0], abs=2e-3)
    (masked,) = probe.run(stored, targets, [problem], n_classes=SHAPES, seeds=(0,))
    assert segment_f1_micro.compute(truth, masked.predictions[0]) != pytest.approx(ours[0], abs=2e-3)


def assert_equal_on_average(ours: Sequence[float], theirs: Sequence[float]) -> None:
    difference = abs(float(np.mean(ours)) - float(np.mean(theirs)))
    error = math.sqrt(np.var(ours, ddof=1) / len(ours) + np.var(theirs, ddof=1) / len(theirs))
    assert difference < 3 * error, f"{np.mean(ours):.4f} and {np.mean(theirs):.4f}, standard error {error:.4f}"
    assert difference < 0.02
