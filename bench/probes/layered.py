"""A probe on every hidden layer of an encoder; the layer that does best on validation data gives the predictions.

The layers lie side by side in the embeddings. For each problem the layer is chosen on its validation rows or, where it
has none, on a fifth of its training rows that the probe has not seen (whole clusters would need the task; rows are
drawn by their place). Test rows take no part. The chosen layer is then fitted to the problem as it is; so is every
other layer, for the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.types import FitSplit, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bench.types import Predictions, Probe

HELD_OUT = 5  # every fifth training cluster of a problem without validation rows


@dataclass(frozen=True, slots=True)
class LayeredProbe:
    """``probe`` on the layers of ``widths`` [L] dimensions each.

    ``quality`` says how good predictions of one seed for a problem's test rows are, the more the better.
    """

    probe: Probe
    widths: tuple[int, ...]
    quality: Callable[[FitSplit, Predictions], float]
    clusters: NDArray[np.int64] | None = None  # [N]

    @property
    def name(self) -> str:
        return self.probe.name

    @property
    def seeded(self) -> bool:
        return self.probe.seeded

    def run(
        self,
        vectors: Any,
        targets: Any,
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Run the probe on every layer of vectors [N, sum of widths], or N arrays [T, sum of widths].

        ``info`` has the chosen ``layer`` of each problem and ``layers``: the predictions of every layer.
        """
        options: dict[str, Any] = {"n_classes": n_classes, "device": device}
        inner = [build_selection_split(problem, self.clusters) for problem in problems]
        quality, answers = [], []
        for part in self.split_layers(vectors):
            tried = self.probe.run(part, targets, inner, seeds=seeds[:1], **options)
            quality.append([self._mean_quality(p, result) for p, result in zip(inner, tried, strict=True)])
            answers.append(self.probe.run(part, targets, problems, seeds=seeds, **options))
        best = np.argmax(np.array(quality), axis=0).tolist()  # the first of equals
        results = []
        for place, layer in enumerate(best):
            chosen = answers[layer][place]
            layers = [of_layer[place].predictions for of_layer in answers]
            results.append(ProbeResult(chosen.predictions, {**chosen.info, "layer": layer, "layers": layers}))
        return results

    def split_layers(self, vectors: Any) -> list[Any]:
        """Return [N, D], or N arrays [T, D], of each layer."""
        borders = [0, *np.cumsum(self.widths).tolist()]
        layers = list(pairwise(borders))
        if isinstance(vectors, np.ndarray):
            return [vectors[:, start:stop] for start, stop in layers]
        return [[frames[:, start:stop] for frames in vectors] for start, stop in layers]

    def _mean_quality(self, problem: FitSplit, result: ProbeResult) -> float:
        """Return the mean quality over seeds."""
        return float(np.mean([self.quality(problem, row) for row in result.predictions]))


def build_selection_split(problem: FitSplit, clusters: NDArray[np.int64] | None) -> FitSplit:
    """Return the fit that layers are compared on: its validation rows, or held-out training rows, as the test."""
    if problem.valid is not None:
        return FitSplit(problem.train, None, problem.valid)
    groups = problem.train if clusters is None else clusters[problem.train]
    _, first, cluster = np.unique(groups, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[cluster]  # clusters by where they come first, so that classes are mixed
    every = min(HELD_OUT, int(place.max()) + 1)  # of fewer clusters the last
    held_out = place % every == every - 1
    return FitSplit(problem.train[~held_out], None, problem.train[held_out])
