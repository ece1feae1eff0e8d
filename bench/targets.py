"""How a clip's sidecar becomes what a probe is to predict; imported from ``bench.types``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

Sidecar = Mapping[str, Any]
"""What ``<key>.json`` of a WebDataset sample holds."""
Targets = NDArray[Any]
"""What is right: class indices int64 [N], or k-hot uint8 [N, C] where a clip may have several labels."""


@runtime_checkable
class Target(Protocol):
    """How a sidecar becomes a target."""

    @property
    def n_classes(self) -> int: ...

    def __call__(self, sidecar: Sidecar, where: str) -> Any: ...  # the target of one clip

    def stack(self, labels: Sequence[Any]) -> Targets: ...  # the targets of N clips as one array


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A single label: ``sidecar[key]`` must be one of ``classes``; its position is the target.

    Raises DataError when the key is absent or the value is not a known class.
    """

    key: str
    classes: tuple[str | int, ...]

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def __call__(self, sidecar: Sidecar, where: str) -> int:
        return _place(_value(sidecar, self.key, where), self.classes, self.key, where)

    def stack(self, labels: Sequence[int]) -> Targets:
        """int64 [N]."""
        return np.array(labels, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """Any number of labels in one string: ``"a;b"`` sets the classes a and b of a k-hot vector [C].

    Spaces around a label do not count, and a repeated label counts once. Raises DataError when the key is absent, the
    value is no string or a label is not one of ``classes``, and for an empty string unless ``allow_empty``.
    """

    key: str
    classes: tuple[str, ...]
    separator: str = ";"
    allow_empty: bool = False  # a clip in which none of the classes occurs

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def __call__(self, sidecar: Sidecar, where: str) -> NDArray[np.uint8]:
        value = _value(sidecar, self.key, where)
        if not isinstance(value, str):
            expected = f"labels in one string, separated by {self.separator!r}"
            raise DataError(f"unreadable label {self.key!r}", got=repr(value), expected=expected, where=where)
        target = np.zeros(self.n_classes, dtype=np.uint8)
        if not value.strip():
            if self.allow_empty:
                return target
            raise DataError(f"empty label {self.key!r}", got=repr(value), expected="at least one class", where=where)
        for label in value.split(self.separator):
            target[_place(label.strip(), self.classes, self.key, where)] = 1
        return target

    def stack(self, labels: Sequence[NDArray[np.uint8]]) -> Targets:
        """k-hot uint8 [N, C]."""
        return np.array(labels, dtype=np.uint8).reshape(len(labels), self.n_classes)


def _value(sidecar: Sidecar, key: str, where: str) -> Any:
    if key not in sidecar:
        raise DataError("label missing", got=sorted(sidecar), expected=f"a key {key!r}", where=where)
    return sidecar[key]


def _place(value: Any, classes: tuple[str | int, ...] | tuple[str, ...], key: str, where: str) -> int:
    try:
        return classes.index(value)
    except ValueError:
        known = ", ".join(map(repr, classes[:8])) + (", ..." if len(classes) > 8 else "")
        expected = f"one of {len(classes)} classes ({known})"
        raise DataError(f"unknown label {key!r}", got=repr(value), expected=expected, where=where) from None
