"""Two-covariance PLDA: an embedding is its speaker's mean plus a deviation of the utterance.

x = m + y + e with y ~ N(0, B) of the speaker and e ~ N(0, W) of the utterance. B and W are fitted by
expectation-maximisation over speakers with any number of utterances. The score of a trial is the log-likelihood ratio
of one common y to two independent ones; in the basis where W = I and B = diag(psi), with one enrolment utterance e,

    LLR = log N(t; psi / (psi + 1) e, 1 + psi / (psi + 1)) - log N(t; 0, 1 + psi)

summed over dimensions, which is symmetric in e and t.

Sources: Brümmer and de Villiers, "The speaker partitioning problem", Odyssey 2010 (two-covariance model); Ioffe,
"Probabilistic linear discriminant analysis", ECCV 2006 (this basis).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError
from bench.verification.pair_scores import ScoringParts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

WHERE = "PLDA"


@dataclass(frozen=True, slots=True)
class PldaModel:
    """A two-covariance model in the basis where both covariances are diagonal."""

    mean: Matrix  # [D]
    basis: Matrix  # [D, D]: columns that make W the identity and B diagonal
    psi: Matrix  # [D] variances between speakers there

    def prepare_vectors(self, vectors: NDArray[np.float32]) -> ScoringParts:
        """Return the parts of the log-likelihood ratio of vectors [N, D]."""
        inside = (vectors.astype(np.float64) - self.mean) @ self.basis
        both = (1 + self.psi) * (1 + 2 * self.psi)
        alone = -0.5 * (inside**2) @ (self.psi**2 / both)
        constant = 0.25 * float(np.log((1 + self.psi) ** 2 / (1 + 2 * self.psi)).sum())  # half of it on each side
        shared = inside * np.sqrt(self.psi / (1 + 2 * self.psi))
        return ScoringParts(shared.astype(np.float32), np.full(len(vectors), 0.5), alone + constant)


def fit_plda(vectors: NDArray[np.float32], speakers: NDArray[np.int64], iterations: int, ridge: float) -> PldaModel:
    """Fit the model by expectation-maximisation.

    Args:
        vectors: [N, D].
        speakers: [N].
        iterations: Steps of expectation-maximisation.
        ridge: Share of the mean variance that is added to W, which is singular for few utterances.

    Raises:
        DataError: There are fewer than two speakers, or none has two utterances.
    """
    classes = np.unique(speakers, return_inverse=True)[1]
    counts = np.bincount(classes)
    if len(counts) < 2 or counts.max() < 2:
        got = f"{len(counts)} speakers, at most {counts.max(initial=0)} utterances each"
        raise DataError("nothing to learn from", got=got, expected="2 speakers, 2 utterances of one", where=WHERE)
    data = vectors.astype(np.float64)
    mean = data.mean(axis=0)
    data -= mean
    sums = np.zeros((len(counts), data.shape[1]))
    np.add.at(sums, classes, data)
    scatter = data.T @ data  # of all utterances
    average = float(np.trace(scatter)) / scatter.size**0.5 / len(data)
    if average == 0:
        return PldaModel(mean, np.zeros_like(scatter), np.zeros(len(scatter)))
    floor = ridge * average * np.eye(len(scatter))
    residual = data - (sums / counts[:, None])[classes]
    within = residual.T @ residual / max(1, len(data) - len(counts)) + floor
    centres = sums / counts[:, None]
    between = centres.T @ centres / len(counts)
    for _ in range(iterations):
        within, between = _run_step(within, between, sums, counts, scatter)
        within = within + floor
    return PldaModel(mean, *diagonalize_covariances(within, between))


def diagonalize_covariances(within: Matrix, between: Matrix) -> tuple[Matrix, Matrix]:
    """Return the basis [D, D] and the variances [D] between speakers in it, none negative."""
    from scipy.linalg import eigh

    psi, basis = eigh(between, within)
    return basis, np.maximum(psi, 0.0)


def _run_step(
    within: Matrix, between: Matrix, sums: Matrix, counts: NDArray[np.int64], scatter: Matrix
) -> tuple[Matrix, Matrix]:
    """Run one step of expectation-maximisation, in the basis where both covariances are diagonal."""
    basis, psi = diagonalize_covariances(within, between)
    inside = sums @ basis
    shrunk = psi / (1 + counts[:, None] * psi)  # [S, D] posterior variance of each speaker's mean
    centres = shrunk * inside
    back = np.linalg.inv(basis)
    total = basis.T @ scatter @ basis
    cross = inside.T @ centres
    new_between = (np.diag(shrunk.sum(axis=0)) + centres.T @ centres) / len(counts)
    spent = np.diag((counts[:, None] * shrunk).sum(axis=0)) + (centres * counts[:, None]).T @ centres
    new_within = (total - cross - cross.T + spent) / counts.sum()
    return back.T @ new_within @ back, back.T @ new_between @ back
