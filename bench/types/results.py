"""Scores, failures and the leaderboard that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN_DATA = "own data"  # how the id begins of shards in the layout of a public record that are not known to be its


@dataclass(frozen=True, slots=True)
class Data:
    """The data that a score was computed on."""

    id: str
    sha256: str  # over the shard digests, sorted
    licence: str
    synthetic: bool
    reference: bool | None  # mini suite: the bytes are the published ones; None where nothing is published
    hours: float
    classes: int


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the leaderboard. Every value is a plain Python value: it travels through xdist and JSON."""

    task: str
    version: int
    domain: str
    encoder: str
    fingerprint: str
    suite: str
    protocol: str
    probe: str
    metric: str
    value: float
    normalized: float  # (value - worst) / (best - worst)
    chance_corrected: float  # (value - chance) / (best - chance)
    ci95: tuple[float, float]
    n: int  # scored clips; of an event task segments, of a retrieval task queries, whose clusters are the clips
    clusters: int | None  # resampled units, None when clips were resampled one by one
    weight: float
    chance: float
    majority: float  # metric of a constant prediction: the most frequent training class, or each class's training share
    seeds: tuple[int, ...]
    seed_values: tuple[float, ...]
    secondary: Mapping[str, float]  # further metrics
    data: Data
    rates: Mapping[str, float]  # e.g. {"missing": 0.0}
    subsets: Mapping[str, float]  # e.g. value by fold
    predictions: str  # file below the run folder
    device: str  # cpu or cuda
    precision: str
    policy: str  # batching
    certified: bool
    private: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be scored: never a zero."""

    task: str
    encoder: str
    probe: str
    error: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The content of ``leaderboard.json``, of which the bytes do not depend on how the run was made."""

    schema: int
    suite: str
    protocol: str
    scores: tuple[Score, ...]
    failures: tuple[Failure, ...]
    summaries: tuple[Mapping[str, Any], ...]
    encoders: tuple[Mapping[str, Any], ...]
    leakage: tuple[Mapping[str, Any], ...] = ()  # pairs of splits that share audio; see ``bench.evaluation.leakage``
