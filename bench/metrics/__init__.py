"""Metrics: pure functions of integer targets and predictions, each bundled with its chance level and range."""

from bench.metrics.classification import accuracy, balanced_accuracy
from bench.metrics.segments import segment_f1_macro, segment_f1_micro

__all__ = ["accuracy", "balanced_accuracy", "segment_f1_macro", "segment_f1_micro"]
