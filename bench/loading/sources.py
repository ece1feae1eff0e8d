"""From what a user types after ``--encoder`` to an EncoderSpec.

NAME (bundled), NAME=PATH (bundled, with your copy of its weights), ``hf:ID[@REVISION]``, a folder with ``config.json``,
``file.py[:Name]`` or ``package.module:Name``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.types import ChoiceError, Encoder, EncoderError, EncoderSpec

FORMS = "hf:ID, a folder with config.json, file.py[:Name], package.module:Name, NAME=PATH of its weights"


def resolve_encoder(text: str, bundled: Mapping[str, EncoderSpec], hf: Callable[[str], EncoderSpec]) -> EncoderSpec:
    """Return the encoder that ``text`` names; nothing heavy is loaded before ``spec.load(device)``.

    ``hf`` makes the spec of a transformers model from a hub id or folder. Raises ChoiceError listing the choices, or
    EncoderError when a user's file cannot be imported.
    """
    if text in bundled:
        return bundled[text]
    bundled_name, equals, weights = text.partition("=")
    if equals and bundled_name in bundled:
        return replace_weights(bundled[bundled_name], Path(weights))
    if text.startswith("hf:"):
        return hf(text.removeprefix("hf:"))
    location, name = _split_name(text)
    if location.endswith(".py"):
        return _choose_spec(_import_file(Path(location)), name, where=Path(location).name)
    if Path(text).is_dir():
        if (Path(text) / "config.json").is_file():
            return hf(text)
        raise ChoiceError("encoder folder", got=text, expected="a folder with config.json", where="--encoder")
    if name is not None and all(part.isidentifier() for part in location.split(".")):
        return _choose_spec(_import_module(location), name, where=location)
    choices = f"one of {', '.join(sorted(bundled))}; or {FORMS}"
    raise ChoiceError("unknown encoder", got=repr(text), expected=choices, where="--encoder")


def replace_weights(spec: EncoderSpec, path: Path) -> EncoderSpec:
    """Return a bundled encoder with the weights at ``path``.

    Raises ChoiceError when it has none or there is no such path.
    """
    if spec.load_weights is None:
        raise ChoiceError(
            "weights of an encoder", got=spec.name, expected="an encoder that has some", where="--encoder"
        )
    if not path.exists():
        raise ChoiceError(
            "weights of an encoder", got=path, expected="a file or folder", where=f"--encoder {spec.name}="
        )
    load = functools.partial(spec.load_weights, path.resolve())
    return dataclasses.replace(spec, load=_build_loader(load, spec.name), revision=f"{path.name} of the user")


def discover_encoders(folder: Path) -> tuple[dict[str, EncoderSpec], dict[str, Callable[[str], EncoderSpec]]]:
    """Return the specs of a package ``folder`` by name, and factories ``build_spec(text)`` by file name.

    The folder's parent must be importable (the clone's root). Files are visited sorted by path.
    """
    specs: dict[str, EncoderSpec] = {}
    factories: dict[str, Callable[[str], EncoderSpec]] = {}
    for path in sorted(folder.glob("[!_]*.py")):
        module = importlib.import_module(f"{folder.name}.{path.stem}")
        for spec in _list_specs(module).values():
            if specs.setdefault(spec.name, spec) is not spec:
                raise ChoiceError("encoder name", got=f"{spec.name!r} twice", expected="unique names", where=path.name)
        if callable(getattr(module, "build_spec", None)):
            factories[path.stem] = module.build_spec
    return specs, factories


def _split_name(text: str) -> tuple[str, str | None]:
    location, colon, name = text.rpartition(":")
    return (location, name) if colon and name.isidentifier() else (text, None)


def _import_file(path: Path) -> ModuleType:
    """Import a file under a name of its own, as ``python file.py`` would find its neighbours."""
    if not path.is_file():
        raise ChoiceError("encoder file", got=path, expected="an existing file", where="--encoder")
    path = path.resolve()
    unique = f"encoder_file_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ChoiceError("encoder file", got=path, expected="a Python file", where="--encoder")
    torchaudio_safe.install()  # such files import torchaudio and transformers as they like
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody else's code may raise anything
        del sys.modules[unique]
        raise EncoderError(
            "encoder file", got=_format_error(error), expected="a file that imports", where=path
        ) from error
    return module


def _import_module(dotted: str) -> ModuleType:
    torchaudio_safe.install()
    try:
        return importlib.import_module(dotted)
    except Exception as error:  # somebody else's code may raise anything
        raise EncoderError(
            "encoder module", got=_format_error(error), expected="a module that imports", where=dotted
        ) from error


def _choose_spec(module: ModuleType, name: str | None, where: str) -> EncoderSpec:
    specs, classes = _list_specs(module), _list_classes(module)
    candidates: dict[str, Any] = {**(specs or classes)} if name is None else {**classes, **specs}
    if name is not None:
        candidates = {name: candidates.get(name, getattr(module, name, None))}
    chosen = list(candidates.items())
    if len(chosen) != 1 or not _is_usable(chosen[0][1]):
        known = (
            ", ".join(sorted({**classes, **specs})) or "none (a class whose name ends in Encoder, or an EncoderSpec)"
        )
        got = name if name is not None else "no encoder" if not chosen else f"{len(chosen)} encoders"
        expected = f"one of: {known}" if name is not None else f"one, named as {where}:Name; there: {known}"
        raise ChoiceError("encoder in a file", got=got, expected=expected, where=where)
    name, found = chosen[0]
    if isinstance(found, EncoderSpec):
        return dataclasses.replace(found, load=_build_loader(found.load, found.name))
    return EncoderSpec(name=name, load=_build_loader(lambda _: found(), name), source=where)


def _build_loader(make: Callable[[str], object], name: str) -> Callable[[str], Encoder]:
    def load(device: str) -> Encoder:
        try:
            encoder = make(device)
        except EncoderError:
            raise
        except Exception as error:  # somebody else's code may raise anything
            raise EncoderError(
                "loading the encoder", got=_format_error(error), expected="an encoder", where=name
            ) from error
        return adapt(encoder, device)

    return load


def _list_specs(module: ModuleType) -> dict[str, EncoderSpec]:
    return {value.name: value for value in vars(module).values() if isinstance(value, EncoderSpec)}


def _list_classes(module: ModuleType) -> dict[str, type]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and name.endswith("Encoder") and value.__module__ == module.__name__
    }


def _is_usable(value: object) -> bool:
    return isinstance(value, EncoderSpec) or callable(value)


def _format_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
