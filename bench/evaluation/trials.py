"""The story of a score of speaker verification: shards -> utterances -> embeddings -> back-end -> trials -> Score.

An utterance is embedded once, whole or in the task's crops, whatever number of trials it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.evaluation.inputs import collect_embeddings, compute_missing_rate, read_labels
from bench.evaluation.scores import EvalContext, Evaluation, build_score, concat_folds
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine.local import LoadedEncoder
from bench.loading.layers import HiddenLayers
from bench.scoring.trials import TrialPredictions
from bench.types import DataError, Embeddings, FitSplit, Folds, Pairs, Probe, ProbeResult, Settings, Task, Trials
from bench.types.trials import UNKNOWN, Utterance
from bench.verification import trial_lists
from bench.verification.trial_lists import TrialList


@dataclass(frozen=True, slots=True)
class LabelledTrials:
    """All utterances of a verification task and its trials: what its back-ends work on."""

    task: Task
    asked: Trials
    data: Dataset
    embeddings: Embeddings  # of N utterances, training and trials
    ids: tuple[str, ...]  # [N] as the trial list names them
    utterances: tuple[Utterance, ...]  # [N]
    pairs: Pairs  # rows of the embeddings
    targets: NDArray[np.uint8] | None  # [n]; None where the list does not say
    problem: FitSplit
    missing: float  # fraction of clips that were skipped


def embed_trials(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> LabelledTrials:
    """Embeddings, trials and training rows of a task.

    Raises DataError for a trial list as ``trial_lists.read_trial_list`` does, and for an utterance that is in
    training and in a trial.
    """
    asked, split = task.target, task.split
    if not isinstance(asked, Trials) or isinstance(split, Folds) or data.trials is None:
        got = f"{type(asked).__name__}, {type(split).__name__}"
        raise DataError("no verification task", got=got, expected="Trials, Splits", where=task.name)
    embeddings, of_split = collect_embeddings(task, data, loaded, settings, progress)
    told = read_labels(task, of_split, embeddings.keys, embeddings.sidecars, asked)
    ids = tuple(own.id or key for own, key in zip(told, embeddings.keys, strict=True))
    test, none = of_split[split.test], np.zeros(0, dtype=np.int64)
    trials = trial_lists.read_trial_list(data.trials, [ids[row] for row in test], asked.form, repeats=asked.repeats)
    train = of_split[split.train] if split.train is not None and split.train != split.test else none
    pairs = _build_pairs(trials, test, told)
    _refuse_training_utterances(
        task, {ids[row] for row in train}, {ids[row] for row in np.unique([*pairs.enrol, *pairs.test])}
    )
    missing = compute_missing_rate(task, data, of_split, embeddings.keys)
    problem = FitSplit(train, None, test)
    return LabelledTrials(task, asked, data, embeddings, ids, tuple(told), pairs, trials.labels, problem, missing)


def evaluate_trials(labelled: LabelledTrials, loaded: LoadedEncoder, probe: Probe, settings: Settings) -> Evaluation:
    """Score the trials of a task with a back-end. ``n`` counts trials, ``clusters`` the speakers that they share."""
    task = labelled.task
    if labelled.targets is None:
        expected = "a list to be measured; python -m bench.submit scores this one"
        raise DataError("trials without labels", got=labelled.asked.form, expected=expected, where=task.name)
    results = score_trials(labelled, loaded, probe, settings)
    asked = EvalContext(task, labelled.data, loaded, probe, settings, float(labelled.embeddings.seconds.sum()) / 3600)
    return build_score(
        asked, _collect_answers(labelled, labelled.targets, results), results, {"missing": labelled.missing}
    )


def score_trials(
    labelled: LabelledTrials, loaded: LoadedEncoder, probe: Probe, settings: Settings
) -> list[ProbeResult]:
    """What a back-end says of the trials of a task, in the list's order; ``predictions`` float32 [1, n].

    Raises DataError for an encoder of all layers: no validation trials choose one.
    """
    if isinstance(loaded.encoder, HiddenLayers) and loaded.encoder.index is None:
        raise DataError("trials on all layers", got="--layer all", expected="--layer N", where=labelled.task.name)
    return probe.run(
        labelled.embeddings.vectors,
        labelled.pairs,
        [labelled.problem],
        n_classes=2,
        seeds=settings.seeds if probe.seeded else (0,),
        device=loaded.device,
    )


def _build_pairs(trials: TrialList, test: NDArray[np.int64], told: Sequence[Utterance]) -> Pairs:
    """The trials as rows of all utterances, with the speakers of these."""
    named = {name: place for place, name in enumerate(sorted({own.speaker for own in told if own.speaker is not None}))}
    speakers = np.array([UNKNOWN if own.speaker is None else named[own.speaker] for own in told], dtype=np.int64)
    return Pairs(test[trials.enrol].astype(np.int32), test[trials.test].astype(np.int32), speakers)


def _refuse_training_utterances(task: Task, train: set[str], trials: set[str]) -> None:
    if train & trials:
        got = f"{len(train & trials)} utterances, e.g. {min(train & trials)}"
        raise DataError("training utterances in trials", got=got, expected="none", where=task.name)


def _collect_answers(
    labelled: LabelledTrials, targets: NDArray[np.uint8], results: Sequence[ProbeResult]
) -> TrialPredictions:
    """The scored trials and what is known of their utterances."""
    pairs, asked = labelled.pairs, labelled.asked
    used = np.unique(np.concatenate([np.unique(pairs.enrol), np.unique(pairs.test)]))
    place = np.zeros(len(labelled.ids), dtype=np.int32)
    place[used] = np.arange(len(used))
    speakers = pairs.speakers[used]
    named = np.unique(speakers[speakers != UNKNOWN])
    own = [labelled.utterances[row].attributes for row in used]
    return TrialPredictions(
        enrol=place[pairs.enrol],
        test=place[pairs.test],
        targets=targets,
        predictions=concat_folds(results),
        utterances=tuple(labelled.ids[row] for row in used),
        speakers=np.where(speakers == UNKNOWN, UNKNOWN, np.searchsorted(named, speakers)).astype(np.int32),
        seconds=labelled.embeddings.seconds[used],
        attributes={name: tuple(each[at] for each in own) for at, name in enumerate(asked.attributes)},
        asked=asked,
        info=dict(results[0].info) | {"crop_in_s": labelled.task.crop_in_s},
    )
