"""The k-nearest-neighbour probe: cosine similarity, softmax-weighted votes, nothing trained.

Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018, whose
weighting (k neighbours, temperature 0.07) X-ARES uses. Both sides are L2-normalised per clip, so the similarity is
the cosine; a vector of zeros has similarity 0 with everything.

X-ARES itself scales the training side along the wrong axis: each of the D dimensions to length 1 over the training
clips. Training clips keep their norms and offsets, so the similarity is no cosine (``scaled="dimensions"``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.nn import functional

from bench.probes.input_checks import check_input
from bench.types import DataError, FitSplit, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.types import Targets

BLOCK = 1 << 22  # floats of a block of similarities: 16 MiB


@dataclass(frozen=True, slots=True)
class KNN:
    """Votes of the ``k`` nearest training clips, each weighing softmax(similarity / ``temperature``).

    What has length 1 on the training side are ``scaled``: its clips, or, as in X-ARES, its dimensions. Equally similar
    neighbours are taken in the order of the training rows; equal class scores go to the lower class.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[1, 0], [2, 0.1], [0, 1], [0.1, 3], [5, 1]], dtype=np.float32)
        >>> split = FitSplit(np.arange(4), None, np.array([4]))
        >>> (result,) = KNN(k=2).run(vectors, np.array([0, 0, 1, 1, 0]), [split], n_classes=2)
        >>> result.predictions.tolist()
        [[0]]
    """

    k: int = 10
    temperature: float = 0.07
    scaled: Literal["clips", "dimensions"] = "clips"

    @property
    def name(self) -> str:
        return "knn"

    @property
    def seeded(self) -> bool:
        return False

    def as_published(self) -> KNN:
        """Return the probe of protocol ``xares``."""
        return replace(self, scaled="dimensions")

    def run(
        self,
        vectors: NDArray[np.float32],
        targets: Targets,
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int] = (),
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Classify every test row of every problem.

        ``vectors`` [N, D] float32, ``targets`` [N] class indices; ``seeds`` are not used. Returns one result per
        problem with ``predictions`` [1, n_test]. Raises DataError for what ``check_input`` refuses, k-hot targets
        and fewer training clips than ``k``.
        """
        if targets.ndim > 1:
            got = f"targets {list(targets.shape)}"
            raise DataError("votes need one label per clip", got=got, expected="targets [N]", where="knn probe")
        check_input(vectors, targets, problems, n_classes, "knn probe")
        for problem in problems:
            if len(problem.train) < self.k:
                got = f"k={self.k}, {len(problem.train)} training clips"
                raise DataError("fewer neighbours than k", got=got, expected="at least k clips", where="knn probe")
        whole = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)).to(device)
        unit = _scale_rows(whole)
        labels = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.int64)).to(device)
        known = unit if self.scaled == "clips" else whole
        return [self._solve(unit, known, labels, problem, n_classes) for problem in problems]

    def _solve(self, unit: Tensor, known: Tensor, labels: Tensor, problem: FitSplit, n_classes: int) -> ProbeResult:
        train = torch.from_numpy(problem.train).to(unit.device)
        test = torch.from_numpy(problem.test).to(unit.device)
        neighbours, votes = known[train].T, labels[train]
        if self.scaled == "dimensions":
            neighbours = scale_dimensions(neighbours)
        predictions = []
        for rows in torch.split(test, max(1, BLOCK // len(train))):
            similarity, nearest = _find_top_k(unit[rows] @ neighbours, self.k)
            weights = torch.softmax(similarity / self.temperature, dim=1)
            scores = weights.new_zeros(len(rows), n_classes).scatter_add_(1, votes[nearest], weights)
            predictions.append(scores.argmax(dim=1))
        return ProbeResult(torch.cat(predictions).cpu().numpy()[None, :], {"k": self.k})


def scale_dimensions(features: Tensor) -> Tensor:
    """Return [D, n] training features with rows of length 1: each dimension scaled over the clips, as X-ARES does."""
    return functional.normalize(features, dim=1)


def _scale_rows(vectors: Tensor) -> Tensor:
    """Return the rows of [N, D] at length 1; zeros stay zeros.

    Scaling by the largest entry first keeps squares in range.
    """
    unit = torch.empty_like(vectors)
    size = max(1, BLOCK // vectors.shape[1])  # a few rows at a time: no further copies of the whole
    for rows, scaled in zip(torch.split(vectors, size), torch.split(unit, size), strict=True):
        largest = torch.maximum(rows.amax(dim=1, keepdim=True), -rows.amin(dim=1, keepdim=True))
        torch.div(rows, torch.where(largest > 0, largest, 1.0), out=scaled)
        scaled.div_(torch.linalg.vector_norm(scaled, dim=1, keepdim=True).clamp_min(1.0))
    return unit


def _find_top_k(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return values and columns [M, k] of the largest entries of [M, n], the first columns winning ties.

    ``torch.topk`` leaves open which of equal entries it returns; only the rows where that matters are sorted.
    """
    values, columns = similarity.topk(min(k + 1, similarity.shape[1]), dim=1)
    if values.shape[1] == k:
        return values, columns
    tied = values[:, k - 1] == values[:, k]
    values, columns = values[:, :k].contiguous(), columns[:, :k].contiguous()
    if tied.any():
        order = similarity[tied].argsort(dim=1, descending=True, stable=True)[:, :k]
        values[tied], columns[tied] = similarity[tied].gather(1, order), order
    return values, columns
