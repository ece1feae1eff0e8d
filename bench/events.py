"""The target of a task that asks what sounds when: events in a sidecar, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.types import DataError, Sidecar


class Event(NamedTuple):
    """Something that sounds from ``onset`` to ``offset`` (seconds from the start of the clip, onset <= offset)."""

    onset: float
    offset: float
    label: int  # position in the vocabulary


@dataclass(frozen=True, slots=True)
class Events:
    """What sounds when: the sidecar is a list of ``{onset_key: s, offset_key: s, label_key: class}``.

    With a ``separator`` the label is a text of several classes that share the times. An empty list is a clip in which
    nothing of the vocabulary sounds. Answers are scored on segments of ``segment_in_s``, whatever the encoder's hop.
    """

    classes: tuple[str | int, ...]
    onset_key: str = "onset"
    offset_key: str = "offset"
    label_key: str = "label"
    separator: str | None = None
    segment_in_s: float = 1.0

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def __call__(self, sidecar: Sidecar | Sequence[Sidecar], where: str) -> tuple[Event, ...]:
        """The events in the sidecar's order.

        Raises DataError for a sidecar that is no list of events, an unknown label, and times that are no numbers, not
        finite, negative or out of order.
        """
        if not isinstance(sidecar, list | tuple):
            raise DataError("events missing", got=f"a {type(sidecar).__name__}", expected="a list", where=where)
        return tuple(
            event for at, entry in enumerate(sidecar) for event in self._events(entry, f"{where}, event {at + 1}")
        )

    def _events(self, entry: object, where: str) -> list[Event]:
        wanted = (self.onset_key, self.offset_key, self.label_key)
        if not isinstance(entry, Mapping) or not all(key in entry for key in wanted):
            got = sorted(entry) if isinstance(entry, Mapping) else repr(entry)
            raise DataError("no event", got=got, expected=f"keys {', '.join(wanted)}", where=where)
        onset, offset, label = (entry[key] for key in wanted)
        for key, time in ((self.onset_key, onset), (self.offset_key, offset)):
            if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time < float("inf"):
                raise DataError(f"time {key!r}", got=repr(time), expected="seconds, 0 or more", where=where)
        if offset < onset:
            got = f"{self.onset_key} {onset}, {self.offset_key} {offset}"
            raise DataError("event ends before it begins", got=got, expected="onset <= offset", where=where)
        parts = label.split(self.separator) if self.separator and isinstance(label, str) else [label]
        return [Event(float(onset), float(offset), self._place(part, where)) for part in parts]

    def _place(self, label: object, where: str) -> int:
        known = label.strip() if isinstance(label, str) else label
        if isinstance(known, str | int) and not isinstance(known, bool) and known in self.classes:
            return self.classes.index(known)
        few = ", ".join(map(repr, self.classes[:8])) + (", ..." if len(self.classes) > 8 else "")
        expected = f"one of {len(self.classes)} classes ({few})"
        raise DataError(f"unknown label {self.label_key!r}", got=repr(label), expected=expected, where=where)
