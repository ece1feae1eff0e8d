"""Audio files of a corpus in its own layout, as a list that is read like a shard.

The list is written by ``bench.datasets.corpora``: JSON with the corpus's folder and the key, path, size and sidecar of
every file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.types import DataError, Sidecar

SUFFIX = ".files"


class ListedAudio(NamedTuple):
    """An audio file of a list."""

    key: str
    path: Path
    size: int  # bytes
    sidecar: Sidecar


def read_audio_list(path: Path) -> Iterator[ListedAudio]:
    """Yield the files of the list at ``path``.

    Raises:
        DataError: A file is missing or its size has changed.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    for key, name, expected_size, sidecar in content["files"]:
        audio = Path(content["folder"]) / name
        try:
            size = audio.stat().st_size
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=audio) from error
        if size != expected_size:
            raise DataError("file has changed", got=f"{size} bytes", expected=expected_size, where=audio)
        yield ListedAudio(key, audio, expected_size, sidecar)
