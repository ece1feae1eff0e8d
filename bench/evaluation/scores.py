"""From the predictions of a probe to a row of the leaderboard: the score, and all that says on what and how."""

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
from bench.xares.rules import get_rules


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A score and the scored predictions that prove it."""

    score: Score
    answers: ScoredPredictions | TrialPredictions


@dataclass(frozen=True, slots=True)
class EvalContext:
    """The case that is scored: everything about a row that the predictions do not say."""

    task: Task
    data: Dataset
    loaded: LoadedEncoder
    probe: Probe
    settings: Settings
    hours: float  # of audio


def run_probe(
    context: EvalContext,
    inputs: object,
    targets: object,
    problems: Sequence[FitSplit],
    quality: Callable[[FitSplit, Predictions], float],
    clusters: NDArray[np.int64] | None,
) -> list[ProbeResult]:
    """Fit the probe and return its predictions; where an encoder gives all layers, ``quality`` chooses one.

    Args:
        context: The case.
        inputs: Embeddings [N, D], or the frames [T, D] of each of N clips.
        targets: What the task's probes take as targets.
        problems: The fits, one for each fold.
        quality: The metric of predictions of one seed for the test rows of a fit, higher is better.
        clusters: Rows that are held out together, [N].
    """
    probe, loaded = context.probe, context.loaded
    return prepare_probe(probe, loaded, quality, clusters).run(
        inputs,
        targets,
        problems,
        n_classes=context.task.target.n_classes,
        seeds=context.settings.seeds if probe.seeded else (0,),
        device=loaded.device,
    )


def concat_folds(results: Sequence[ProbeResult]) -> Predictions:
    """Return the predictions of all folds, one fold after another, [S, n, ...]; scores as stored, in float32."""
    predictions = np.concatenate([result.predictions for result in results], axis=1)
    return predictions.astype(np.float32) if np.issubdtype(predictions.dtype, np.floating) else predictions


def list_held_out_rows(problems: Sequence[FitSplit]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the test rows, one fold after another, and the fold of each, [n] both."""
    order = np.concatenate([problem.test for problem in problems])
    return order, np.repeat(np.arange(len(problems)), [len(problem.test) for problem in problems])


def build_score(
    context: EvalContext,
    answers: ScoredPredictions | TrialPredictions,
    results: Sequence[ProbeResult],
    rates: Mapping[str, float],
    *,
    majority: float | None = None,
    further: Mapping[str, float] | None = None,
) -> Evaluation:
    """Return the row of some predictions, with them.

    Args:
        context: The case.
        answers: The scored predictions.
        results: The probe's results, one for each fold.
        rates: Fractions of clips to which something happened, such as ``missing``.
        majority: The metric of the best constant answer; None where that is chance.
        further: Secondary values that do not follow from the predictions.

    Raises:
        DataError: If the test clips have no two classes to tell apart.
    """
    task, loaded, probe, settings = context.task, context.loaded, context.probe, context.settings
    metric, n_classes = task.metric, task.target.n_classes
    result = compute_result(metric, answers, n_classes, where=task.name)

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
        value=result.value,
        normalized=result.normalized,
        chance_corrected=result.chance_corrected,
        ci95=result.ci95,
        n=result.n,
        clusters=result.clusters,
        weight=float(task.weight),
        chance=result.chance,
        majority=result.chance if majority is None else majority,
        seeds=settings.seeds if probe.seeded else (),
        seed_values=result.seed_values if probe.seeded else (),
        secondary=result.secondary | dict(further or {}) | average_chosen_layer(results),
        data=context.data.describe(round(context.hours, 6), n_classes),
        rates=rates,
        subsets=_name_fold_values(task, result) | result.subsets | compute_layer_curve(results, at_layer),
        predictions=name_predictions_file(task, loaded.name, probe.name),
        device=loaded.device.partition(":")[0],
        precision=loaded.precision,
        policy=get_rules(task.protocol).batching or loaded.policy,
        certified=loaded.certificate.passed,
        private=task.private,
    )
    return Evaluation(score, answers)


def _name_fold_values(task: Task, result: MetricResult) -> dict[str, float]:
    """Return the value of each fold by its name; nothing for a task without folds."""
    if not isinstance(task.split, Folds):
        return {}
    return {f"fold {name}": value for name, value in zip(task.split.names, result.fold_values, strict=True)}


def name_predictions_file(task: Task, encoder: str, probe: str) -> str:
    """Return the file of a row's predictions, relative to the leaderboard."""
    names = [task.name, encoder, probe, get_rules(task.protocol).label]
    return f"predictions/{'.'.join(sanitize_name(name) for name in names if name)}.safetensors"
