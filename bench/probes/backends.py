"""Back-ends of speaker verification: scores of pairs of embeddings, higher where one person speaks both.

What a back-end learns (the mean to subtract, the cohort, PLDA, calibration) it learns from the training rows of its
problem, never from the utterances of the trials; a speaker in both is an error. Embeddings are brought to unit length;
one without direction (all zeros, as a constant encoder's are once its mean is gone) has cosine 0 with everything.

- ``Cosine``: <e, t> / (|e| |t|).
- ``SNorm``: s' = ((s - m_e) / d_e + (s - m_t) / d_t) / 2 of the cosine s, where m and d are mean and standard deviation
  (ddof 0) of the cosines of one side with a cohort: the training utterances, or the mean of each training speaker. A
  ``top_n`` makes it adaptive: the ``top_n`` highest of these cosines, side by side. A side whose cohort cosines do not
  vary adds 0.
- ``PLDA``: see ``bench.verification.plda``.

Sources: Kenny, "Bayesian speaker verification with heavy-tailed priors", Odyssey 2010 (symmetric normalisation);
Matejka et al., "Analysis of score normalization in multilingual speaker recognition", Interspeech 2017 (adaptive).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from bench.probes.input_checks import check_finite
from bench.types import DataError, Pairs, ProbeResult
from bench.types.trials import UNKNOWN
from bench.verification import plda
from bench.verification.calibration import CalibrationLine, fit_calibration
from bench.verification.pair_scores import ScoringParts, score_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.types import FitSplit

COHORT_BLOCK = 1 << 22  # cosines with the cohort held at a time: 16 MiB
LEAST_SPREAD = 1e-5  # standard deviations of cohort cosines below this are rounding
WHERE = "verification"


class Backend(Protocol):
    """What ``scores_of`` needs of a back-end."""

    @property
    def calibrate(self) -> bool: ...

    def fit(
        self, vectors: NDArray[np.float32], train: NDArray[np.int64], speakers: NDArray[np.int64]
    ) -> tuple[ScoringParts, dict[str, Any]]: ...  # the parts that score all N rows, and plain facts of the fit


@dataclass(frozen=True, slots=True)
class Cosine:
    """Cosine of the embeddings as they are, or ``centred``: after the mean of the training utterances is subtracted.

    Example:
        >>> from bench.types import FitSplit, Pairs
        >>> vectors = np.array([[1, 0], [2, 0], [0, 3]], dtype=np.float32)
        >>> pairs = Pairs(np.array([0, 0]), np.array([1, 2]), np.array([0, 0, 1]))
        >>> none = np.zeros(0, dtype=np.int64)
        >>> split = FitSplit(none, None, np.arange(3))
        >>> Cosine().run(vectors, pairs, [split], n_classes=2, seeds=(0,))[0].predictions.tolist()
        [[1.0, 0.0]]
    """

    centred: bool = False
    calibrate: bool = False

    @property
    def name(self) -> str:
        return _build_name("cosine", centred=self.centred, calibrated=self.calibrate)

    @property
    def seeded(self) -> bool:
        return False

    def fit(
        self, vectors: NDArray[np.float32], train: NDArray[np.int64], speakers: NDArray[np.int64]
    ) -> tuple[ScoringParts, dict[str, Any]]:
        """Return the parts of the score of all rows. Raises DataError for a mean of no training utterances."""
        unit = scale_to_unit_length(vectors, train if self.centred else None)
        return ScoringParts(unit, np.full(len(unit), 0.5), np.zeros(len(unit))), {"mean_of": len(train) * self.centred}

    def run(
        self, vectors: Any, targets: Any, problems: Sequence[FitSplit], *, n_classes: int, seeds: Any, device: str = ""
    ) -> list[ProbeResult]:
        """Scores [1, n] of the trials; see ``scores_of``."""
        return run_backend(self, vectors, targets, problems)


@dataclass(frozen=True, slots=True)
class SNorm:
    """Symmetric score normalisation of the cosine; adaptive with ``top_n``.

    Example:
        >>> SNorm().name, SNorm(top_n=100, cohort="utterances").name
        ('snorm', 'asnorm:utterances')
    """

    top_n: int | None = None
    cohort: Literal["speakers", "utterances"] = "speakers"
    centred: bool = True
    calibrate: bool = False

    @property
    def name(self) -> str:
        """``snorm`` or ``asnorm``, and after a colon what is not the default."""
        kind = "snorm" if self.top_n is None else "asnorm"
        of_utterances = self.cohort == "utterances"
        return _build_name(kind, utterances=of_utterances, uncentred=not self.centred, calibrated=self.calibrate)

    @property
    def seeded(self) -> bool:
        return False

    def fit(
        self, vectors: NDArray[np.float32], train: NDArray[np.int64], speakers: NDArray[np.int64]
    ) -> tuple[ScoringParts, dict[str, Any]]:
        """Return the parts of the score of all rows.

        Raises:
            DataError: If there are no training utterances, or ``top_n`` is below 2 or above the cohort.
        """
        unit = scale_to_unit_length(vectors, train if self.centred else None)
        cohort = build_cohort(unit, train, speakers, self.cohort)
        if not 2 <= (self.top_n or len(cohort)) <= len(cohort):
            got = f"top_n {self.top_n}, cohort of {len(cohort)}"
            raise DataError("cohort too small", got=got, expected="2 <= top_n <= cohort", where=WHERE)
        mean, spread = compute_cohort_statistics(unit, cohort, self.top_n)
        weight = np.where(spread > LEAST_SPREAD, 0.5 / np.maximum(spread, LEAST_SPREAD), 0.0)
        about = {"cohort_size": len(cohort)}
        return ScoringParts(unit, weight, -mean * weight), about | {"mean_of": len(train) * self.centred}

    def run(
        self, vectors: Any, targets: Any, problems: Sequence[FitSplit], *, n_classes: int, seeds: Any, device: str = ""
    ) -> list[ProbeResult]:
        """Scores [1, n] of the trials; see ``scores_of``."""
        return run_backend(self, vectors, targets, problems)


@dataclass(frozen=True, slots=True)
class PLDA:
    """Two-covariance PLDA of centred embeddings of unit length: the log-likelihood ratio of one speaker to two.

    Example:
        >>> PLDA(calibrate=True).name
        'plda:calibrated'
    """

    iterations: int = 10
    ridge: float = 1e-2  # of the mean variance, added to the covariance within speakers
    calibrate: bool = False

    @property
    def name(self) -> str:
        return _build_name("plda", calibrated=self.calibrate)

    @property
    def seeded(self) -> bool:
        return False

    def fit(
        self, vectors: NDArray[np.float32], train: NDArray[np.int64], speakers: NDArray[np.int64]
    ) -> tuple[ScoringParts, dict[str, Any]]:
        """Return the parts of the score of all rows.

        Raises:
            DataError: If there are fewer than two training speakers, or none has two utterances.
        """
        unit = scale_to_unit_length(vectors, train)
        model = plda.fit_plda(unit[train], speakers[train], self.iterations, self.ridge)
        return model.prepare_vectors(unit), {"mean_of": len(train), "speakers": len(np.unique(speakers[train]))}

    def run(
        self, vectors: Any, targets: Any, problems: Sequence[FitSplit], *, n_classes: int, seeds: Any, device: str = ""
    ) -> list[ProbeResult]:
        """Scores [1, n] of the trials; see ``scores_of``."""
        return run_backend(self, vectors, targets, problems)


def run_backend(
    backend: Backend, vectors: NDArray[np.float32], pairs: Pairs, problems: Sequence[FitSplit]
) -> list[ProbeResult]:
    """Return ``predictions`` float32 [1, n] of the one fit's trials, and its settings and training sizes as ``info``.

    To be calibrated, a back-end learns from every second training speaker and the line from the others, so that no
    score that the line is fitted to is of an utterance that the back-end knows. Raises DataError for embeddings that
    are not finite, rows outside them, speakers that are in a trial and in training, training speakers of whom nothing
    is known, and too little to learn from.
    """
    check_finite(vectors, WHERE)
    (problem,) = problems
    _check_trials(pairs, problem.train, len(vectors))
    speakers, train = pairs.speakers, problem.train
    line = CalibrationLine(1.0, 0.0)
    if backend.calibrate:
        second = np.isin(speakers[train], np.unique(speakers[train])[1::2])
        train, held_out = train[~second], train[second]
        fitted, about = backend.fit(vectors, train, speakers)
        line = fit_calibration(fitted, held_out, speakers)
        about |= {"calibrated_on": len(held_out), "scale": line.scale, "offset": line.offset}
    else:
        fitted, about = backend.fit(vectors, train, speakers)
    scores = score_pairs(fitted, pairs.enrol, pairs.test)
    settings = asdict(backend)  # type: ignore[call-overload]
    return [ProbeResult(line(scores)[None], {"backend": settings | about})]


def scale_to_unit_length(vectors: NDArray[np.float32], centre: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """Return [N, D] of unit length, or zero where there is no direction.

    The mean of the rows ``centre`` is subtracted first. Raises DataError where there are no such rows.
    """
    moved = vectors.astype(np.float64)
    if centre is not None:
        if len(centre) == 0:
            raise DataError("no mean to subtract", got="no training utterances", expected="some", where=WHERE)
        moved -= moved[centre].mean(axis=0)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    size = np.abs(vectors).max(initial=0.0)
    unit = np.divide(moved, length, out=np.zeros_like(moved), where=length > 1e-9 * size)
    return np.asarray(unit, dtype=np.float32)


def build_cohort(
    unit: NDArray[np.float32],
    train: NDArray[np.int64],
    speakers: NDArray[np.int64],
    of: Literal["speakers", "utterances"],
) -> NDArray[np.float32]:
    """Return [K, D] of unit length: the training utterances, or the mean of each training speaker's."""
    if len(train) == 0:
        raise DataError("no cohort", got="no training utterances", expected="some", where=WHERE)
    if of == "utterances":
        return unit[train]
    speaker_of_row = np.unique(speakers[train], return_inverse=True)[1]
    sums = np.zeros((speaker_of_row.max() + 1, unit.shape[1]))
    np.add.at(sums, speaker_of_row, unit[train])
    return scale_to_unit_length(sums.astype(np.float32), None)


def compute_cohort_statistics(
    unit: NDArray[np.float32], cohort: NDArray[np.float32], top_n: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (ddof 0), [N], of the ``top_n`` highest cosines with the cohort [K, D]."""
    mean, spread = np.empty(len(unit)), np.empty(len(unit))
    rows = max(1, COHORT_BLOCK // len(cohort))
    for start in range(0, len(unit), rows):
        cosines = (unit[start : start + rows] @ cohort.T).astype(np.float64)
        if top_n is not None and top_n < len(cohort):
            cosines = np.partition(cosines, len(cohort) - top_n, axis=1)[:, -top_n:]
        mean[start : start + rows], spread[start : start + rows] = cosines.mean(axis=1), cosines.std(axis=1)
    return mean, spread


def _check_trials(pairs: Pairs, train: NDArray[np.int64], n: int) -> None:
    """Raise DataError for trials that do not fit the embeddings or overlap the training set."""
    used = np.unique(np.concatenate([np.unique(pairs.enrol), np.unique(pairs.test)]))
    if len(used) == 0 or used[0] < 0 or used[-1] >= n or len(pairs.speakers) != n:
        got = f"{len(pairs.enrol)} trials of {n} embeddings and {len(pairs.speakers)} speakers"
        raise DataError("trials do not fit", got=got, expected="rows of the embeddings", where=WHERE)
    if (pairs.speakers[train] == UNKNOWN).any():
        got = f"{np.count_nonzero(pairs.speakers[train] == UNKNOWN)} of {len(train)} utterances without speaker"
        raise DataError("training speakers", got=got, expected="a speaker for each", where=WHERE)
    shared = np.intersect1d(pairs.speakers[used], pairs.speakers[train])
    if shared.size or np.intersect1d(used, train).size:
        got = f"{max(shared.size, 1)} of the training speakers in trials"
        raise DataError("training set overlaps the trials", got=got, expected="other speakers", where=WHERE)


def _build_name(kind: str, **added: bool) -> str:
    """Return the kind and, after a colon, the options that hold."""
    options = ",".join(name for name, holds in added.items() if holds)
    return f"{kind}:{options}" if options else kind
