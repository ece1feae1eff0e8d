"""Label vocabularies: ``tasks/labels/<name>.txt``, one label a line, in the order of the class index."""

from __future__ import annotations

from pathlib import Path

from bench.types import ChoiceError

FOLDER = Path(__file__).parent / "labels"


def read_labels(name: str) -> tuple[str, ...]:
    """Read the classes of a dataset, exactly as its sidecars spell them (some end in a blank).

    Raises ChoiceError when there is no such vocabulary.
    """
    path = FOLDER / f"{name}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.txt")))
        raise ChoiceError("unknown label vocabulary", got=name, expected=known, where=FOLDER.name)
    return tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))


def list_indices(name: str) -> tuple[int, ...]:
    """List the classes 0, 1, .. of a dataset whose sidecars hold class numbers (ESC-50)."""
    return tuple(range(len(read_labels(name))))
