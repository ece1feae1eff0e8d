"""Scores of many pairs of vectors, in blocks: what every back-end of verification comes down to.

A score is <u_e, u_t> (w_e + w_t) + b_e + b_t: of cosines w = 1/2 and b = 0, of S-norm w = 1 / (2 d) and b = -m / (2 d),
of two-covariance PLDA w = 1/2 and b the part of the likelihood ratio that one side alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 19  # values of one side held at a time: 2 MiB, so that a block stays in a core's cache


@dataclass(frozen=True, slots=True)
class ScoringParts:
    """N utterances ready to be paired."""

    vectors: NDArray[np.float32]  # [N, K]
    weights: NDArray[np.float64]  # [N]
    biases: NDArray[np.float64]  # [N]


def score_pairs(fitted: ScoringParts, enrol: NDArray[np.int32], test: NDArray[np.int32]) -> NDArray[np.float32]:
    """[n] scores of the pairs of rows ``enrol`` [n] and ``test`` [n]; the same for either order of a pair."""
    found = np.empty(len(enrol), dtype=np.float32)
    size = max(1, BLOCK // fitted.vectors.shape[1])
    for start in range(0, len(enrol), size):
        one, other = enrol[start : start + size], test[start : start + size]
        dots = np.einsum("nk,nk->n", fitted.vectors[one], fitted.vectors[other]).astype(np.float64)
        weight, bias = (values[one] + values[other] for values in (fitted.weights, fitted.biases))
        found[start : start + size] = dots * weight + bias
    return found
