"""The projector between frames and a language model, and the sequences that the model reads.

projector(x) = proj(silu(fc1 x) * fc2 x), D -> intermediate -> H, with biases (X-ARES's; Shazeer 2020, arXiv:2002.05202,
calls the form SwiGLU). A sequence is [audio frames] + separator + transcript + end; the loss is that of transcript and
end alone. X-ARES also trains on the separator, and leaves padding between audio and transcript.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from bench.probes.heads import INITIAL, draw_bits
from bench.probes.text_decoders import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.probes.text_decoders import TextDecoder


class Projector(NamedTuple):
    """Weights [out, in] and biases [out] of three linear layers."""

    fc1: Tensor
    bias1: Tensor
    fc2: Tensor
    bias2: Tensor
    proj: Tensor
    bias: Tensor

    def __call__(self, frames: Tensor) -> Tensor:
        """Return [..., H] of frames [..., D]."""
        gate = functional.silu(functional.linear(frames, self.fc1, self.bias1))
        return functional.linear(gate * functional.linear(frames, self.fc2, self.bias2), self.proj, self.bias)


def draw_uniform(shapes: Sequence[tuple[tuple[int, ...], float]], *source: int, device: torch.device) -> list[Tensor]:
    """Return tensors of the given shapes, U(-bound, bound) each, from the random stream of ``source`` alone."""
    sizes = [math.prod(shape) for shape, _ in shapes]
    bits = draw_bits(sum(sizes), *source)
    uniform = torch.from_numpy((2.0 * ((bits >> np.uint64(40)) * 2.0**-24) - 1.0).astype(np.float32))
    parts = zip(torch.split(uniform, sizes), shapes, strict=True)
    return [(bound * part).reshape(shape).to(device) for part, (shape, bound) in parts]


def draw_projector(dim: int, intermediate: int, width: int, source: tuple[int, int], device: torch.device) -> Projector:
    """Draw a projector by torch's default initialisation of linear layers: U(-1/sqrt(in), 1/sqrt(in))."""
    first, last = 1 / math.sqrt(dim), 1 / math.sqrt(intermediate)
    shapes = [((intermediate, dim), first), ((intermediate,), first)] * 2
    return Projector(
        *draw_uniform([*shapes, ((width, intermediate), last), ((width,), last)], *source, INITIAL, device=device)
    )


def stack_frames(frames: NDArray[np.float32], stack: int) -> NDArray[np.float32]:
    """Return [ceil(T / stack), stack * D] of frames [T, D]: consecutive ones side by side, zeros after the last."""
    whole = np.zeros((-(-len(frames) // stack), stack * frames.shape[1]), dtype=np.float32)
    whole.reshape(-1, frames.shape[1])[: len(frames)] = frames
    return whole


class Sequences(NamedTuple):
    """A batch that a decoder reads; the padding comes first."""

    embeddings: Tensor  # [B, L, H]
    mask: Tensor  # [B, L] bool
    targets: Tensor  # [B, K] what follows each of the last K positions, or IGNORED


def build_sequences(
    weights: Projector, decoder: TextDecoder, frames: Sequence[Tensor], texts: Sequence[Sequence[int]] | None
) -> Sequences:
    """Return the input of the decoder for B clips, frames [T, D] each: for training with the tokens of their ``texts``.

    The end token is a target only, so that nothing follows it.
    """
    audio = torch.split(weights(torch.cat(list(frames))), [len(clip) for clip in frames])
    tokens = [[decoder.separator, *text] for text in texts or [[]] * len(frames)]
    device = audio[0].device
    embedded = decoder.embed(torch.tensor([token for own in tokens for token in own], device=device))
    written = torch.split(embedded, [len(own) for own in tokens])
    whole = [torch.cat([clip.to(text.dtype), text]) for clip, text in zip(audio, written, strict=True)]
    wanted = [torch.tensor([*own[1:], decoder.end], device=device) for own in tokens]
    return Sequences(
        pad_sequence(whole, batch_first=True, padding_side="left"),
        pad_sequence([torch.ones(len(own), dtype=torch.bool) for own in whole], True, False, "left").to(device),
        pad_sequence(wanted, batch_first=True, padding_value=IGNORED, padding_side="left"),
    )
