"""A leaderboard row: what was measured of one case, and everything that says on what and how."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.data import Dataset
from bench.engine.local import Frozen
from bench.types import DataError, Predictions, Probe, Score, Settings, Targets, Task

UNMASKED = "unmasked"  # how clips share a batch in protocol xares: padded with zeros, and the encoder is not told


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A score and the proof of it: one row for each clip, segment or query that was scored."""

    score: Score
    keys: tuple[str, ...]
    targets: Targets  # [n], k-hot [n, C], or texts [n]
    predictions: Predictions  # [S, n] class indices, ranks or texts, or [S, n, C] scores or answers
    folds: NDArray[np.int64]  # [n] which problem tested the clip
    clusters: NDArray[np.int64] | None  # [n]
    classes: tuple[str, ...]
    ranks: bool = False  # whether predictions are ranks of the right answer, 1 the best


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one case."""

    value: float
    ci95: tuple[float, float]
    n: int
    clusters: int | None
    chance: float
    majority: float
    seed_values: tuple[float, ...]  # one for each probe seed, none for a probe without seeds
    hours: float
    n_classes: int
    secondary: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=lambda: {"missing": 0.0})
    subsets: Mapping[str, float] = field(default_factory=dict)


def score(task: Task, data: Dataset, frozen: Frozen, probe: Probe, settings: Settings, measured: Measured) -> Score:
    """The row. Raises DataError when guessing already reaches the best value, so that nothing can be told apart."""
    metric = task.metric
    if measured.chance == metric.best:
        got = f"chance {measured.chance}"
        raise DataError("nothing to tell apart", got=got, expected=f"chance unlike {metric.best}", where=task.name)
    return Score(
        task=task.name,
        version=task.version,
        domain=task.domain,
        encoder=frozen.name,
        fingerprint=frozen.fingerprint,
        suite=settings.suite,
        protocol=task.protocol,
        probe=probe.name,
        metric=metric.name,
        value=measured.value,
        normalized=(measured.value - metric.worst) / (metric.best - metric.worst),
        chance_corrected=(measured.value - measured.chance) / (metric.best - measured.chance),
        ci95=measured.ci95,
        n=measured.n,
        clusters=measured.clusters,
        weight=float(task.weight),
        chance=measured.chance,
        majority=measured.majority,
        seeds=settings.seeds if probe.seeded else (),
        seed_values=measured.seed_values if probe.seeded else (),
        secondary=measured.secondary,
        data=data.described(round(measured.hours, 6), measured.n_classes),
        rates=measured.rates,
        subsets=measured.subsets,
        predictions=proof(task, frozen.name, probe.name),
        device=frozen.device.partition(":")[0],
        precision=frozen.precision,
        policy=frozen.policy if task.protocol == "strict" else UNMASKED,
        certified=frozen.certificate.passed,
        private=task.private,
    )


def proof(task: Task, encoder: str, probe: str) -> str:
    """The file of a row's predictions, relative to the leaderboard."""
    names = [task.name, encoder, probe, *([] if task.protocol == "strict" else [task.protocol])]
    return f"predictions/{'.'.join(map(safe, names))}.safetensors"


def safe(name: str) -> str:
    """A name as part of a file name; two different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
