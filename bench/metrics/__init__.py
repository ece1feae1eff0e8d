"""Metrics: pure functions of targets and predictions, each with its chance level, range and way of resampling."""

from bench.metrics.classification import accuracy, balanced_accuracy
from bench.metrics.error_rates import build_character_error_rate_inverse, build_word_error_rate_inverse
from bench.metrics.multilabel import mean_average_precision
from bench.metrics.retrieval import recall_at_1
from bench.metrics.segment_f1 import segment_f1_macro, segment_f1_micro
from bench.metrics.verification import equal_error_rate

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "build_character_error_rate_inverse",
    "build_word_error_rate_inverse",
    "equal_error_rate",
    "mean_average_precision",
    "recall_at_1",
    "segment_f1_macro",
    "segment_f1_micro",
]
