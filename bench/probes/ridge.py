"""The ridge probe: least squares on one-hot (or k-hot) targets with a penalty, in closed form.

Nothing is drawn at random and no epoch is chosen: with mean squared error + penalty x |W|^2 and a free intercept, the
weights follow from the covariances X'X and X'Y of the training rows. These are sums over rows, so they are added up in
blocks, in float64, once for all problems; the training rows of a fold are all rows less those that it leaves out. The
penalty is chosen on the validation rows or, where there are none or they are test rows, on the training clips that
``layered.selection`` holds out, whole clusters of them. One eigendecomposition of X'X gives the weights under every
penalty: with X'X / n = V diag(e) V', W = V diag(1 / (e + penalty)) V' X'Y / n.

Rows are standardised as for the linear probe, by LayerNorm without its parameters. Source: Hoerl and Kennard, "Ridge
regression: biased estimation for nonorthogonal problems", Technometrics 12, 1970; as a classifier: Hastie, Tibshirani
and Friedman, "The Elements of Statistical Learning", 2009, sections 3.4 and 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from bench.metrics import mean_average_precision
from bench.probes.input_checks import check_input, check_split
from bench.probes.layered import build_selection_split
from bench.types import FitSplit, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.types import Targets

BLOCK = 1 << 22  # values of a block of rows or of their scores: 32 MiB
PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class CovarianceSums(NamedTuple):
    """Sums over some rows x [n, D] and their targets y [n, C], float64."""

    n: int
    x: Tensor  # [D]
    y: Tensor  # [C]
    xx: Tensor  # [D, D]
    xy: Tensor  # [D, C]

    def less(self, other: CovarianceSums) -> CovarianceSums:
        """Return the sums of the rows that are not in ``other``, all of whose rows are here."""
        x, y, xx, xy = (mine - theirs for mine, theirs in zip(self[1:], other[1:], strict=True))
        return CovarianceSums(self.n - other.n, x, y, xx, xy)

    def covariances(self) -> tuple[Tensor, Tensor]:
        """Return the covariances of x with itself [D, D] and with y [D, C]."""
        x, y = self.x / self.n, self.y / self.n
        return self.xx / self.n - torch.outer(x, x), self.xy / self.n - torch.outer(x, y)


class StandardizedRows(NamedTuple):
    """All rows of a task, standardised only when they are read."""

    vectors: Tensor  # [N, D] float32
    targets: Tensor  # [N] int64, or k-hot [N, C]
    n_classes: int

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the places [n] and standardised vectors [n, D] float64 of some rows, so many at a time."""
        size = max(1, BLOCK // max(self.vectors.shape[1], self.n_classes))
        for part in torch.split(torch.from_numpy(rows), size):
            own = part.to(self.vectors.device)
            yield own, functional.layer_norm(self.vectors[own], (self.vectors.shape[1],)).double()

    def sums(self, rows: NDArray[np.int64]) -> CovarianceSums:
        """Return the sums over some rows."""
        dim, zero = self.vectors.shape[1], torch.zeros((), dtype=torch.float64, device=self.vectors.device)
        x, y = zero.new_zeros(dim), zero.new_zeros(self.n_classes)
        xx, yx = zero.new_zeros(dim, dim), zero.new_zeros(self.n_classes, dim)
        for own, block in self.blocks(rows):
            x += block.sum(dim=0)
            xx.addmm_(block.T, block)
            labels = self.targets[own]
            if labels.ndim == 1:
                y += torch.bincount(labels, minlength=self.n_classes)
                yx.index_add_(0, labels, block)
            else:
                y += labels.double().sum(dim=0)
                yx.addmm_(labels.double().T, block)
        return CovarianceSums(len(rows), x, y, xx, yx.T)


@dataclass(frozen=True, slots=True)
class RidgeProbe:
    """Least squares with one of ``penalties``, on the mean squared error of a clip; the largest of equally good ones.

    ``clusters`` [N] are held out together; see ``grouped``.

    Example:
        >>> import numpy as np
        >>> vectors = np.tile(np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32), (10, 1))
        >>> split = FitSplit(np.arange(16), None, np.arange(16, 20))
        >>> (result,) = RidgeProbe().run(vectors, np.tile([0, 1], 10), [split], n_classes=2, seeds=())
        >>> result.predictions.tolist()
        [[0, 1, 0, 1]]
    """

    penalties: tuple[float, ...] = PENALTIES
    clusters: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return "ridge"

    @property
    def seeded(self) -> bool:
        return False

    def grouped(self, clusters: NDArray[np.int64] | None) -> RidgeProbe:
        """Return the probe for the clips of a task, [N] clusters that belong together."""
        return replace(self, clusters=clusters)

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
        """Fit each problem and answer for its test rows; ``seeds`` do not matter.

        ``vectors`` [N, D] float32, ``targets`` [N] class indices or [N, C] k-hot; targets of test rows are never read.
        Returns one result per problem: ``predictions`` [1, n_test] class indices (k-hot: [1, n_test, C] float32, the
        values of the regression), and ``info`` with the ``penalty`` and the accuracy or mAP ``held out`` of it. Raises
        DataError for what ``check_input`` refuses.
        """
        check_input(vectors, targets, problems, n_classes, "ridge probe")
        whole = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)).to(device)
        kind = np.int64 if targets.ndim == 1 else np.uint8
        rows = StandardizedRows(
            whole, torch.from_numpy(np.ascontiguousarray(targets, dtype=kind)).to(device), n_classes
        )
        everything = np.unique(np.concatenate([problem.train for problem in problems]))
        total = rows.sums(everything)
        results = []
        for problem in problems:
            outer = total.less(rows.sums(np.setdiff1d(everything, problem.train)))
            penalty, quality = self._choose_penalty(rows, problem, outer)
            weight, offset = solve_weights(outer, penalty)
            parts = [_predict(x @ weight + offset, rows.targets) for _, x in rows.blocks(problem.test)]
            results.append(ProbeResult(np.concatenate(parts)[None], {"penalty": penalty, "held out": quality}))
        return results

    def _choose_penalty(self, rows: StandardizedRows, problem: FitSplit, outer: CovarianceSums) -> tuple[float, float]:
        """Return the penalty that does best where it was not fitted, and how well it does there."""
        valid = problem.valid
        if valid is not None and np.intersect1d(valid, problem.test).size:
            valid = None  # in protocol xares validation rows may be test rows
        inner = build_selection_split(FitSplit(problem.train, valid, problem.test), self.clusters)
        check_split(inner, len(rows.vectors), "ridge probe, held-out clips")
        fitted = outer if valid is not None else outer.less(rows.sums(inner.test))
        best, highest = self.penalties[0], -1.0
        ordered = sorted(self.penalties)
        truth = rows.targets[torch.from_numpy(inner.test).to(rows.targets.device)].cpu().numpy()
        for penalty, answers in zip(ordered, _predict_on_path(rows, inner.test, fitted, ordered), strict=True):
            reached = (
                float((answers == truth).mean()) if truth.ndim == 1 else mean_average_precision.compute(truth, answers)
            )
            if reached >= highest:
                best, highest = penalty, reached
        return best, highest


def solve_weights(sums: CovarianceSums, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weights [D, C] and offset [C] of the rows that were added up."""
    xx, xy = sums.covariances()
    xx.diagonal().add_(penalty)
    weight = torch.cholesky_solve(xy, torch.linalg.cholesky(xx))
    return weight, (sums.y - sums.x @ weight) / sums.n


def _predict_on_path(
    rows: StandardizedRows, places: NDArray[np.int64], sums: CovarianceSums, penalties: Sequence[float]
) -> list[NDArray[np.generic]]:
    """Return answers for ``places`` under each penalty, of fits to the rows that were added up."""
    xx, xy = sums.covariances()
    variances, axes = torch.linalg.eigh(xx)
    variances, along = variances.clamp_min(0.0), axes.T @ xy
    by_penalty: list[list[NDArray[np.generic]]] = [[] for _ in penalties]
    for _, x in rows.blocks(places):
        turned = (x - sums.x / sums.n) @ axes
        for answers, penalty in zip(by_penalty, penalties, strict=True):
            answers.append(_predict((turned / (variances + penalty)) @ along + sums.y / sums.n, rows.targets))
    return [np.concatenate(answers) for answers in by_penalty]


def _predict(values: Tensor, targets: Tensor) -> NDArray[np.generic]:
    """Return class indices [n] of values [n, C]; for k-hot targets the values."""
    answers: NDArray[np.generic] = (values.argmax(dim=1) if targets.ndim == 1 else values.float()).cpu().numpy()
    return answers
