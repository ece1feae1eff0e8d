"""Linear heads stacked along a first axis, and the optimiser that steps each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

ROWS = 4096  # rows classified at a time


@dataclass(frozen=True, slots=True)
class Heads:
    """Stacked parameters of P heads: logits of head p are (x * gain[p] + bias[p]) @ weight[p] + offset[p]."""

    gain: Tensor  # [P, 1, D] LayerNorm's weight
    bias: Tensor  # [P, 1, D] LayerNorm's bias
    weight: Tensor  # [P, D, C] Linear's weight, transposed
    offset: Tensor  # [P, 1, C] Linear's bias

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.gain, self.bias, self.weight, self.offset

    def logits(self, x: Tensor) -> Tensor:
        """[P, B, C] of x [P, B, D]."""
        return torch.baddbmm(self.offset, x * self.gain + self.bias, self.weight)

    def answers(self, p: int, x: Tensor, rows: Tensor, answer: Callable[[Tensor], Tensor]) -> Tensor:
        """[M, ...] what ``answer`` makes of the logits [M, C] of head ``p`` on ``rows`` [M] of x [N, D]."""
        blocks = [
            answer(torch.addmm(self.offset[p], x[block] * self.gain[p] + self.bias[p], self.weight[p]))
            for block in torch.split(rows, ROWS)
        ]
        return torch.cat(blocks)

    def copy(self, p: int, other: Heads) -> None:
        """Take head ``p`` from ``other``."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine[p].copy_(theirs[p])


@dataclass(slots=True)
class Adam:
    """Kingma and Ba's optimiser of one head, with torch's defaults.

    ``torch.optim.Adam`` gives the same numbers, but its first use imports torch's compiler: seconds in every process.
    """

    parameters: list[Tensor]  # slices of the stacks, changed in place
    means: list[Tensor]
    squares: list[Tensor]
    steps: int = 0

    @classmethod
    def of(cls, parameters: list[Tensor]) -> Adam:
        return cls(parameters, [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters])

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        self.steps += 1
        root = math.sqrt(1 - 0.999**self.steps)
        size = rate * root / (1 - 0.9**self.steps)
        for p, g, mean, square in zip(self.parameters, gradients, self.means, self.squares, strict=True):
            mean.lerp_(g, 1 - 0.9)
            square.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
            p.addcdiv_(mean, square.sqrt().add_(1e-8 * root), value=-size)
