"""A decoder of a few words, trained together with the projector: the synthetic suite needs no language model.

A transformer as the pretrained ones are (pre-norm, rotary positions: Su et al. 2021, arXiv:2104.09864), much smaller,
with one token for each word of the training transcripts. What it scores says something about the encoder only beside
other encoders' scores with the same decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from bench.probes.projector import draw_uniform
from bench.probes.text_decoders import DECODER, compute_positions
from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bench.probes.text_decoders import TextDecoder

PER_LAYER = 8  # tensors
Past = list[tuple["Tensor", "Tensor"]]
"""Keys and values [B, heads, L, width / heads] of each layer."""


@dataclass(frozen=True, slots=True)
class SmallLM:
    """A transformer of ``layers`` of ``width``; the projector's middle has the same width.

    Example:
        >>> import torch
        >>> decoder = SmallLM().load(["two words"], torch.device("cpu"))
        >>> decoder.text(decoder.tokens("words two"))
        'words two'
    """

    layers: int = 2
    width: int = 128
    heads: int = 4

    @property
    def probe_name(self) -> str:
        return "linear"

    def load(self, texts: Sequence[str], device: torch.device) -> TextDecoder:
        """Return a decoder of the words in ``texts``. Raises DataError when there are none."""
        words = tuple(sorted({word for text in texts for word in text.split()}))
        if not words:
            raise DataError("no words to learn", got="empty transcripts", expected="at least one", where="SmallLM")
        return SmallDecoder(self, words, [], device)


@dataclass(frozen=True, slots=True)
class SmallDecoder:
    """The decoder of a small language model; tokens are 0 (separator), 1 (end) and the words."""

    shape: SmallLM
    words: tuple[str, ...]
    trained: list[Tensor]  # token embeddings, then PER_LAYER of each layer; norms have no weights
    device: torch.device

    @property
    def width(self) -> int:
        return self.shape.width

    @property
    def intermediate(self) -> int:
        return self.shape.width

    @property
    def separator(self) -> int:
        return 0

    @property
    def end(self) -> int:
        return 1

    def fresh(self, source: tuple[int, int]) -> TextDecoder:
        h = self.width
        bound = 1 / math.sqrt(h)
        layer = [((3 * h, h), bound), ((3 * h,), bound), ((h, h), bound), ((h,), bound)]
        layer += [((2 * h, h), bound), ((2 * h,), bound), ((h, 2 * h), bound / 2), ((h,), bound / 2)]
        shapes = [((2 + len(self.words), h), bound), *layer * self.shape.layers]
        return replace(self, trained=draw_uniform(shapes, *source, DECODER, device=self.device))

    def tokens(self, text: str) -> list[int]:
        """Return a transcript's tokens. Raises DataError for a word that no training transcript has."""
        numbers = {word: number for number, word in enumerate(self.words, 2)}
        unknown = next((word for word in text.split() if word not in numbers), None)
        if unknown is not None:
            raise DataError("unknown word", got=unknown, expected="a word of a training transcript", where="SmallLM")
        return [numbers[word] for word in text.split()]

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(self.words[token - 2] for token in tokens if token >= 2)

    def embed(self, tokens: Tensor) -> Tensor:
        return functional.embedding(tokens, self.trained[0])

    def logits(self, embeddings: Tensor, mask: Tensor, keep: int) -> Tensor:
        causal = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril()
        return self._compute_logits(
            self._read(embeddings, compute_positions(mask), causal & mask[:, None, :], None, keep)
        )

    def generate(self, embeddings: Tensor, mask: Tensor, limit: int, penalty: float) -> list[list[int]]:
        past: Past = []
        causal = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril()
        place = compute_positions(mask)
        hidden = self._read(embeddings, place, causal & mask[:, None, :], past, 1)
        written = torch.empty(len(mask), 0, dtype=torch.long, device=mask.device)
        for _ in range(limit):
            logits = self._compute_logits(hidden[:, -1])
            repeated = logits.gather(1, written)
            logits = logits.scatter(1, written, torch.where(repeated > 0, repeated / penalty, repeated * penalty))
            written = torch.cat([written, logits.argmax(dim=1, keepdim=True)], dim=1)
            if (written == self.end).any(dim=1).all():
                break
            mask = functional.pad(mask, (0, 1), value=True)
            place = place[:, -1:] + 1
            hidden = self._read(self.embed(written[:, -1:]), place, mask[:, None, :], past, 1)
        return [row[: row.index(self.end)] if self.end in row else row for row in written.tolist()]

    def _compute_logits(self, hidden: Tensor) -> Tensor:
        """Return [..., V] logits of hidden [..., H]."""
        return functional.layer_norm(hidden, (self.width,)) @ self.trained[0].T

    def _read(self, x: Tensor, place: Tensor, allowed: Tensor, past: Past | None, keep: int) -> Tensor:
        """Return [B, keep, H], the last of x [B, L, H] at ``place`` [B, L], after ``past`` (which grows).

        ``allowed`` is [B, L, past + L]. Nobody reads what the last layer makes of the other positions, the audio: there
        it computes their keys and values only.
        """
        heads, size = self.shape.heads, self.width // self.shape.heads
        if x.shape[1] == allowed.shape[2]:
            # Padding may look at itself: a row of nothing but minus infinity has no softmax.
            allowed = allowed | torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
        turn = _compute_rotation(place, size)
        for layer in range(self.shape.layers):
            w = self.trained[1 + layer * PER_LAYER : 1 + (layer + 1) * PER_LAYER]
            qkv = functional.linear(functional.layer_norm(x, (self.width,)), w[0], w[1])
            qkv = qkv.view(*x.shape[:2], 3, heads, size).permute(2, 0, 3, 1, 4)
            (q, k), v = _rotate(qkv[:2], turn), qkv[2]
            if layer == self.shape.layers - 1:
                x, q, allowed = x[:, -keep:], q[:, :, -keep:], allowed[:, -keep:]
            if past is not None:
                if len(past) > layer:
                    k, v = (torch.cat(pair, dim=2) for pair in zip(past[layer], (k, v), strict=True))
                past[layer : layer + 1] = [(k, v)]
            seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None])
            x = x + functional.linear(seen.transpose(1, 2).flatten(2), w[2], w[3])
            middle = functional.gelu(functional.linear(functional.layer_norm(x, (self.width,)), w[4], w[5]))
            x = x + functional.linear(middle, w[6], w[7])
        return x


def _compute_rotation(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine [B, 1, L, size / 2] of the angles by which positions [B, L] turn."""
    speed = 10_000.0 ** (-torch.arange(0, size, 2, device=place.device) / size)
    angle = (place[:, None, :, None] * speed).float()
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Return x [..., B, heads, L, size], rotated."""
    cosine, sine = turn
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1)
