"""Targets: how the sidecar of a clip becomes what a probe is to predict."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.types.errors import ChoiceError, DataError

MOST_SHOWN = 120  # characters of a wrong label
Sidecar = Mapping[str, Any]
"""The content of ``<key>.json`` of a WebDataset sample; a list where the sample has events (see ``Events``)."""
Targets = NDArray[Any]
"""Targets of N clips: class indices int64 [N]; k-hot uint8 [N, C] where a clip may have several labels; object [N],
texts or tuples of captions."""


@runtime_checkable
class Target(Protocol):
    """A function from a sidecar to a target."""

    @property
    def n_classes(self) -> int: ...

    def __call__(self, sidecar: Sidecar, where: str) -> Any: ...  # the target of one clip

    def stack(self, labels: Sequence[Any]) -> Targets: ...  # the targets of N clips as one array


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A single label: ``sidecar[key]`` must be one of ``classes``, and its position is the target.

    A value is a class only if it has its type: 1.0, "1", " 1" and true are not the class 1. With ``as_int`` a whole
    number may also be written as a text, as 1.0 or as true or false. Raises DataError when the key is absent or the
    value is not a known class, and ChoiceError for two classes that read alike.

    >>> ClassLabel("animal", ("cat", "dog"))({"animal": "dog"}, where="clip 1")
    1
    """

    key: str
    classes: tuple[str | int, ...]
    as_int: bool = False

    def __post_init__(self) -> None:
        _check_vocabulary(self.classes, f"ClassLabel({self.key!r})")

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def __call__(self, sidecar: Sidecar, where: str) -> int:
        value = _read_value(sidecar, self.key, where)
        return _find_class(_to_whole_number(value) if self.as_int else value, self.classes, self.key, where)

    def stack(self, labels: Sequence[int]) -> Targets:
        """Return the class indices, int64 [N]."""
        return np.array(labels, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """Any number of labels in one string: ``"a;b"`` sets the classes a and b of a k-hot vector [C].

    Spaces around a label do not count, and a repeated label counts once. Raises DataError when the key is absent, the
    value is no string or a label is not one of ``classes``, and for an empty string unless ``allow_empty``.

    >>> MultiLabel("tags", ("cat", "dog", "rain"))({"tags": "rain;cat"}, where="clip 1").tolist()
    [1, 0, 1]
    """

    key: str
    classes: tuple[str, ...]
    separator: str = ";"
    allow_empty: bool = False  # a clip in which none of the classes occurs

    def __post_init__(self) -> None:
        _check_vocabulary(self.classes, f"MultiLabel({self.key!r})")

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def __call__(self, sidecar: Sidecar, where: str) -> NDArray[np.uint8]:
        value = _read_value(sidecar, self.key, where)
        if not isinstance(value, str):
            expected = f"labels in one string, separated by {self.separator!r}"
            raise DataError(f"unreadable label {self.key!r}", got=repr(value), expected=expected, where=where)
        target = np.zeros(self.n_classes, dtype=np.uint8)
        if not value.strip():
            if self.allow_empty:
                return target
            raise DataError(f"empty label {self.key!r}", got=repr(value), expected="at least one class", where=where)
        for label in value.split(self.separator):
            target[_find_class(label.strip(), self.classes, self.key, where)] = 1
        return target

    def stack(self, labels: Sequence[NDArray[np.uint8]]) -> Targets:
        """Return the k-hot vectors, uint8 [N, C]."""
        return np.array(labels, dtype=np.uint8).reshape(len(labels), self.n_classes)


class Event(NamedTuple):
    """Something that sounds from ``onset`` to ``offset`` (seconds from the start of the clip, onset <= offset)."""

    onset: float
    offset: float
    label: int  # position in the vocabulary


@dataclass(frozen=True, slots=True)
class Events:
    """Sound events: the sidecar is a list of ``{onset_key: s, offset_key: s, label_key: class}``.

    With a ``separator`` the label is a text of several classes that share the times. An empty list is a clip in which
    nothing of the vocabulary sounds. Predictions are scored on segments of ``segment_in_s``
    for every encoder, whatever its hop.

    >>> Events(("dog", "rain"))([{"onset": 0.5, "offset": 2.0, "label": "rain"}], where="clip 1")
    (Event(onset=0.5, offset=2.0, label=1),)
    """

    classes: tuple[str | int, ...]
    onset_key: str = "onset"
    offset_key: str = "offset"
    label_key: str = "label"
    separator: str | None = None
    segment_in_s: float = 1.0

    def __post_init__(self) -> None:
        _check_vocabulary(self.classes, "Events")

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def stack(self, labels: Sequence[Sequence[Event]]) -> Targets:
        """Return the classes that sound at all in each clip, k-hot uint8 [N, C]."""
        stacked = np.zeros((len(labels), self.n_classes), dtype=np.uint8)
        for clip, events in enumerate(labels):
            stacked[clip, [event.label for event in events]] = 1
        return stacked

    def __call__(self, sidecar: Sidecar | Sequence[Sidecar], where: str) -> tuple[Event, ...]:
        """Return the events in the sidecar's order.

        Raises DataError for a sidecar that is no list of events, an unknown label, and times that are no numbers, not
        finite, negative or out of order.
        """
        if not isinstance(sidecar, list | tuple):
            raise DataError("events missing", got=f"a {type(sidecar).__name__}", expected="a list", where=where)
        return tuple(
            event for at, entry in enumerate(sidecar) for event in self._read_entry(entry, f"{where}, event {at + 1}")
        )

    def _read_entry(self, entry: object, where: str) -> list[Event]:
        wanted = (self.onset_key, self.offset_key, self.label_key)
        if not isinstance(entry, Mapping) or not all(key in entry for key in wanted):
            got = sorted(entry) if isinstance(entry, Mapping) else repr(entry)
            raise DataError("no event", got=got, expected=f"keys {', '.join(wanted)}", where=where)
        onset, offset, label = (entry[key] for key in wanted)
        for key, time in ((self.onset_key, onset), (self.offset_key, offset)):
            if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time <= sys.float_info.max:
                raise DataError(f"time {key!r}", got=repr(time), expected="seconds, 0 or more", where=where)
        if offset < onset:
            got = f"{self.onset_key} {onset}, {self.offset_key} {offset}"
            raise DataError("event ends before it begins", got=got, expected="onset <= offset", where=where)
        parts = label.split(self.separator) if self.separator and isinstance(label, str) else [label]
        parts = [part.strip() if isinstance(part, str) else part for part in parts]
        places = [_find_class(part, self.classes, self.label_key, where) for part in parts]
        return [Event(float(onset), float(offset), place) for place in places]


@dataclass(frozen=True, slots=True)
class Captions:
    """Texts that describe the clip: every value of the sidecar is one, whatever its key, in the sidecar's order.

    Nothing else may therefore stand in the sidecar. Raises DataError for a clip without captions or with more or fewer
    than ``n_captions``, and for one that is no string or has no visible character.

    >>> Captions(n_captions=None)({"caption": "a dog barks"}, where="clip 1")
    ('a dog barks',)
    """

    n_captions: int | None = 5  # of every clip; None: one or more

    @property
    def n_classes(self) -> int:
        return 0  # there is no vocabulary

    def __call__(self, sidecar: Sidecar, where: str) -> tuple[str, ...]:
        if not isinstance(sidecar, Mapping) or not sidecar:
            got = "an empty sidecar" if isinstance(sidecar, Mapping) else f"a {type(sidecar).__name__}"
            raise DataError("no caption", got=got, expected="captions by any key", where=where)
        for key, value in sidecar.items():
            if not isinstance(value, str) or not value.strip():
                raise DataError(f"caption {key!r}", got=repr(value), expected="a text", where=where)
        if self.n_captions not in (None, len(sidecar)):
            got = f"{len(sidecar)}: {', '.join(map(repr, sidecar))}"
            raise DataError("captions of a clip", got=got, expected=self.n_captions, where=where)
        return tuple(sidecar.values())

    def stack(self, labels: Sequence[tuple[str, ...]]) -> Targets:
        """Return the tuples of captions, object [N]."""
        stacked = np.empty(len(labels), dtype=object)
        for clip, captions in enumerate(labels):  # numpy would make a matrix of them
            stacked[clip] = captions
        return stacked


@dataclass(frozen=True, slots=True)
class Transcript:
    """Spoken words: the text ``sidecar[key]``, unchanged; metrics normalise it.

    Raises DataError when the key is absent or the value is no string or has no word.

    >>> Transcript("text")({"text": "Good morning."}, where="clip 1")
    'Good morning.'
    """

    key: str

    @property
    def n_classes(self) -> int:
        """Return 0: there is no vocabulary."""
        return 0

    def __call__(self, sidecar: Sidecar, where: str) -> str:
        text = _read_value(sidecar, self.key, where)
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"no transcript {self.key!r}", got=repr(text), expected="some words", where=where)
        return text

    def stack(self, labels: Sequence[str]) -> Targets:
        """Return the transcripts, object array [N] of str."""
        stacked = np.empty(len(labels), dtype=object)
        stacked[:] = labels
        return stacked


def _read_value(sidecar: Sidecar, key: str, where: str) -> Any:
    if not isinstance(sidecar, Mapping) or key not in sidecar:
        got = sorted(sidecar) if isinstance(sidecar, Mapping) else f"a {type(sidecar).__name__}"
        raise DataError("label missing", got=got, expected=f"a key {key!r}", where=where)
    return sidecar[key]


def _check_vocabulary(classes: Sequence[str | int], where: str) -> None:
    """Raise ChoiceError for a class that is named twice, which no clip could tell apart from the other."""
    for name, count in Counter(map(str, classes)).items():
        if count > 1:
            raise ChoiceError("class named twice", got=repr(name), expected="unique classes", where=where)


def _to_whole_number(value: Any) -> Any:
    """Return a truth value, a whole float or the text of a whole number as that number, anything else unchanged."""
    is_text = isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value, re.ASCII)
    if isinstance(value, bool) or is_text or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value


def _find_class(value: Any, classes: tuple[str | int, ...] | tuple[str, ...], key: str, where: str) -> int:
    try:
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError  # True == 1.0 == 1, but only an integer is class 1
        return classes.index(value)
    except ValueError:
        known = ", ".join(map(repr, classes[:8])) + (", ..." if len(classes) > 8 else "")
        expected = f"one of {len(classes)} classes ({known})"
        got = repr(value) if len(repr(value)) <= MOST_SHOWN else f"{repr(value)[:MOST_SHOWN]}..."
        remedy = "ClassLabel(..., as_int=True) takes it as a number" if _to_whole_number(value) in classes else ""
        raise DataError(f"unknown label {key!r}", got=got, expected=expected, where=where, remedy=remedy) from None
