"""Published weights: from a hub at a pinned revision or by URL and sha256, read without unpickling code, loaded whole.

``Weights`` says where a checkpoint lies. ``tensors`` reads safetensors, and ``torch.load`` files only with
``weights_only=True``, so that nothing in them is executed. ``fill`` maps the authors' names onto a module and fails on
any name that is missing, left over or of another shape.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderError, UnavailableError

Rename = Callable[[str], str | None]
"""An author's tensor name to ours; None for one that is not part of the encoder (a decoder, a classifier)."""
TIMEOUT_IN_S = 60
BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a checkpoint is published: ``hub`` id with a ``revision`` (commit) and ``file``, or ``url``; its digest.

    ``page`` is for people: where the authors publish what nothing is known of that could be pinned.
    """

    hub: str = ""
    revision: str = ""
    file: str = ""
    url: str = ""
    sha256: str = ""  # of the file; demanded of a URL
    page: str = ""

    @property
    def source(self) -> str:
        return f"https://huggingface.co/{self.hub}" if self.hub else self.url or self.page


def fetch(weights: Weights) -> Path:
    """Return the path of the checkpoint on this disk, downloaded if need be.

    Raises:
        EncoderError: It cannot be had, or its digest differs.
    """
    if weights.page and not (weights.hub or weights.url):
        expected = "your own copy: --encoder NAME=FILE"
        raise UnavailableError("weights", got="no pinned address is known", expected=expected, where=weights.page)
    path = _fetch_from_hub(weights) if weights.hub else _fetch_from_url(weights)
    if weights.hub and weights.sha256:
        _check_digest(path, weights)
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors or torch file by its full name; nested mappings are joined by dots.

    Raises EncoderError for a file that is neither, or that holds anything but tensors and plain values.
    """
    if not path.is_file():
        raise EncoderError("weights", got="no such file", expected="a .safetensors, .pt or .ckpt file", where=path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded: dict[str, Tensor] = load_file(path)
            return loaded
        torch.serialization.add_safe_globals([argparse.Namespace])  # options of a training script: plain attributes
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file may raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EncoderError("weights", got=lines[0], expected="tensors, readable without code", where=path) from error
    return dict(_flatten(stored, ""))


def fill(module: nn.Module, tensors: Mapping[str, Tensor], rename: Rename, *, where: object) -> None:
    """Load ``tensors`` into ``module``.

    Raises:
        EncoderError: Tensors are missing, left over or do not fit; it names them.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        target = rename(name)
        if target is not None and target in renamed:
            raise EncoderError("weights", got=f"two tensors for {target}", expected="one", where=where)
        if target is not None:
            renamed[target] = tensor
    wanted = module.state_dict()
    for what, names in (("missing", wanted.keys() - renamed.keys()), ("unexpected", renamed.keys() - wanted.keys())):
        if names:
            got = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise EncoderError(f"{what} weights", got=got, expected=f"the {len(wanted)} tensors", where=where)
    for name, tensor in renamed.items():
        if tensor.shape != wanted[name].shape:
            raise EncoderError(
                f"shape of {name}", got=list(tensor.shape), expected=list(wanted[name].shape), where=where
            )
    module.load_state_dict(renamed, strict=True)


def load(make: Callable[[], nn.Module], rename: Rename, weights: Weights, device: str) -> Encoder:
    """Load the encoder that ``make`` builds with published weights.

    Raises:
        EncoderError: As ``fetch`` and ``fill`` do.
    """
    return load_file(make, rename, fetch(weights), device)


def load_file(make: Callable[[], nn.Module], rename: Rename, path: Path, device: str) -> Encoder:
    """Load the encoder that ``make`` builds with the weights in ``path``."""
    return fill_encoder(make(), read_tensors(path), rename, path, device)


def fill_encoder(module: nn.Module, tensors: Mapping[str, Tensor], rename: Rename, path: Path, device: str) -> Encoder:
    """Fill ``module`` with the weights ``tensors`` and make it ready for use.

    Raises:
        EncoderError: As ``fill`` does.
    """
    fill(module, tensors, rename, where=path)
    return cast(Encoder, module.eval().requires_grad_(False).to(device))


def _flatten(value: object, prefix: str) -> list[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        return [(prefix, value)]
    if isinstance(value, Mapping):
        return [
            pair for key, inner in value.items() for pair in _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
        ]
    return []


def _fetch_from_hub(weights: Weights) -> Path:
    from huggingface_hub import hf_hub_download

    if not weights.revision:
        raise EncoderError("weights", got="no revision", expected="a pinned commit", where=weights.hub)
    try:
        return Path(hf_hub_download(weights.hub, weights.file, revision=weights.revision))
    except Exception as error:  # offline, absent, refused: the hub's many errors
        lines = str(error).strip().splitlines() or [type(error).__name__]
        expected = "a connection, or your own copy: --encoder NAME=FILE"
        raise UnavailableError("weights cannot be had", got=lines[0], expected=expected, where=weights.hub) from error


def _fetch_from_url(weights: Weights) -> Path:
    from huggingface_hub.constants import HF_HOME

    if not weights.sha256 or not weights.url.startswith("https://"):
        raise EncoderError("weights", got=weights.url, expected="an https URL and its sha256", where="encoders")
    path = Path(HF_HOME) / "otoscope" / weights.sha256 / weights.url.rpartition("/")[2].partition("?")[0]
    if path.is_file():
        _check_digest(path, weights)
        return path
    expected = "a connection, or your own copy: --encoder NAME=FILE"
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise UnavailableError("weights cannot be had", got="offline", expected=expected, where=weights.url)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as out, _open(weights.url) as answer:
            while block := answer.read(BLOCK):
                out.write(block)
        _check_digest(Path(temporary), weights)
        Path(temporary).replace(path)
    except (OSError, urllib.error.URLError) as error:
        raise UnavailableError("weights cannot be had", got=error, expected=expected, where=weights.url) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _open(url: str) -> Any:
    return urllib.request.urlopen(url, timeout=TIMEOUT_IN_S)  # noqa: S310  (https, which the caller checks)


def _check_digest(path: Path, weights: Weights) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != weights.sha256:
        raise EncoderError("weights are others", got=f"sha256 {digest}", expected=weights.sha256, where=weights.source)
