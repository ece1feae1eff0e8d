"""Decoders that write a transcript after the audio: the language side of the speech-to-text probe.

A decoder reads a sequence of embeddings, audio first, and says what comes next. Sequences of a batch end together:
what is shorter is padded at its front. A token's position is its number among the tokens of its own sequence, in
training as in generation, so that what a clip shares a batch with changes nothing but rounding. (X-ARES counts padding
in training but not in generation.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

DECODER = 1 << 32  # stands where an epoch would, to draw the initial weights of a decoder
IGNORED = -100  # target of a position that the loss leaves out


@runtime_checkable
class LanguageModel(Protocol):
    """A choice of decoder: plain data, a field of a probe."""

    @property
    def probe_name(self) -> str:
        """The name of a probe with this decoder in rows; scores of one name are comparable."""

    def load(self, texts: Sequence[str], device: torch.device) -> TextDecoder:
        """Return the decoder; ``texts`` are training transcripts. Raises ChoiceError if it is not available."""


class TextDecoder(Protocol):
    """A decoder of embeddings of width H over a vocabulary of V tokens."""

    @property
    def width(self) -> int:
        """The width H of embeddings."""

    @property
    def intermediate(self) -> int:
        """Width of the projector's middle."""

    @property
    def separator(self) -> int:
        """The token between audio and transcript."""

    @property
    def end(self) -> int:
        """The token that ends a transcript."""

    @property
    def trained(self) -> list[Tensor]:
        """Weights that are trained together with the projector; none of a pretrained decoder's."""

    def fresh(self, source: tuple[int, int]) -> TextDecoder:
        """Return the decoder as training begins, for a (seed, place of the fit)."""

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a transcript, without separator and end."""

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``, without special ones."""

    def embed(self, tokens: Tensor) -> Tensor:
        """Return [..., H] embeddings of tokens [...]."""

    def logits(self, embeddings: Tensor, mask: Tensor, keep: int) -> Tensor:
        """Return [B, keep, V] float32 logits after the last ``keep`` of embeddings [B, L, H]; mask [B, L] bool."""

    def generate(self, embeddings: Tensor, mask: Tensor, limit: int, penalty: float) -> list[list[int]]:
        """Return greedy continuations of B sequences, at most ``limit`` tokens each, cut before their end token.

        ``penalty`` divides positive and multiplies negative logits of the tokens that were already written
        (Keskar et al. 2019, arXiv:1909.05858, section 4.1).
        """


def compute_positions(mask: Tensor) -> Tensor:
    """Return [B, L], the number of each token among the tokens of its sequence, 0 for padding; mask [B, L] bool."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
