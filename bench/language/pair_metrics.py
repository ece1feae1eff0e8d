"""How well pair questions were answered, beyond the share of right answers.

- accuracy: pairs answered rightly; a refusal or an unreadable answer is wrong. ``accuracy of answers`` leaves such
  pairs out. Half the pairs being targets, a model that always says "one" has 0.5; hence
- balanced accuracy: the mean of the accuracies of targets and of non-targets, and
- yes-rate: the share of readable answers that say "one speaker".
- order gap: the difference between the best and the worst accuracy over the four orders of the question; ``order
  flips`` is the share of pairs that do not get one answer in all four.
- EER and minDCF of the mean score over the orders: of models with continuous scores only. Three tied values are none.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.language.pair_questions import REFUSED, UNREADABLE, PairAnswers
from bench.metrics.detection import compute_eer, compute_min_dcf, rank_trials
from bench.types import DataError

PRIOR = 0.01  # of a target, for minDCF


def compute_measures(asked: PairAnswers) -> Mapping[str, float | None]:
    """Every measure by name; None where it does not exist. Raises DataError without targets or without non-targets."""
    target, said = asked.target, asked.said
    if not 0 < np.count_nonzero(target) < len(target):
        got = f"{np.count_nonzero(target)} targets of {len(target)}"
        raise DataError("one kind of pair only", got=got, expected="targets and non-targets", where="pair question")
    answer = _majority(asked)
    right = answer == target
    readable, answered = said >= 0, answer >= 0
    by_order = (said == target[:, None]).mean(axis=0)
    found: dict[str, float | None] = {
        "accuracy": float(right.mean()),
        "accuracy of answers": float(right[answered].mean()) if answered.any() else None,
        "balanced accuracy": float((right[target].mean() + right[~target].mean()) / 2),
        "yes-rate": float(said[readable].mean()) if readable.any() else None,
        "refusals": float((said == REFUSED).mean()),
        "unreadable": float((said == UNREADABLE).mean()),
        "order gap": float(by_order.max() - by_order.min()),
        "order flips": float((said != said[:, :1]).any(axis=1).mean()),
        "EER": None,
        f"minDCF({PRIOR:g})": None,
    }
    if asked.scores is not None:
        ranking = rank_trials(target.astype(np.uint8), asked.scores.mean(axis=1))
        found |= {"EER": compute_eer(ranking), f"minDCF({PRIOR:g})": compute_min_dcf(ranking, PRIOR)}
    return found


def _majority(asked: PairAnswers) -> NDArray[np.int8]:
    """[P] the answer of all orders together: 1, 0, or UNREADABLE where as many say one as say two."""
    if asked.scores is not None:
        return np.asarray(asked.scores.mean(axis=1) > 0, dtype=np.int8)
    votes = (asked.said == 1).sum(axis=1) - (asked.said == 0).sum(axis=1)
    return np.asarray(np.where(votes > 0, 1, np.where(votes < 0, 0, UNREADABLE)), dtype=np.int8)
