"""Compare the labels of trials with what the sidecars of their utterances say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.types import DataError, Pairs, Trials
from bench.types.rates import EQUAL_TRIALS, REPEATED_TRIALS
from bench.types.trials import UNKNOWN, Utterance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.verification.trial_lists import TrialList


def check_trial_labels(
    labels: NDArray[np.uint8],
    pairs: Pairs,
    utterances: Sequence[Utterance],
    ids: Sequence[str],
    trials: Trials,
    where: object,
) -> None:
    """Raise DataError, naming the line, for a target of two speakers and a non-target of one.

    Where trials are told apart by more than the speaker (``Trials.nontargets`` names the speaker beside other
    attributes), a non-target of one speaker has to differ in some of it. Trials of unknown speakers or attributes are
    left alone.

    Args:
        labels: 1 for a target, [n].
        pairs: The trials as rows of the utterances.
        utterances: [N]
        ids: As the list names them, [N].
        trials: What the task asks.
        where: The list.
    """
    one_speaker, is_known = _compare(pairs.speakers, pairs)
    wrong_targets = is_known & ~one_speaker & (labels == 1)
    wrong_nontargets = is_known & one_speaker & (labels == 0)
    further = [name for name in trials.nontargets if name != trials.speaker and trials.speaker in trials.nontargets]
    for name in further:
        at = trials.attributes.index(name)
        equal, both_known = _compare(_encode([utterance.attributes[at] for utterance in utterances]), pairs)
        wrong_nontargets &= equal & both_known
    wrong = np.flatnonzero(wrong_targets | wrong_nontargets)
    if wrong.size:
        first = int(wrong[0])
        sides = [utterances[row] for row in (pairs.enrol[first], pairs.test[first])]
        names = " and ".join(ids[row] for row in (pairs.enrol[first], pairs.test[first]))
        speakers = " and ".join(repr(side.speaker) for side in sides)
        got = f"{'target' if labels[first] else 'non-target'} for {names} of speakers {speakers}"
        expected = f"what the sidecars say ({wrong.size} of {len(labels)} trials differ)"
        raise DataError("label of a trial", got=got, expected=expected, where=f"{where}, line {first + 1}")


def compute_trial_rates(listed: TrialList, pairs: Pairs, digests: Sequence[str]) -> dict[str, float]:
    """Return the fractions of trials that are repeated and of those of equal audio, where above 0."""
    counts = {REPEATED_TRIALS: listed.repeated}
    if len(digests) == len(pairs.speakers):
        codes = _encode(list(digests))
        counts[EQUAL_TRIALS] = int(np.count_nonzero(codes[pairs.enrol] == codes[pairs.test]))
    return {name: count / len(pairs.enrol) for name, count in counts.items() if count}


def _compare(codes: NDArray[np.int64], pairs: Pairs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether the sides of each trial are equal, and whether both are known, [n] each."""
    enrol, test = codes[pairs.enrol], codes[pairs.test]
    return enrol == test, (enrol != UNKNOWN) & (test != UNKNOWN)


def _encode(values: Sequence[str | None]) -> NDArray[np.int64]:
    """Return numbers that are equal where the texts are, and UNKNOWN for None."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
    return np.array([UNKNOWN if value is None else numbers[value] for value in values], dtype=np.int64)
