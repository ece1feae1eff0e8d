"""Which metric a row's name stands for: a leaderboard holds names only, and tasks are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from bench.types import ChoiceError, Metric, Score

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def find_metric(score: Score) -> Metric:
    """The metric of a row under its protocol. Raises ChoiceError for a name that is none of the metrics here."""
    known = STRICT if score.protocol == "strict" else XARES
    if score.metric not in known:
        raise ChoiceError("unknown metric", got=repr(score.metric), expected=", ".join(sorted(known)), where=score.task)
    return known[score.metric]
