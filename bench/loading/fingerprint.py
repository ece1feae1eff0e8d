"""What makes two encoders the same: their weights, the source of their wrapper and their contract.

sha256 over every tensor of ``state_dict()`` (name, dtype, shape, bytes, sorted by name), any extra state, plain
settings of its modules (a layer number, a flag), the source of the encoder's class and of the files that define it, its
bases and, but for those of installed packages, its modules, and ``sampling_rate``, ``output_dim``, ``hop_size_in_ms``.
Paths and times never enter, nor a name without its source: two classes of one file with the same weights differ, two
copies of a file do not. Where the weights are hidden from ``state_dict`` (ONNX, closures), what the encoder makes of a
fixed signal stands in for them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bench.loading.adapt import NATIVE, Adapter
from bench.types import Encoder, EncoderError

PROBE_SECONDS = 1.0
LIBRARIES = {"abc", "builtins", "collections", "torch", "typing", "typing_extensions"}  # whose classes are nobody's own


class _Hash(Protocol):
    def update(self, data: Any, /) -> None: ...


def compute_fingerprint(encoder: Encoder, *, device: str = "cpu") -> str:
    """Hex sha256 of an adapted encoder, the same on every machine.

    Raises EncoderError when the weights are hidden and the encoder fails on the probe signal.
    """
    digest = hashlib.sha256(b"otoscope-fingerprint-1")
    inner: object = encoder
    if isinstance(encoder, Adapter):
        _add_field(digest, "adapter", encoder.name.encode())
        inner = encoder.wrapped
    state: Mapping[str, Any] = inner.state_dict() if isinstance(inner, nn.Module) else {}
    for name in sorted(state):
        _add_entry(digest, name, state[name])
    if not any(isinstance(value, Tensor) for value in state.values()):
        _add_field(digest, "probe", _encode_probe(encoder, device))
    for source in [*_read_sources(type(inner)), *_read_class_texts(type(inner)), *_read_module_sources(inner)]:
        _add_field(digest, "source", source)
    _add_field(digest, "settings", json.dumps(_collect_settings(inner), sort_keys=True).encode())
    for name in NATIVE:
        _add_field(digest, name, repr(float(getattr(encoder, name))).encode())
    return digest.hexdigest()


def _add_field(digest: _Hash, name: str, data: bytes) -> None:
    digest.update(f"{name}\0{len(data)}\0".encode())
    digest.update(data)


def _add_entry(digest: _Hash, name: str, value: object) -> None:
    if isinstance(value, Tensor):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)  # as bytes: numpy has no bfloat16
    else:  # nn.Module.get_extra_state
        _add_field(digest, name, json.dumps(value, sort_keys=True, default=repr).encode())


def _read_sources(kind: type) -> list[bytes]:
    """Contents of the files that define ``kind`` and its bases, except libraries, each once, in a fixed order."""
    files = set()
    for base in kind.__mro__:
        if base.__module__.split(".")[0] in LIBRARIES:
            continue
        try:
            files.add(inspect.getfile(base))
        except (TypeError, OSError):  # typed into an interpreter: there is no file
            continue
    contents = {Path(file).read_bytes().replace(b"\r\n", b"\n") for file in files if Path(file).is_file()}
    return sorted(contents)


def _read_module_sources(encoder: object) -> list[bytes]:
    """Contents of the files that define the encoder's modules, where they are no installed package's, each once."""
    own = set(_read_sources(type(encoder)))
    kinds = {type(module) for module in encoder.modules()} if isinstance(encoder, nn.Module) else set()
    written_here = [kind for kind in kinds if not _is_installed(kind)]
    return sorted({content for kind in written_here for content in _read_sources(kind)} - own)


def _is_installed(kind: type) -> bool:
    try:
        parts = Path(inspect.getfile(kind)).parts
    except (TypeError, OSError):  # typed into an interpreter
        return False
    return kind.__module__.split(".")[0] in LIBRARIES or bool({"site-packages", "dist-packages"} & set(parts))


def _read_class_texts(kind: type) -> list[bytes]:
    """Return the text of ``kind`` and of its bases that are no library's: which class of a file it is."""
    texts = []
    for base in kind.__mro__:
        if base.__module__.split(".")[0] not in LIBRARIES:
            try:
                texts.append(inspect.getsource(base).encode())
            except (TypeError, OSError):  # typed into an interpreter
                continue
    return texts


def _collect_settings(encoder: object) -> dict[str, dict[str, Any]]:
    """Public attributes of every module that are plain values and no path."""
    modules = dict(encoder.named_modules()) if isinstance(encoder, nn.Module) else {"": encoder}
    plain = {
        name: {key: value for key, value in vars(module).items() if not key.startswith("_") and _is_plain(value)}
        for name, module in modules.items()
        if hasattr(module, "__dict__")
    }
    return {
        name: {key: value for key, value in values.items() if key not in ("training", *NATIVE)}
        for name, values in plain.items()
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return (
        value is None
        or isinstance(value, bool | int | float)
        or (isinstance(value, str) and not {"/", "\\"} & set(value))
    )


def _encode_probe(encoder: Encoder, device: str) -> bytes:
    """Mean output on a fixed signal, in thousandths of its largest value: what rounding errors do not reach."""
    time = torch.arange(int(PROBE_SECONDS * encoder.sampling_rate), dtype=torch.float64) / encoder.sampling_rate
    chirp = torch.sin(2 * torch.pi * (100 + 900 * time) * time) * torch.sin(2 * torch.pi * 3 * time)
    try:
        with torch.inference_mode():
            output = encoder((0.3 * chirp).float()[None].to(device))
    except Exception as error:  # somebody else's code may raise anything
        raise EncoderError("encoder on a probe signal", got=error, expected="an output", where="fingerprint") from error
    mean = output.detach().double().cpu().flatten(0, -2).mean(dim=0)
    scale = float(mean.abs().max())
    if not scale or not bool(torch.isfinite(mean).all()):
        return repr(scale).encode()
    rounded = torch.round(mean / scale * 1000).to(torch.int64).tolist()
    return json.dumps([f"{scale:.2e}", rounded]).encode()
