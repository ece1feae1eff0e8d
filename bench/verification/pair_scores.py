"""Score many pairs of vectors in blocks; every back-end of verification reduces to this.

A score is <u_e, u_t> (w_e + w_t) + b_e + b_t: of cosines w = 1/2 and b = 0, of S-norm w = 1 / (2 d) and b = -m / (2 d),
of two-covariance PLDA w = 1/2 and b the part of the likelihood ratio that depends on one side alone.
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
    """N utterances, ready for scoring: u, w and b of the formula above."""

    vectors: NDArray[np.float32]  # [N, K]
    weights: NDArray[np.float64]  # [N]
    biases: NDArray[np.float64]  # [N]


def score_pairs(parts: ScoringParts, enrol: NDArray[np.int32], test: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the scores [n] of the pairs of rows ``enrol`` [n] and ``test`` [n], which do not depend on their order.

    Example:
        >>> parts = ScoringParts(np.eye(2, dtype=np.float32), np.full(2, 0.5), np.zeros(2))
        >>> score_pairs(parts, np.array([0, 0], dtype=np.int32), np.array([0, 1], dtype=np.int32)).tolist()
        [1.0, 0.0]
    """
    scores = np.empty(len(enrol), dtype=np.float32)
    size = max(1, BLOCK // parts.vectors.shape[1])
    for start in range(0, len(enrol), size):
        one, other = enrol[start : start + size], test[start : start + size]
        dots = np.einsum("nk,nk->n", parts.vectors[one], parts.vectors[other]).astype(np.float64)
        weight, bias = (values[one] + values[other] for values in (parts.weights, parts.biases))
        scores[start : start + size] = dots * weight + bias
    return scores
