"""Metrics of answers to pair questions.

- accuracy: share of pairs answered correctly; refusals and unreadable answers are wrong. ``accuracy of answers`` leaves
  such pairs out. With as many targets as non-targets, a model that always says "one" has 0.5; hence
- balanced accuracy: the mean of the accuracies of targets and of non-targets, and
- yes-rate: the share of readable answers that say "one speaker".
- order gap: the difference between the best and the worst accuracy over the four orders of the question; ``order
  flips`` is the share of pairs that do not get the same answer in all four.
- EER and minDCF of the mean score over the orders, of models with continuous scores only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.language.pair_questions import REFUSED, UNREADABLE, PairAnswers
from bench.metrics.detection import compute_eer, compute_min_dcf, rank_trials
from bench.types import DataError

PRIOR = 0.01  # of a target, for minDCF


def compute_measures(answers: PairAnswers) -> Mapping[str, float | None]:
    """Return every metric by name, None where it is undefined.

    Raises:
        DataError: There are no targets or no non-targets.
    """
    target, codes = answers.target, answers.codes
    if not 0 < np.count_nonzero(target) < len(target):
        got = f"{np.count_nonzero(target)} targets of {len(target)}"
        raise DataError("one kind of pair only", got=got, expected="targets and non-targets", where="pair question")
    answer = _take_majority(answers)
    correct = answer == target
    readable, decided = codes >= 0, answer >= 0
    by_order = (codes == target[:, None]).mean(axis=0)
    metrics: dict[str, float | None] = {
        "accuracy": float(correct.mean()),
        "accuracy of answers": float(correct[decided].mean()) if decided.any() else None,
        "balanced accuracy": float((correct[target].mean() + correct[~target].mean()) / 2),
        "yes-rate": float(codes[readable].mean()) if readable.any() else None,
        "refusals": float((codes == REFUSED).mean()),
        "unreadable": float((codes == UNREADABLE).mean()),
        "order gap": float(by_order.max() - by_order.min()),
        "order flips": float((codes != codes[:, :1]).any(axis=1).mean()),
        "EER": None,
        f"minDCF({PRIOR:g})": None,
    }
    if answers.scores is not None:
        ranking = rank_trials(target.astype(np.uint8), answers.scores.mean(axis=1))
        metrics |= {"EER": compute_eer(ranking), f"minDCF({PRIOR:g})": compute_min_dcf(ranking, PRIOR)}
    return metrics


def _take_majority(answers: PairAnswers) -> NDArray[np.int8]:
    """Return the majority answer [P] over the orders: 1, 0, or UNREADABLE for a tie."""
    if answers.scores is not None:
        return np.asarray(answers.scores.mean(axis=1) > 0, dtype=np.int8)
    votes = (answers.codes == 1).sum(axis=1) - (answers.codes == 0).sum(axis=1)
    return np.asarray(np.where(votes > 0, 1, np.where(votes < 0, 0, UNREADABLE)), dtype=np.int8)
