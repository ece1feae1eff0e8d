"""Packages that only some encoders need: an optional extra each, asked for by name when it is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from bench.types import UnavailableError


def import_package(name: str, extra: str) -> ModuleType:
    """Import the package ``name``.

    Raises:
        UnavailableError: It is not installed; names the extra that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        expected = f'pip install ".[{extra}]"'
        raise UnavailableError("missing package", got=error, expected=expected, where=f"package {name}") from error
