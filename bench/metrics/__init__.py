"""Metrics: pure functions of integer targets and predictions, each bundled with its chance level and range."""

from bench.metrics.classification import accuracy, balanced_accuracy

__all__ = ["accuracy", "balanced_accuracy"]
