"""Skips that say what would run the test."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from typing import NoReturn

import pytest

SYNTHESISERS = ("espeakng_loader", "pretty_midi", "mido", "midirenderer")


def skip_without_weights(name: str, error: Exception) -> NoReturn:
    """Skip the test of a published encoder whose weights are not on this machine."""
    if "no pinned address" in str(error):
        pytest.skip(f"no address is pinned for {name}; check your own copy: python -m bench.certify {name}=FILE")
    pytest.skip(f"to run it, fetch the weights once: python -m bench.certify {name}")


def needs_packages(names: Iterable[str], extra: str) -> pytest.MarkDecorator:
    """Mark tests that need packages of an optional extra of this project."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f'to run it: pip install ".[{extra}]" (no {", ".join(missing)})')


def needs_files(**variables: str) -> pytest.MarkDecorator:
    """Mark tests that need files of the user's, each named by an environment variable."""
    missing = [f"{name}={value}" for name, value in variables.items() if not os.environ.get(name)]
    return pytest.mark.skipif(bool(missing), reason=f"to run it, set {' '.join(missing)}")
