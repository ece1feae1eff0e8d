"""An encoder that answers pair questions: a small head, trained on pairs of other speakers, on its frozen embeddings.

Of two audios a and b the head sees |a - b|, a * b and their cosine, so that it cannot tell which came first; of one
audio that holds both it sees the embedding. It is a logistic regression: convex, so that the same pairs give the same
head, with a ridge that is strong, as there are more numbers than a few hundred pairs can fix.
"""

from __future__ import annotations

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
"""Audio [N] of B clips, at the encoder's rate, to vectors [B, D]."""
RIDGE = 1.0  # on weights of standardised features, against the sum of losses
STEPS = 500
WHERE = "pair head"


@dataclass(frozen=True, slots=True)
class Head:
    """The log-odds of one speaker: features, standardised, times weights."""

    mean: Floats  # [F]
    spread: Floats  # [F], 0 where a feature did not vary
    weights: Floats  # [F]
    offset: float

    def log_odds(self, features: Floats) -> Floats:
        """[P] of features [P, F]."""
        scaled = np.divide(features - self.mean, self.spread, out=np.zeros_like(features), where=self.spread > 0)
        return np.asarray(scaled @ self.weights + self.offset)


@dataclass(frozen=True, slots=True)
class EncoderPairScorer:
    """A ``PairScorer``: an encoder and its head. The words of the question do not reach it."""

    name: str
    sampling_rate: int
    embed: Embed
    head: Head
    most_in_s: float | None = None

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Log-probabilities of both answers of every question."""
        odds = self.head.log_odds(compute_features(self.embed, [question.audio for question in questions]))
        return [Answer((float(-np.logaddexp(0, -value)), float(-np.logaddexp(0, value)))) for value in odds]


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
    """The scorer of an encoder, its head fitted to ``pairs``, whose speakers must not be those of any question.

    Raises DataError for pairs of one kind only.
    """
    if not 0 < np.count_nonzero(pairs.target) < len(pairs):
        got = f"{np.count_nonzero(pairs.target)} targets of {len(pairs)}"
        raise DataError("nothing to train on", got=got, expected="targets and non-targets", where=WHERE)
    shown = []
    for enrol, test in zip(pairs.enrol, pairs.test, strict=True):
        sides = crop_pair(layout, audio(pairs.keys[enrol]), audio(pairs.keys[test]), sampling_rate, most_in_s)
        shown.append(arrange_pair(layout, *sides, sampling_rate))
    return EncoderPairScorer(
        name, sampling_rate, embed, fit_head(compute_features(embed, shown), pairs.target), most_in_s
    )


def compute_features(embed: Embed, shown: Sequence[tuple[Audio, ...]]) -> Floats:
    """[P, F] of P times one or two audios; an audio that comes again is encoded once."""
    distinct: dict[bytes, int] = {}
    places: list[int] = []
    clips: list[Audio] = []
    for audios in shown:
        for one in audios:
            key = one.tobytes()
            if key not in distinct:
                distinct[key] = len(clips)
                clips.append(one)
            places.append(distinct[key])
    vectors = embed(clips).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    if len(shown[0]) == 1:
        return np.asarray(vectors[places])
    a, b = vectors[places[0::2]], vectors[places[1::2]]
    return np.concatenate([np.abs(a - b), a * b, np.sum(a * b, axis=1, keepdims=True)], axis=1)


def fit_head(values: Floats, target: NDArray[np.bool_]) -> Head:
    """The head of features [P, F]: ridge logistic regression in which both kinds of pairs weigh alike."""
    from scipy.optimize import minimize

    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 0.0)
    x = np.divide(values - mean, spread, out=np.zeros_like(values), where=spread > 0)
    sign = np.where(target, 1.0, -1.0)
    weight = len(target) / 2 / np.where(target, np.count_nonzero(target), np.count_nonzero(~target))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margins = sign * (x @ parameters[:-1] + parameters[-1])
        slope = -sign * weight * 0.5 * (1 - np.tanh(margins / 2))  # of the loss by the log-odds
        value = float(weight @ np.logaddexp(0, -margins) + 0.5 * RIDGE * parameters[:-1] @ parameters[:-1])
        return value, np.append(x.T @ slope + RIDGE * parameters[:-1], slope.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return Head(mean, spread, found[:-1], float(found[-1]))
