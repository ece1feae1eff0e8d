"""The transformer of patches of a spectrogram that several families share (Dosovitskiy et al. 2020), masks included.

Blocks are pre-norm: x + attention(norm1 x), then x + mlp(norm2 x), GELU. Tensors are named as in timm and in the many
repositories that took its blocks over: ``norm1``, ``attn.qkv``, ``attn.proj``, ``norm2``, ``mlp.fc1``, ``mlp.fc2``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

EPS = 1e-6  # of every layer normalisation


class Attention(nn.Module):
    """Self-attention over [B, L, D]; ``keep`` [B, L] says which positions may be looked at."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each [B, heads, L, D / heads]
        mask = None if keep is None else keep[:, None, None]
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return cast(Tensor, self.proj(mixed.transpose(1, 2).flatten(2)))


class Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(nn.functional.gelu(self.fc1(x))))


class Block(nn.Module):
    def __init__(self, dim: int, heads: int, *, bias: bool = True) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, EPS)
        self.attn = Attention(dim, heads, bias)
        self.norm2 = nn.LayerNorm(dim, EPS)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        x = x + self.attn(self.norm1(x), keep)
        return cast(Tensor, x + self.mlp(self.norm2(x)))


def encode_patches(
    blocks: Iterable[nn.Module], norm: nn.Module, patches: Tensor, position: Tensor, *, counts: Tensor | None = None,
    first: Tensor | None = None, join_first: bool = False, every: bool = False,
) -> list[Tensor]:  # fmt: skip
    """Encode patches [B, rows, columns, D] with the blocks: [B, rows, columns, D], at every depth if asked for.

    ``position`` [1, rows, longest, D] is added. More columns than ``longest`` are encoded in consecutive pieces of
    ``longest`` that do not hear each other; the last is as long as it comes. ``counts`` [B] are the columns that belong
    to each clip. ``first`` [1, 1, D] goes before the patches (a class token with its position) and is cut again, or
    with ``join_first`` its output comes before that of every patch, [B, rows, columns, 2 D]. The last of the returned
    list is ``norm`` of the last block's output; before it, if ``every``, come what goes into the first block and the
    outputs of the others as the blocks leave them.
    """
    rows, longest = position.shape[1:3]
    done: list[list[Tensor]] = []
    for start in range(0, patches.shape[2], longest):
        piece = patches[:, :, start : start + longest]
        columns = piece.shape[2]
        x = (piece + position[:, :, :columns]).flatten(1, 2)
        keep = None
        if counts is not None:
            valid = torch.arange(start, start + columns, device=x.device) < counts[:, None]
            valid[:, 0] = True  # a clip that ended before this piece: something must be looked at
            keep = valid.repeat(1, rows)
        if first is not None:
            x = torch.cat([first.expand(len(x), -1, -1), x], dim=1)
            keep = None if keep is None else nn.functional.pad(keep, (1, 0), value=True)
        outputs = [x]
        for block in blocks:
            x = block(x, keep)
            if every:
                outputs.append(x)
        outputs = [*outputs[:-1], norm(x)]
        if first is not None:
            tokens = [y[:, :1].expand_as(y[:, 1:]) for y in outputs]
            outputs = [y[:, 1:] for y in outputs]
            if join_first:
                outputs = [torch.cat(pair, dim=2) for pair in zip(tokens, outputs, strict=True)]
        done.append([y.reshape(len(y), rows, columns, y.shape[2]) for y in outputs])
    return [torch.cat(parts, dim=2) for parts in zip(*done, strict=True)]
