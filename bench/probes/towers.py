"""Towers: small networks that put clips and captions into one space, as functions of their parameters.

A tower's parameters are plain tensors, drawn from the raw stream of ``bench.probes.heads.draw_bits`` and stepped by
its Adam: torch's modules draw from the global random state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from torch.nn import functional

from bench.probes.heads import INITIAL, draw_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor of parameters: its shape and its distribution before training."""

    shape: tuple[int, ...]
    start: Literal["zeros", "ones", "uniform", "normal"]
    bound: float = 1.0  # of the uniform distribution, on both sides of 0


class Tower(Protocol):
    """N clips or captions, ready to be embedded by a few parameters."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    def __call__(self, values: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Return [B, W] embeddings of ``rows`` [B] under the parameters' ``values``."""


@dataclass(frozen=True, slots=True)
class VectorTower:
    """A tower LayerNorm(D) -> Linear(D, W) -> GELU -> Linear(W, W) on one vector each, [N, D]."""

    vectors: Tensor
    width: int

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        dim = self.vectors.shape[1]
        return Parameter((dim,), "ones"), Parameter((dim,), "zeros"), *list_perceptron_parameters(dim, self.width)

    def __call__(self, values: Sequence[Tensor], rows: Tensor) -> Tensor:
        gain, bias, *layers = values
        x = functional.layer_norm(self.vectors[rows], (self.vectors.shape[1],), gain, bias)
        return apply_perceptron(x, layers)


def list_perceptron_parameters(dim: int, width: int) -> tuple[Parameter, ...]:
    """Return the parameters of Linear(dim, width) -> GELU -> Linear(width, width), torch's default initialisation."""
    first, second = 1 / math.sqrt(dim), 1 / math.sqrt(width)
    return (
        Parameter((dim, width), "uniform", first),
        Parameter((width,), "uniform", first),
        Parameter((width, width), "uniform", second),
        Parameter((width,), "uniform", second),
    )


def apply_perceptron(x: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Return [B, W] of x [B, D]."""
    weight, bias, weight_2, bias_2 = layers
    return torch.addmm(bias_2, functional.gelu(torch.addmm(bias, x, weight)), weight_2)


def draw_parameters(parameters: Sequence[Parameter], source: tuple[int, int], device: str) -> list[Tensor]:
    """Return initial values; they depend on ``source`` (seed, place of the fit) and the shapes before them alone."""
    from scipy.special import ndtri

    sizes = [math.prod(parameter.shape) for parameter in parameters]
    random = [
        size if parameter.start in ("uniform", "normal") else 0
        for parameter, size in zip(parameters, sizes, strict=True)
    ]
    pieces = np.split(draw_bits(sum(random), *source, INITIAL) >> np.uint64(11), np.cumsum(random)[:-1])
    values = []
    for parameter, size, bits in zip(parameters, sizes, pieces, strict=True):
        match parameter.start:
            case "uniform":
                value = parameter.bound * (2.0 * (bits * 2.0**-53) - 1.0)
            case "normal":
                value = ndtri((bits + 0.5) * 2.0**-53)
            case constant:
                value = np.full(size, float(constant == "ones"))
        values.append(torch.from_numpy(value.astype(np.float32)).reshape(parameter.shape).to(device))
    return values
