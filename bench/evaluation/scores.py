"""A leaderboard row: what was measured of one case, and everything that says on what and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.layer_curve import average_chosen_layer, compute_layer_curve, prepare_probe
from bench.extraction.engine.local import LoadedEncoder
from bench.scoring.measure import MetricResult, ScoredPredictions, compute_by_fold, compute_result
from bench.scoring.trials import TrialPredictions
from bench.store.files import sanitize_name
from bench.types import FitSplit, Folds, Predictions, Probe, ProbeResult, Score, Settings, Task

UNMASKED = "unmasked"  # how clips share a batch in protocol xares: padded with zeros, and the encoder is not told


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A score and the proof of it."""

    score: Score
    answers: ScoredPredictions | TrialPredictions


@dataclass(frozen=True, slots=True)
class EvalContext:
    """What was asked: everything about a row that the answers do not say."""

    task: Task
    data: Dataset
    loaded: LoadedEncoder
    probe: Probe
    settings: Settings
    hours: float  # of audio


def run_probe(
    asked: EvalContext,
    inputs: object,
    targets: object,
    problems: Sequence[FitSplit],
    quality: Callable[[FitSplit, Predictions], float],
    clusters: NDArray[np.int64] | None,
) -> list[ProbeResult]:
    """What the probe says, on the layer that it chooses by ``quality`` where the encoder gives all of them."""
    probe, loaded = asked.probe, asked.loaded
    return prepare_probe(probe, loaded, quality, clusters).run(
        inputs,
        targets,
        problems,
        n_classes=asked.task.target.n_classes,
        seeds=asked.settings.seeds if probe.seeded else (0,),
        device=loaded.device,
    )


def concat_folds(results: Sequence[ProbeResult]) -> Predictions:
    """The predictions of all folds, one fold after another, [S, n, ...]."""
    return np.concatenate([result.predictions for result in results], axis=1)


def held_out_rows(problems: Sequence[FitSplit]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tested clips, one fold after another, and their folds, [n] each."""
    order = np.concatenate([problem.test for problem in problems])
    return order, np.repeat(np.arange(len(problems)), [len(problem.test) for problem in problems])


def build_score(
    asked: EvalContext,
    answers: ScoredPredictions | TrialPredictions,
    results: Sequence[ProbeResult],
    rates: Mapping[str, float],
    *,
    majority: float | None = None,
    further: Mapping[str, float] | None = None,
) -> Evaluation:
    """The row of some answers and the proof of it.

    ``majority`` is what is reached without listening (None: chance); ``further`` are numbers that do not follow from
    the answers. Raises DataError when there is nothing to tell apart.
    """
    task, loaded, probe, settings = asked.task, asked.loaded, asked.probe, asked.settings
    metric, n_classes = task.metric, task.target.n_classes
    found = compute_result(metric, answers, n_classes, where=task.name)

    def at_layer(row: Predictions) -> float:
        return float(compute_by_fold(metric, answers.targets, row, answers.folds).mean())

    score = Score(
        task=task.name,
        version=task.version,
        domain=task.domain,
        encoder=loaded.name,
        fingerprint=loaded.fingerprint,
        suite=settings.suite,
        protocol=task.protocol,
        probe=probe.name,
        metric=metric.name,
        value=found.value,
        normalized=found.normalized,
        chance_corrected=found.chance_corrected,
        ci95=found.ci95,
        n=found.n,
        clusters=found.clusters,
        weight=float(task.weight),
        chance=found.chance,
        majority=found.chance if majority is None else majority,
        seeds=settings.seeds if probe.seeded else (),
        seed_values=found.seed_values if probe.seeded else (),
        secondary=found.secondary | dict(further or {}) | average_chosen_layer(results),
        data=asked.data.describe(round(asked.hours, 6), n_classes),
        rates=rates,
        subsets=_name_fold_values(task, found) | found.subsets | compute_layer_curve(results, at_layer),
        predictions=name_predictions_file(task, loaded.name, probe.name),
        device=loaded.device.partition(":")[0],
        precision=loaded.precision,
        policy=loaded.policy if task.protocol == "strict" else UNMASKED,
        certified=loaded.certificate.passed,
        private=task.private,
    )
    return Evaluation(score, answers)


def _name_fold_values(task: Task, found: MetricResult) -> dict[str, float]:
    """The value of each fold by its name; nothing for a task without folds."""
    if not isinstance(task.split, Folds):
        return {}
    return {f"fold {name}": value for name, value in zip(task.split.names, found.fold_values, strict=True)}


def name_predictions_file(task: Task, encoder: str, probe: str) -> str:
    """The file of a row's predictions, relative to the leaderboard."""
    names = [task.name, encoder, probe, *([] if task.protocol == "strict" else [task.protocol])]
    return f"predictions/{'.'.join(map(sanitize_name, names))}.safetensors"
