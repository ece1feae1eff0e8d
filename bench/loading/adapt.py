"""Make what a user hands over an ``Encoder``: X-ARES's contract as it is, XARES-LLM's by a wrapper.

X-ARES: an nn.Module with ``sampling_rate``, ``output_dim``, ``hop_size_in_ms`` and ``forward(audio [B, N])``; here
``forward`` may also take ``lengths``, and the class need be no nn.Module nor define ``__call__``. XARES-LLM:
``forward(audio [B, N] at 16 kHz, mask [B, N], 1 = keep) -> (features [B, T, D], mask [B, T] | None)`` with
``output_dim`` only.
"""

from __future__ import annotations

import inspect
from numbers import Real
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderError

NATIVE = ("sampling_rate", "output_dim", "hop_size_in_ms")
XARES_LLM_RATE = 16_000  # Hz, fixed by its contract
PROBE_SECONDS = (2.0, 8.0)  # two durations that give the hop of an encoder that does not declare one


@runtime_checkable
class Adapter(Protocol):
    """A wrapper of this module around somebody's encoder; ``name`` says which, for the fingerprint."""

    name: str

    @property
    def wrapped(self) -> object: ...


class ForwardAdapter:
    """A callable around an encoder that is no nn.Module and has ``forward``, but no ``__call__``."""

    name = "forward/1"

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.forward = encoder.forward  # with its signature, which says whether it takes ``lengths``
        self.sampling_rate = encoder.sampling_rate
        self.output_dim = encoder.output_dim
        self.hop_size_in_ms = encoder.hop_size_in_ms

    @property
    def wrapped(self) -> object:
        return self.encoder

    def __call__(self, *arguments: Any, **keywords: Any) -> Tensor:
        return cast(Tensor, self.forward(*arguments, **keywords))


class XaresLlmAdapter(nn.Module):
    """The native contract around an XARES-LLM encoder; accepts ``lengths`` and turns them into its mask.

    Frames that the returned mask excludes for every clip of the batch are cut.
    """

    name = "xares_llm/1"

    def __init__(self, encoder: nn.Module, device: str = "cpu") -> None:
        super().__init__()
        self.encoder = encoder
        self.sampling_rate = XARES_LLM_RATE
        self.output_dim = int(cast(Any, encoder).output_dim)
        self.hop_size_in_ms = self._measured_hop(device)

    @property
    def wrapped(self) -> nn.Module:
        return self.encoder

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((audio.shape[0],), audio.shape[1], device=audio.device)
        keep = torch.arange(audio.shape[1], device=audio.device) < lengths.to(audio.device)[:, None]
        run = self.encoder if callable(self.encoder) else self.encoder.forward
        output = run(audio, keep.long())
        if not (isinstance(output, tuple) and len(output) == 2):
            raise EncoderError(
                "output of an XARES-LLM encoder",
                got=_describe_type(output),
                expected="(features, mask)",
                where=_name_encoder(self.encoder),
            )
        features, mask = output
        if mask is None:
            return cast(Tensor, features)
        used = torch.nonzero(mask.bool().any(dim=0)).flatten()
        return cast(Tensor, features[:, : int(used[-1]) + 1 if len(used) else 1])

    def _measured_hop(self, device: str) -> float:
        generator = torch.Generator().manual_seed(0)
        frames = []
        for seconds in PROBE_SECONDS:
            audio = 0.1 * torch.randn(1, int(seconds * XARES_LLM_RATE), generator=generator)
            with torch.inference_mode():
                frames.append(int(self(audio.to(device)).shape[1]))
        if frames[1] <= frames[0]:
            raise EncoderError(
                "hop of an XARES-LLM encoder", got=f"{frames} frames", where=_name_encoder(self.encoder),
                expected=f"more frames for {PROBE_SECONDS[1]:g} s than for {PROBE_SECONDS[0]:g} s",
            )  # fmt: skip
        hop = 1000 * (PROBE_SECONDS[1] - PROBE_SECONDS[0]) / (frames[1] - frames[0])
        return float(f"{hop:.3g}")


def adapt(obj: object, device: str | None = None) -> Encoder:
    """``obj`` as a frozen encoder in eval mode, on ``device`` if one is given; adapting twice changes nothing.

    Raises EncoderError naming the attribute that is missing.
    """
    if isinstance(obj, type) or not (callable(obj) or callable(getattr(obj, "forward", None))):
        raise EncoderError(
            "encoder", got=_describe_type(obj), expected="an instance with forward(audio)", where=_name_encoder(obj)
        )
    _freeze(obj, device)
    missing = [name for name in NATIVE if not hasattr(obj, name)]
    if missing == ["sampling_rate", "hop_size_in_ms"] and _get_second_parameter(obj) not in (None, "lengths"):
        obj = XaresLlmAdapter(cast(nn.Module, obj), device or find_device(obj))
        _freeze(obj, device)
    elif missing:
        raise EncoderError(
            "attributes of the encoder",
            got=f"no {', '.join(missing)}",
            expected=f"{', '.join(NATIVE)} (or XARES-LLM's output_dim and forward(audio, mask))",
            where=_name_encoder(obj),
        )
    encoder = cast(Encoder, obj if callable(obj) else ForwardAdapter(obj))
    for name in NATIVE:
        value = getattr(encoder, name)
        if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
            raise EncoderError(
                f"{name} of the encoder", got=repr(value), expected="a number > 0", where=_name_encoder(obj)
            )
    return encoder


def accepts_lengths(encoder: Encoder) -> bool:
    """Return whether ``forward`` has a parameter called ``lengths``, and so may be given padded audio."""
    return "lengths" in _list_parameters(encoder)


def find_device(obj: object) -> str:
    """Return the device of an encoder's tensors; "cpu" when it shows none."""
    state = obj.state_dict() if isinstance(obj, nn.Module) else {}
    return next((str(value.device) for value in state.values() if isinstance(value, Tensor)), "cpu")


def _freeze(obj: object, device: str | None) -> None:
    if isinstance(obj, nn.Module):
        obj.eval().requires_grad_(False)
        if device is not None:
            obj.to(device)
    elif hasattr(obj, "eval"):
        obj.eval()


def _list_parameters(obj: object) -> list[str]:
    function = getattr(obj, "forward", obj)
    try:
        return list(inspect.signature(cast(Any, function)).parameters)
    except (TypeError, ValueError):  # a compiled callable without a signature
        return []


def _get_second_parameter(obj: object) -> str | None:
    names = _list_parameters(obj)
    return names[1] if len(names) > 1 else None


def _describe_type(value: object) -> str:
    return f"{type(value).__name__} {value.__name__}" if isinstance(value, type) else type(value).__name__


def _name_encoder(obj: object) -> str:
    return obj.__name__ if isinstance(obj, type) else type(obj).__name__
