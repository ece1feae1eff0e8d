"""Hidden layers of an encoder, as encoders of their own: one layer, or all of them side by side in one pass.

An encoder offers them by ``hidden_states(audio [B, N][, lengths [B]]) -> sequence of [B, T, D]``: entry 0 is what goes
into the first block, entry i what comes out of block i, all with the frames of ``forward``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.loading.adapt import accepts_lengths, adapt
from bench.types import ChoiceError, Encoder, EncoderError, EncoderSpec

ALL = "all"
PROBE_IN_S = 1.0


class HiddenLayers(nn.Module):
    """[B, N] -> [B, T, D] of hidden layer ``index``, or of all of them, one after another, where that is None.

    ``widths`` are those of what it gives. An ``Adapter``, so the fingerprint sees the encoder inside.
    """

    def __init__(self, encoder: Encoder, widths: tuple[int, ...], index: int | None) -> None:
        super().__init__()
        self.encoder, self.index = encoder, index
        self.name = "layers" if index is None else f"layer {index}"
        self.sampling_rate, self.hop_size_in_ms = encoder.sampling_rate, encoder.hop_size_in_ms
        self.widths = widths if index is None else (widths[index],)
        self.output_dim = sum(self.widths)

    @property
    def wrapped(self) -> nn.Module:
        return cast(nn.Module, self.encoder)

    def forward(self, audio: Tensor) -> Tensor:
        return self._wanted(cast(Any, self.encoder).hidden_states(audio))

    def _wanted(self, states: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(states), dim=2) if self.index is None else states[self.index]


class HiddenLayersWithLengths(HiddenLayers):
    """``Layers`` of an encoder that takes ``lengths``."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._wanted(cast(Any, self.encoder).hidden_states(audio, lengths))


def select_layer(spec: EncoderSpec, layer: str) -> EncoderSpec:
    """Return the encoder at hidden layer ``layer``, a number or ``all``, under a name that says so.

    Raises ChoiceError for anything else; loading raises EncoderError for an encoder without such a layer.
    """
    if layer != ALL and not layer.isdigit():
        raise ChoiceError("layer", got=repr(layer), expected="a number from 0, or all", where="--layer")
    name = f"{spec.name}.layers" if layer == ALL else f"{spec.name}.layer{int(layer)}"
    return dataclasses.replace(spec, name=name, load=_build_loader(spec.load, layer, spec.name))


def _build_loader(load: Callable[[str], Encoder], layer: str, name: str) -> Callable[[str], Encoder]:
    def loaded(device: str) -> Encoder:
        encoder = adapt(load(device), device)
        widths = _measure_widths(encoder, device, name)
        index = None if layer == ALL else int(layer)
        if index is not None and index >= len(widths):
            expected = f"0 to {len(widths) - 1}, or all"
            raise EncoderError("no such layer", got=layer, expected=expected, where=name)
        kind = HiddenLayersWithLengths if accepts_lengths(encoder) else HiddenLayers
        return cast(Encoder, kind(encoder, widths, index).eval())

    return loaded


def _measure_widths(encoder: Encoder, device: str, name: str) -> tuple[int, ...]:
    """D of every hidden layer, measured. Raises EncoderError when there are none, or their frames are not forward's."""
    hidden = getattr(encoder, "hidden_states", None)
    if hidden is None:
        expected = "hidden_states(audio) -> one [B, T, D] a layer"
        raise EncoderError("hidden layers", got="no hidden_states", expected=expected, where=name)
    generator = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(1, int(PROBE_IN_S * encoder.sampling_rate), generator=generator)
    with torch.inference_mode():
        states, frames = hidden(audio.to(device)), encoder(audio.to(device)).shape[1]
    shapes = [list(state.shape) for state in states]
    if not shapes or any(len(shape) != 3 or shape[:2] != [1, frames] for shape in shapes):
        raise EncoderError("hidden layers", got=shapes, expected=f"[1, {frames}, D] each, for 1 s", where=name)
    return tuple(shape[2] for shape in shapes)
