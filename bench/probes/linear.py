"""The linear probe: LayerNorm(D) -> Linear(D, C) trained on frozen embeddings, all folds and seeds at once.

X-ARES's head and recipe (it calls the head "MLP"): Adam with torch's defaults, a cosine from the learning rate to a
tenth of it, the batch order drawn anew every epoch, and a loss that follows from the kind of targets (``objectives``).
Unlike X-ARES, the order and the initial weights depend on (seed, problem, epoch) and on nothing else. The epoch is
chosen on the validation rows of the problem, which are test rows in protocol xares only.

The jobs (problem x seed) are slices of stacked parameters [P, D, C], so one step of all of them is a few batched
products. LayerNorm without its gain and bias has no parameters: it is applied to the matrix once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from bench.probes.heads import Adam, Heads, compute_cosine_rate
from bench.probes.heads import draw_bits as _random_bits
from bench.probes.heads import draw_heads as _initial
from bench.probes.input_checks import check_input
from bench.probes.objectives import MultiLabelObjective, SingleLabelObjective
from bench.types import DataError, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.probes.objectives import Objective
    from bench.types import FitSplit, Targets

GROUP = 1 << 24  # floats of one stacked weight; gradient, both Adam moments and the best epoch take as much again


class HeadJob(NamedTuple):
    """One head to train; the place of its problem in the list of problems is part of the random seed."""

    problem: FitSplit
    place: int
    seed: int


class FittedHeads(NamedTuple):
    """The heads of P jobs at their chosen epochs."""

    heads: Heads
    epochs: list[int]  # 1-based
    valid: list[float | None]  # what the epoch was chosen by: its quality on the validation rows


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """LayerNorm + Linear. The defaults are those of most X-ARES tasks; ``pos_weight`` is for k-hot targets only.

    Example:
        >>> import numpy as np
        >>> from bench.types import FitSplit
        >>> vectors = np.tile(np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32), (10, 1))
        >>> split = FitSplit(np.arange(16), None, np.arange(16, 20))
        >>> probe = LinearProbe(epochs=50, learning_rate=0.1)
        >>> (result,) = probe.run(vectors, np.tile([0, 1], 10), [split], n_classes=2, seeds=(0,))
        >>> result.predictions.tolist(), result.info["epoch"]
        ([[0, 1, 0, 1]], [50])
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    batch_size: int = 32
    pos_weight: float | None = None  # how often a positive counts in the loss

    @property
    def name(self) -> str:
        return "linear"

    @property
    def seeded(self) -> bool:
        return True

    def run(
        self,
        vectors: NDArray[np.float32],
        targets: Targets,
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Train one head per problem and seed, and answer for the test rows of each problem.

        ``vectors`` [N, D] float32, ``targets`` [N] class indices or [N, C] k-hot; targets of test rows are never
        read. Where a problem has validation rows, the epoch with the highest accuracy (k-hot: mean average
        precision) on them counts, the earliest of equals; otherwise the last epoch. Returns one result per problem:
        ``predictions`` [S, n_test] class indices (k-hot: [S, n_test, C] float32 scores in [0, 1]), and ``info`` with
        the chosen ``epoch`` of each seed and, if there are validation rows, their ``valid`` accuracy or mAP.
        The result depends on the arguments only, not on the global random state; for the same bits every time,
        the caller keeps torch to one thread. Raises DataError for what ``check_input`` refuses and for a
        ``pos_weight`` that does not fit the targets.
        """
        check_input(vectors, targets, problems, n_classes, "linear probe")
        if not seeds:
            raise DataError("no probe seeds", got="none", expected="at least one", where="linear probe")
        x = _normalize_rows(vectors, device)
        aim = self._objective(targets)
        kind = np.int64 if targets.ndim == 1 else np.uint8
        labels = torch.from_numpy(np.ascontiguousarray(targets, dtype=kind)).to(device)
        jobs = [HeadJob(problem, place, seed) for place, problem in enumerate(problems) for seed in seeds]
        at_once = max(1, GROUP // (x.shape[1] * n_classes))
        predictions, info = [], []
        for start in range(0, len(jobs), at_once):
            group = jobs[start : start + at_once]
            fitted = fit_heads(self, x, labels, group, n_classes, aim)
            for p, job in enumerate(group):
                test = torch.from_numpy(job.problem.test).to(device)
                predictions.append(fitted.heads.answers(p, x, test, aim.answer).cpu().numpy())
                info.append((fitted.epochs[p], fitted.valid[p]))
        results = []
        for first in range(0, len(jobs), len(seeds)):
            of_problem = slice(first, first + len(seeds))
            epochs, valid = zip(*info[of_problem], strict=True)
            notes = {"epoch": list(epochs)} | ({} if None in valid else {"valid": list(valid)})
            results.append(ProbeResult(np.stack(predictions[of_problem]), notes))
        return results

    def _objective(self, targets: Targets) -> Objective:
        """Return the objective that follows from the kind of targets."""
        weight = self.pos_weight
        if weight is not None and (targets.ndim == 1 or not 0 < weight < math.inf):
            got = f"{weight} for targets {list(targets.shape)}"
            expected = "above 0, and targets [N, C]"
            raise DataError("pos_weight does not fit", got=got, expected=expected, where="linear probe")
        return SingleLabelObjective() if targets.ndim == 1 else MultiLabelObjective(weight)


def fit_heads(
    probe: LinearProbe, x: Tensor, labels: Tensor, jobs: Sequence[HeadJob], n_classes: int, aim: Objective | None = None
) -> FittedHeads:
    """Train the heads of ``jobs`` on normalised x [N, D] and labels [N, ...]; each ends as if trained alone.

    ``aim`` is OneLabel, labels [N], unless given.
    """
    aim = aim or SingleLabelObjective()
    heads = _initial([(job.seed, job.place) for job in jobs], x.shape[1], n_classes, x.device)
    best = Heads(*(tensor.clone() for tensor in heads.tensors))
    chosen, scores = [probe.epochs] * len(jobs), [-1.0] * len(jobs)
    adams = _create_optimizers(heads, [math.ceil(len(job.problem.train) / probe.batch_size) for job in jobs])
    for tensor in heads.tensors:
        tensor.requires_grad_()
    for epoch in range(1, probe.epochs + 1):
        batches = _build_batches(probe, jobs, epoch, x.device)
        _train_epoch(heads, adams, compute_learning_rate(probe, epoch), x, labels, batches, aim.loss)
        with torch.no_grad():
            for p, job in enumerate(jobs):
                if job.problem.valid is None:
                    continue
                rows = torch.from_numpy(job.problem.valid).to(x.device)
                score = aim.quality(heads.answers(p, x, rows, aim.answer), labels[rows])
                if score > scores[p]:
                    scores[p], chosen[p] = score, epoch
                    best.copy(p, heads)
    with torch.no_grad():
        for p, job in enumerate(jobs):
            if job.problem.valid is None:
                best.copy(p, heads)
    valid = [None if job.problem.valid is None else score for job, score in zip(jobs, scores, strict=True)]
    return FittedHeads(best, chosen, valid)


def compute_learning_rate(probe: LinearProbe, epoch: int) -> float:
    """Return the rate of epoch 1, 2, ..., E: a cosine from the probe's learning rate towards a tenth of it."""
    return compute_cosine_rate(probe.learning_rate, epoch, probe.epochs)


class HeadOptimizer(NamedTuple):
    """The optimiser of a slice of the stack, all heads of which have a batch whenever the first has."""

    adam: Adam
    heads: slice


def _create_optimizers(heads: Heads, steps: Sequence[int]) -> list[HeadOptimizer]:
    """Return optimisers of heads with ``steps`` batches in each epoch: one for all heads where these are equal."""
    width = len(steps) if len(set(steps)) == 1 else 1
    slices = [slice(start, start + width) for start in range(0, len(steps), width)]
    return [HeadOptimizer(Adam.of([tensor[part] for tensor in heads.tensors]), part) for part in slices]


def _train_epoch(
    heads: Heads,
    adams: Sequence[HeadOptimizer],
    rate: float,
    x: Tensor,
    labels: Tensor,
    batches: tuple[Tensor, Tensor],
    loss_of: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Train on ``batches`` once: rows and weights, each [steps, P, batch]."""
    steps = batches[1].any(dim=2).tolist()
    for rows, weights, active in zip(*batches, steps, strict=True):
        loss = loss_of(heads.logits(x[rows]), labels[rows])
        gradients = torch.autograd.grad((loss * weights.flatten()).sum(), heads.tensors)
        with torch.no_grad():
            for adam, part in adams:
                if active[part.start]:  # a job with fewer batches is done with this epoch
                    adam.step([gradient[part] for gradient in gradients], rate)


def _build_batches(
    probe: LinearProbe, jobs: Sequence[HeadJob], epoch: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return rows and weights, each [steps, P, batch], of one epoch.

    A weight is 1 / (size of its batch), so that a sum is the batch's mean. Short batches are filled with rows of
    weight 0: every batch then has one shape, and a job's numbers do not depend on what it is stacked with.
    """
    size = probe.batch_size
    steps = max(math.ceil(len(job.problem.train) / size) for job in jobs)
    rows = np.zeros((len(jobs), steps * size), dtype=np.int64)
    weights = np.zeros((len(jobs), steps * size), dtype=np.float32)
    for p, (problem, place, seed) in enumerate(jobs):
        n = len(problem.train)
        order = np.argsort(_random_bits(n, seed, place, epoch), kind="stable")
        last = n % size
        rows[p, :n] = problem.train[order]
        rows[p, n:] = problem.train[0]
        weights[p, :n] = 1.0 / size
        weights[p, n - last : n] = 1.0 / max(last, 1)
    shape = (len(jobs), steps, size)
    return tuple(torch.from_numpy(a.reshape(shape)).transpose(0, 1).contiguous().to(device) for a in (rows, weights))  # type: ignore[return-value]


def _normalize_rows(vectors: NDArray[np.float32], device: str) -> Tensor:
    """Apply LayerNorm without its parameters: rows of [N, D] at mean 0 and variance 1."""
    x = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)).to(device)
    return functional.layer_norm(x, (x.shape[1],))
