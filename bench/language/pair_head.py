"""Answer pair questions with an encoder: a small head on its frozen embeddings, trained on pairs of other speakers.

The features of two audios a and b are |a - b|, a * b and their cosine, which do not depend on their order; those of one
audio that holds both are its embedding. The head is a logistic regression: convex, so that the same pairs give the same
head, with a strong ridge, as there are more weights than a few hundred pairs can determine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.language.pair_layouts import Audio, arrange_pair, crop_pair
from bench.language.pair_questions import Answer, Question
from bench.types import DataError
from bench.verification.pair_lists import PairList

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[Audio]], NDArray[np.float32]]
"""A function from audio [N] of B clips, at the encoder's rate, to vectors [B, D]."""
RIDGE = 1.0  # on weights of standardised features, against the sum of losses
STEPS = 500
WHERE = "pair head"


@dataclass(frozen=True, slots=True)
class Head:
    """A linear model of the log-odds of one speaker, on standardised features."""

    mean: Floats  # [F]
    spread: Floats  # [F], 0 where a feature did not vary
    weights: Floats  # [F]
    offset: float

    def compute_log_odds(self, features: Floats) -> Floats:
        """Return the log-odds [P] of features [P, F]."""
        scaled = np.divide(features - self.mean, self.spread, out=np.zeros_like(features), where=self.spread > 0)
        return np.asarray(scaled @ self.weights + self.offset)


@dataclass(frozen=True, slots=True)
class EncoderPairScorer:
    """A ``PairScorer`` of an encoder and its head, which ignores the words of the question."""

    name: str
    sampling_rate: int
    embed: Embed
    head: Head
    most_in_s: float | None = None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the log-probabilities of both answers of every question."""
        log_odds = self.head.compute_log_odds(compute_features(self.embed, [question.audio for question in questions]))
        return [Answer((float(-np.logaddexp(0, -value)), float(-np.logaddexp(0, value)))) for value in log_odds]


def train_pair_scorer(
    name: str,
    embed: Embed,
    pairs: PairList,
    audio: Callable[[str], Audio],
    *,
    layout: str,
    sampling_rate: int,
    most_in_s: float | None = None,
) -> EncoderPairScorer:
    """Fit a head to pairs, whose speakers must not be those of any later question.

    Args:
        name: Name of the scorer.
        embed: The encoder.
        pairs: Training pairs.
        audio: Returns the samples [N] of a recording's key.
        layout: One of ``LAYOUTS``.
        sampling_rate: Of the encoder [Hz].
        most_in_s: Recordings are cut so that the layout is at most this long.

    Raises:
        DataError: All pairs are targets, or none is.
    """
    if not 0 < np.count_nonzero(pairs.target) < len(pairs):
        got = f"{np.count_nonzero(pairs.target)} targets of {len(pairs)}"
        raise DataError("nothing to train on", got=got, expected="targets and non-targets", where=WHERE)
    inputs = []
    for enrol, test in zip(pairs.enrol, pairs.test, strict=True):
        sides = crop_pair(layout, audio(pairs.keys[enrol]), audio(pairs.keys[test]), sampling_rate, most_in_s)
        inputs.append(arrange_pair(layout, *sides, sampling_rate))
    return EncoderPairScorer(
        name, sampling_rate, embed, fit_head(compute_features(embed, inputs), pairs.target), most_in_s
    )


def compute_features(embed: Embed, inputs: Sequence[tuple[Audio, ...]]) -> Floats:
    """Return features [P, F] of P times one or two audios; equal audios are encoded once."""
    clips: dict[bytes, Audio] = {}
    indices: list[int] = []
    index_of: dict[bytes, int] = {}
    for audio in itertools.chain.from_iterable(inputs):
        key = audio.tobytes()
        clips.setdefault(key, audio)
        indices.append(index_of.setdefault(key, len(index_of)))
    vectors = embed(list(clips.values())).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    if len(inputs[0]) == 1:
        return np.asarray(vectors[indices])
    a, b = vectors[indices[0::2]], vectors[indices[1::2]]
    return np.concatenate([np.abs(a - b), a * b, np.sum(a * b, axis=1, keepdims=True)], axis=1)


def fit_head(features: Floats, target: NDArray[np.bool_]) -> Head:
    """Fit ridge logistic regression to features [P, F], with equal total weight of targets and of non-targets."""
    from scipy.optimize import minimize

    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 0.0)
    x = np.divide(features - mean, spread, out=np.zeros_like(features), where=spread > 0)
    sign = np.where(target, 1.0, -1.0)
    weight = len(target) / 2 / np.where(target, np.count_nonzero(target), np.count_nonzero(~target))

    def compute_loss(parameters: Floats) -> tuple[float, Floats]:
        margins = sign * (x @ parameters[:-1] + parameters[-1])
        slope = -sign * weight * 0.5 * (1 - np.tanh(margins / 2))  # of the loss by the log-odds
        value = float(weight @ np.logaddexp(0, -margins) + 0.5 * RIDGE * parameters[:-1] @ parameters[:-1])
        return value, np.append(x.T @ slope + RIDGE * parameters[:-1], slope.sum())

    solution = minimize(
        compute_loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    ).x
    return Head(mean, spread, solution[:-1], float(solution[-1]))
