"""What the synthetic talkers say: ``tasks/mini/speech/texts/*.txt``, written for this project (CC0)."""

from __future__ import annotations

import math
from pathlib import Path

from numpy.random import Generator

from bench.types import DataError

FOLDER = Path(__file__).parent / "texts"
SHARES = {"train": (0, 8), "valid": (8, 12), "test": (12, 18)}  # alternatives of english.txt by split


def _read_rows(name: str) -> list[list[str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line.split("|") for line in lines if line and not line.startswith("#")]


def draw_sentences(split: str, n: int, generator: Generator) -> list[str]:
    """Draw ``n`` different English sentences; those of two splits have no part in common.

    Raises DataError where the split has fewer.
    """
    start, stop = SHARES[split]
    parts = [row[1:][start:stop] for row in _read_rows("english.txt")]
    possible = math.prod(len(part) for part in parts)
    if n > possible:
        raise DataError("sentences", got=n, expected=f"at most {possible} different ones", where=split)
    chosen: dict[str, None] = {}
    while len(chosen) < n:
        chosen[" ".join(str(generator.choice(part)) for part in parts)] = None
    return list(chosen)


def read_languages() -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Read language code -> (espeak-ng voice, phrases for training, phrases for testing)."""
    return {
        code: (voice, tuple(phrases[:-4]), tuple(phrases[-4:])) for code, voice, *phrases in _read_rows("languages.txt")
    }
