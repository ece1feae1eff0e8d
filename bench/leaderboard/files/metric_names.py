"""Metrics by name: a leaderboard holds names only.

The metrics of ``bench.metrics`` are known. A metric that a user's task file defines is known where that file is given:
``collect_own_metrics`` of its tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bench.metrics import (
    accuracy,
    balanced_accuracy,
    build_character_error_rate_inverse,
    build_word_error_rate_inverse,
    equal_error_rate,
    mean_average_precision,
    recall_at_1,
    segment_f1_macro,
    segment_f1_micro,
)
from bench.metrics.error_rates import to_lower_case, to_plain_words
from bench.types import ChoiceError, Metric, Score, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OwnMetrics: TypeAlias = "Mapping[tuple[str, str, str], Metric]"  # by task, name and protocol
NO_METRICS: OwnMetrics = {}
STRICT: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        accuracy,
        balanced_accuracy,
        equal_error_rate,
        mean_average_precision,
        recall_at_1,
        segment_f1_macro,
        segment_f1_micro,
        build_word_error_rate_inverse(to_plain_words),
        build_character_error_rate_inverse(to_plain_words),
    )
}
XARES: Mapping[str, Metric] = {
    **{name: metric.xares or metric for name, metric in STRICT.items()},
    "iWER": build_word_error_rate_inverse(to_lower_case),
    "iCER": build_character_error_rate_inverse(to_lower_case),
}


def collect_own_metrics(tasks: Iterable[Task]) -> OwnMetrics:
    """Collect the metrics of tasks that are not those known here, as each protocol computes them."""
    own: dict[tuple[str, str, str], Metric] = {}
    for task in tasks:
        metric = task.metric
        if metric in (STRICT.get(metric.name), XARES.get(metric.name)):
            continue
        if task.protocol == "strict":
            own[task.name, metric.name, "strict"] = metric
        own[task.name, metric.name, "xares"] = metric.xares or metric
    return own


def find_metric(score: Score, own_metrics: OwnMetrics = NO_METRICS) -> Metric:
    """Return the metric of a row under its protocol.

    Args:
        score: the row.
        own_metrics: metrics that tasks define themselves; see ``collect_own_metrics``.

    Raises:
        ChoiceError: the name is neither among them nor one of the metrics here.
    """
    own = own_metrics.get((score.task, score.metric, score.protocol))
    if own is not None:
        return own
    known = STRICT if score.protocol == "strict" else XARES
    if score.metric not in known:
        expected = f"--tasks FILE with the task that defines it, or {', '.join(sorted(known))}"
        raise ChoiceError("unknown metric", got=repr(score.metric), expected=expected, where=score.task)
    return known[score.metric]
