"""The pipeline of speaker verification: shards -> utterances -> embeddings -> back-end -> trials -> score.

An utterance is embedded once, whole or in the task's crops, whatever number of trials it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import collect_embeddings
from bench.evaluation.labelled import LabelledTask
from bench.evaluation.leakage import compute_leak_rate
from bench.evaluation.scores import Evaluation, build_score, concat_folds
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.loading.layers import HiddenLayers
from bench.scoring.trials import TrialPredictions
from bench.types import (
    DataError,
    Embeddings,
    FitSplit,
    Folds,
    Pairs,
    Probe,
    ProbeResult,
    Settings,
    Task,
    Trials,
)
from bench.types.trials import UNKNOWN, Utterance
from bench.verification import trial_lists
from bench.verification.trial_labels import check_trial_labels, compute_trial_rates
from bench.verification.trial_lists import TrialList


@dataclass(frozen=True, slots=True)
class LabelledTrials(LabelledTask):
    """The embeddings of all N utterances of a verification task, training and trials, and its trials."""

    trials: Trials
    embeddings: Embeddings
    ids: tuple[str, ...]  # [N] as the trial list names them
    utterances: tuple[Utterance, ...]  # [N]
    pairs: Pairs  # rows of the embeddings
    targets: NDArray[np.uint8] | None  # [n]; None where the list has no labels


def embed_trials(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledTrials:
    """Return the embeddings, trials and training rows of a task.

    Raises:
        DataError: If the trial list cannot be used, contradicts the sidecars or names an utterance that is in
            training, too.
    """
    trials, split = task.target, task.split
    if not isinstance(trials, Trials) or isinstance(split, Folds) or data.trials is None:
        got = f"{type(trials).__name__}, {type(split).__name__}"
        raise DataError("no verification task", got=got, expected="Trials, Splits", where=task.name)
    embeddings, rows = collect_embeddings(task, data, loaded, settings, progress)
    utterances = rows.read_labels(trials)
    ids = tuple(utterance.id or key for utterance, key in zip(utterances, embeddings.keys, strict=True))
    test, none = rows.by_split[split.test], np.zeros(0, dtype=np.int64)
    listed = trial_lists.read_trial_list(data.trials, [ids[row] for row in test], trials.form, repeats=trials.repeats)
    train = rows.by_split[split.train] if split.train is not None and split.train != split.test else none
    pairs = _build_pairs(listed, test, utterances)
    if listed.labels is not None:
        check_trial_labels(listed.labels, pairs, utterances, ids, trials, data.trials)
    problems = (FitSplit(train, None, test),)
    in_trials = {ids[row] for row in np.union1d(pairs.enrol, pairs.test)}
    _refuse_training_utterances(task, {ids[row] for row in train}, in_trials)
    return LabelledTrials(
        rows=rows,
        problems=problems,
        clusters=None,
        seconds=embeddings.seconds,
        rates=rows.rates | compute_leak_rate(rows, problems) | compute_trial_rates(listed, pairs, rows.digests),
        trials=trials,
        embeddings=embeddings,
        ids=ids,
        utterances=tuple(utterances),
        pairs=pairs,
        targets=listed.labels,
    )


def evaluate_trials(labelled: LabelledTrials, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Score the trials of a task with a back-end. ``n`` counts trials, ``clusters`` the speakers that they share.

    Raises:
        DataError: If the trial list has no labels.
    """
    if labelled.targets is None:
        expected = "a list with labels; python -m bench.submit scores this one"
        raise DataError("trials without labels", got=labelled.trials.form, expected=expected, where=labelled.task.name)
    results = score_trials(labelled, loaded, probe, settings)
    answers = _collect_answers(labelled, labelled.targets, results)
    return build_score(labelled.build_context(loaded, probe, settings), answers, results, labelled.rates)


def score_trials(
    labelled: LabelledTrials, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> list[ProbeResult]:
    """Return a back-end's scores of the trials of a task, in the list's order; ``predictions`` float32 [1, n].

    Raises:
        DataError: If the encoder gives all its layers, for there are no validation trials to choose one.
    """
    if isinstance(loaded.encoder, HiddenLayers) and loaded.encoder.index is None:
        raise DataError("trials on all layers", got="--layer all", expected="--layer N", where=labelled.task.name)
    return probe.run(
        labelled.embeddings.vectors,
        labelled.pairs,
        labelled.problems,
        n_classes=2,
        seeds=settings.seeds if probe.seeded else (0,),
        device=loaded.device,
    )


def _build_pairs(trials: TrialList, test: NDArray[np.int64], utterances: Sequence[Utterance]) -> Pairs:
    """Return the trials as rows of all utterances, with the speakers of these."""
    names = sorted({utterance.speaker for utterance in utterances if utterance.speaker is not None})
    numbers = {name: number for number, name in enumerate(names)}
    speakers = np.array(
        [UNKNOWN if utterance.speaker is None else numbers[utterance.speaker] for utterance in utterances],
        dtype=np.int64,
    )
    return Pairs(test[trials.enrol].astype(np.int32), test[trials.test].astype(np.int32), speakers)


def _refuse_training_utterances(task: Task, train: set[str], trials: set[str]) -> None:
    """Raise DataError for utterances that are in training and in a trial."""
    if train & trials:
        got = f"{len(train & trials)} utterances, e.g. {min(train & trials)}"
        raise DataError("training utterances in trials", got=got, expected="none", where=task.name)


def _collect_answers(
    labelled: LabelledTrials, targets: NDArray[np.uint8], results: Sequence[ProbeResult]
) -> TrialPredictions:
    """Return the scored trials with the speakers, durations and attributes of their utterances."""
    pairs = labelled.pairs
    used = np.unique(np.concatenate([np.unique(pairs.enrol), np.unique(pairs.test)]))
    place = np.zeros(len(labelled.ids), dtype=np.int32)
    place[used] = np.arange(len(used))
    speakers = pairs.speakers[used]
    named = np.unique(speakers[speakers != UNKNOWN])
    attributes = [labelled.utterances[row].attributes for row in used]
    return TrialPredictions(
        enrol=place[pairs.enrol],
        test=place[pairs.test],
        targets=targets,
        predictions=concat_folds(results),
        utterances=tuple(labelled.ids[row] for row in used),
        speakers=np.where(speakers == UNKNOWN, UNKNOWN, np.searchsorted(named, speakers)).astype(np.int32),
        seconds=labelled.embeddings.seconds[used],
        attributes={
            name: tuple(values[at] for values in attributes) for at, name in enumerate(labelled.trials.attributes)
        },
        asked=labelled.trials,
        info=dict(results[0].info) | {"crop_in_s": labelled.task.crop_in_s},
    )
