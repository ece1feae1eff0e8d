"""The loss and the criterion of a linear head: they follow from the kind of targets, so that a probe needs no task.

- Class indices: cross-entropy, answers are class indices, and the epoch with the highest accuracy is kept.
- K-hot targets: binary cross-entropy of each class (mean over classes), answers are float32 scores, the sigmoid of the
  logits, and the epoch with the highest mean average precision is kept.

Losses and criteria are X-ARES's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional

from bench.metrics import mean_average_precision

if TYPE_CHECKING:
    from torch import Tensor


class Objective(Protocol):
    """The loss and criterion of P stacked heads, B rows each, C classes."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return [P * B] losses of logits [P, B, C] and labels [P, B, ...]."""

    def answer(self, logits: Tensor) -> Tensor:
        """Return [M, ...] predictions of logits [M, C]."""

    def quality(self, answers: Tensor, labels: Tensor) -> float:
        """Return the criterion of epochs, higher is better and never negative, of [M, ...] both."""


@dataclass(frozen=True, slots=True)
class SingleLabelObjective:
    """The objective of class indices."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")

    def answer(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=1)

    def quality(self, answers: Tensor, labels: Tensor) -> float:
        return float((answers == labels).double().mean())


@dataclass(frozen=True, slots=True)
class MultiLabelObjective:
    """The objective of k-hot targets; ``pos_weight`` is how often a positive counts in the loss."""

    pos_weight: float | None = None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weight = None if self.pos_weight is None else logits.new_tensor(self.pos_weight)
        truth = labels.to(logits.dtype)
        loss = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none", pos_weight=weight)
        return loss.mean(dim=2).flatten()

    def answer(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)

    def quality(self, answers: Tensor, labels: Tensor) -> float:
        return mean_average_precision.compute(labels.cpu().numpy(), answers.cpu().numpy())
