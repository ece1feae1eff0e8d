"""Audio files of a corpus in its own layout, as a list that is read like a shard.

The list is made by ``bench.datasets.corpora``: JSON with the corpus's folder and, of every file, key, path, size and
sidecar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.types import DataError, Sidecar

SUFFIX = ".files"


class ListedAudio(NamedTuple):
    """A file of a list."""

    key: str
    path: Path
    size: int
    sidecar: Sidecar


def read_audio_list(path: Path) -> Iterator[ListedAudio]:
    """Every file of the list at ``path``. Raises DataError for one that is gone or has no longer the size it had."""
    told = json.loads(path.read_text(encoding="utf-8"))
    for key, name, size, sidecar in told["files"]:
        where = Path(told["folder"]) / name
        try:
            found = where.stat().st_size
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=where) from error
        if found != size:
            raise DataError("file has changed", got=f"{found} bytes", expected=size, where=where)
        yield ListedAudio(key, where, size, sidecar)
