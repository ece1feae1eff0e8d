"""Linear heads stacked along a first axis, and the optimiser that steps each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

ROWS = 4096  # rows classified at a time
INITIAL = 0  # stands where an epoch (1, 2, ...) would, to draw the initial weights


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
        """Return [P, B, C] of x [P, B, D]."""
        return torch.baddbmm(self.offset, x * self.gain + self.bias, self.weight)

    def answers(self, p: int, x: Tensor, rows: Tensor, answer: Callable[[Tensor], Tensor]) -> Tensor:
        """Return [M, ...], the result of ``answer`` on the logits [M, C] of head ``p`` on ``rows`` [M] of x [N, D]."""
        blocks = [
            answer(torch.addmm(self.offset[p], x[block] * self.gain[p] + self.bias[p], self.weight[p]))
            for block in torch.split(rows, ROWS)
        ]
        return torch.cat(blocks)

    def copy(self, p: int, other: Heads) -> None:
        """Copy head ``p`` of ``other`` into this stack."""
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
        """Return an optimiser of ``parameters`` before its first step."""
        return cls(parameters, [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters])

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        """Change the parameters in place."""
        self.steps += 1
        root = math.sqrt(1 - 0.999**self.steps)
        size = rate * root / (1 - 0.9**self.steps)
        for p, g, mean, square in zip(self.parameters, gradients, self.means, self.squares, strict=True):
            mean.lerp_(g, 1 - 0.9)
            square.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
            p.addcdiv_(mean, square.sqrt().add_(1e-8 * root), value=-size)


def compute_cosine_rate(rate: float, epoch: int, epochs: int) -> float:
    """Return the learning rate of epoch 1, 2, ..., ``epochs``: a cosine from ``rate`` towards a tenth of it."""
    return rate * (0.1 + 0.9 * ((1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2))


def draw_heads(sources: Sequence[tuple[int, int]], dim: int, n_classes: int, device: torch.device) -> Heads:
    """Draw heads by torch's default initialisation, U(-1/sqrt(D), 1/sqrt(D)) for Linear, one head per (seed, place)."""
    bound = 1.0 / math.sqrt(dim)
    weight = np.empty((len(sources), n_classes * (dim + 1)), dtype=np.float32)
    for p, (seed, place) in enumerate(sources):
        uniform = (draw_bits(weight.shape[1], seed, place, INITIAL) >> np.uint64(40)) * 2.0**-24
        weight[p] = bound * (2.0 * uniform - 1.0)
    both = torch.from_numpy(weight).to(device)
    count = len(sources)
    return Heads(
        gain=torch.ones(count, 1, dim, device=device),
        bias=torch.zeros(count, 1, dim, device=device),
        weight=both[:, : n_classes * dim].reshape(count, n_classes, dim).transpose(1, 2).contiguous(),
        offset=both[:, n_classes * dim :].reshape(count, 1, n_classes).contiguous(),
    )


def draw_bits(n: int, seed: int, place: int, epoch: int) -> NDArray[np.uint64]:
    """Return [n] 64-bit integers of the raw stream, which stays the same in all versions of numpy."""
    return np.random.PCG64(np.random.SeedSequence((seed, place, epoch))).random_raw(n)
