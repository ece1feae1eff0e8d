"""Checks of the labels of a task as a whole: what makes a number wrong is an error, what makes it weak is a rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.types import DataError, FitSplit, Folds, Targets, Task
from bench.types.rates import CONTRADICTED_CLIPS, UNTESTED_CLASSES, UNTRAINED_CLIPS, UNUSED_CLASSES


def check_classes(task: Task, targets: Targets, problems: Sequence[FitSplit]) -> dict[str, float]:
    """Return what makes the labels of a task weak; only rates above 0 are there.

    Args:
        task: The task.
        targets: Class indices [N] or k-hot [N, C]; other targets are not checked.
        problems: The fits.

    Raises:
        DataError: The training or test labels of a fit do not differ, so that there is nothing to learn or to tell
            apart.
    """
    k_hot = targets.ndim == 2
    if targets.ndim > 2 or not (np.issubdtype(targets.dtype, np.integer) or targets.dtype == np.bool_):
        return {}
    for number, problem in enumerate(problems):
        where = f"{task.name}, fold {task.split.names[number]}" if isinstance(task.split, Folds) else task.name
        for name, rows in (("training", problem.train), ("test", problem.test)):
            labels = targets[rows]
            if len(labels) and (labels == labels[0]).all():
                got = f"the same label in all {len(labels)} clips"
                raise DataError(f"labels of the {name} clips", got=got, expected="two classes or more", where=where)
    return _compute_class_rates(task.target.n_classes, targets if k_hot else None, targets, problems)


def check_event_classes(task: Task, targets: Targets, problems: Sequence[FitSplit]) -> dict[str, float]:
    """Return what makes the events of a task weak, of the classes that sound in each clip, k-hot [N, C].

    Raises:
        DataError: No training clip has an event.
    """
    for problem in problems:
        if not targets[problem.train].any():
            got = f"no event in {len(problem.train)} clips"
            raise DataError("labels of the training clips", got=got, expected="events", where=task.name)
    return _compute_class_rates(task.target.n_classes, targets, targets, problems)


def _compute_class_rates(
    n_classes: int, k_hot: Targets | None, targets: Targets, problems: Sequence[FitSplit]
) -> dict[str, float]:
    """Return the rates of classes that never occur or are not tested, and of test clips of untrained classes."""

    def find_occurring(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if k_hot is not None:
            return np.asarray(k_hot[rows].any(axis=0))
        return np.bincount(targets[rows], minlength=n_classes) > 0

    used = find_occurring(np.arange(len(targets)))
    tested, n_untrained, n_tested = np.zeros(len(used), dtype=bool), 0, 0
    for problem in problems:
        tested |= find_occurring(problem.test)
        unknown, labels = ~find_occurring(problem.train), targets[problem.test]
        n_tested += len(labels)
        n_untrained += int(np.count_nonzero(unknown[labels] if k_hot is None else (labels * unknown).any(axis=1)))
    rates = {
        UNUSED_CLASSES: np.count_nonzero(~used) / max(n_classes, 1),
        UNTESTED_CLASSES: np.count_nonzero(used & ~tested) / max(n_classes, 1),
        UNTRAINED_CLIPS: n_untrained / max(n_tested, 1),
    }
    return {name: float(rate) for name, rate in rates.items() if rate}


def compute_contradiction_rate(digests: Sequence[str], targets: Targets) -> dict[str, float]:
    """Return the fraction of rows whose audio another row has with another label, if there is one.

    Args:
        digests: Of the decoded samples of each clip, [N].
        targets: Class indices [N] or k-hot [N, C].
    """
    if len(digests) != len(targets):
        return {}
    labels: dict[str, set[bytes]] = defaultdict(set)
    rows: Counter[str] = Counter()
    for digest, target in zip(digests, targets, strict=True):
        labels[digest].add(np.asarray(target).tobytes())
        rows[digest] += 1
    n_rows = sum(rows[digest] for digest, own in labels.items() if len(own) > 1)
    return {CONTRADICTED_CLIPS: n_rows / len(targets)} if n_rows else {}
