"""An encoder, how it is loaded, and its certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


@runtime_checkable
class Encoder(Protocol):
    """A frozen audio encoder: X-ARES's contract, with optional ``lengths``.

    ``forward(audio [B, N] float32 in [-1, 1], lengths [B] int64 samples | None) -> [B, T, D]``. An encoder whose
    ``forward`` has no parameter called ``lengths`` is never given padded audio.
    """

    sampling_rate: int  # Hz
    output_dim: int  # D
    hop_size_in_ms: float  # between consecutive frames

    def __call__(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The description and loader of an encoder: a module-level value of a file in ``encoders/``.

    ``load`` gets a torch device string, imports what is heavy and returns an encoder in eval mode.

    >>> spec = EncoderSpec(name="mine", load=lambda device: MyEncoder().to(device), sampling_rate=16_000)
    >>> spec.name, spec.sampling_rate, spec.default
    ('mine', 16000, False)
    """

    name: str
    load: Callable[[str], Encoder]  # torch device string -> encoder in eval mode; imports what is heavy itself
    source: str = ""  # paper, repository or hub id
    revision: str = ""
    licence: str = ""
    trained_on: tuple[str, ...] = ()  # dataset names, to mark contaminated rows
    default: bool = False  # runs when no --encoder is given
    load_weights: Callable[[Path, str], Encoder] | None = None
    """From the user's own copy of the weights (file or folder) and a device: ``--encoder NAME=PATH``."""
    extra: str = ""  # the optional dependencies it needs: pip install ".[extra]"
    verified: str = ""  # what its code was compared with, and with which weights
    sampling_rate: int = 0  # Hz; this and the next two as the loaded encoder will have them, 0 where not said
    output_dim: int = 0
    hop_in_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a certificate."""

    name: str
    passed: bool
    measured: str
    expected: str


Policy = Literal["padded", "equal_length", "single"]
"""The batching of clips: zero-padded with lengths, only with clips of the same length, or one by one."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Measured properties of an encoder, taken before its first use, and the batching that follows from them."""

    checks: tuple[Check, ...]
    policy: Policy
    hop_in_samples: float  # measured
    first_frame_in_samples: float | None  # c in T(n) = floor((n - c) / hop) + 1; None when no such c was found

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)
