"""What writes a transcript after the audio: the decoder side of the speech-to-text probe.

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
        """What the rows of a probe with this decoder say: scores of one name are comparable."""

    def load(self, texts: Sequence[str], device: torch.device) -> TextDecoder:
        """The decoder; ``texts`` are the training transcripts. Raises ChoiceError when it cannot be had."""


class TextDecoder(Protocol):
    """A decoder of embeddings of width H over a vocabulary of V tokens."""

    @property
    def width(self) -> int:
        """H"""

    @property
    def intermediate(self) -> int:
        """Width of the adapter's middle."""

    @property
    def separator(self) -> int:
        """The token between audio and transcript."""

    @property
    def end(self) -> int:
        """The token that ends a transcript."""

    @property
    def trained(self) -> list[Tensor]:
        """Weights that are trained together with the adapter; none of a pretrained decoder's."""

    def fresh(self, source: tuple[int, int]) -> TextDecoder:
        """The decoder as training begins, for a (seed, place of the problem)."""

    def tokens(self, text: str) -> list[int]:
        """A transcript, without separator and end."""

    def text(self, tokens: Sequence[int]) -> str:
        """What ``tokens`` mean, of special tokens nothing."""

    def embed(self, tokens: Tensor) -> Tensor:
        """[..., H] of tokens [...]."""

    def logits(self, embeddings: Tensor, mask: Tensor, keep: int) -> Tensor:
        """[B, keep, V] float32: what follows each of the last ``keep`` of embeddings [B, L, H]; mask [B, L] bool."""

    def generate(self, embeddings: Tensor, mask: Tensor, limit: int, penalty: float) -> list[list[int]]:
        """Greedy continuations of B sequences, at most ``limit`` tokens each, cut before their end token.

        ``penalty`` divides positive and multiplies negative logits of the tokens that were already written
        (Keskar et al. 2019, arXiv:1909.05858, section 4.1).
        """


def compute_positions(mask: Tensor) -> Tensor:
    """[B, L] the number of each token among the tokens of its sequence, 0 for padding; mask [B, L] bool."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
