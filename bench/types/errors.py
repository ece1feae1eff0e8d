"""What the user or a plugged-in part did wrong; imported from ``bench.types``."""

from __future__ import annotations

import functools


class BenchError(Exception):
    """Bad input or a broken contract: one line naming what, got, expected and where."""

    def __init__(self, what: str, *, got: object, expected: object, where: object) -> None:
        super().__init__(f"{what}: got {got}, expected {expected} [{where}]")
        self.what, self.got, self.expected, self.where = what, str(got), str(expected), str(where)

    def __reduce__(self) -> tuple[object, ...]:
        """By keywords, so that the error crosses from one process to another."""
        named = {"got": self.got, "expected": self.expected, "where": self.where}
        return functools.partial(type(self), **named), (self.what,)


class DataError(BenchError):
    """A shard, clip or sidecar is not what it should be."""


class EncoderError(BenchError):
    """An encoder breaks its contract."""


class UnavailableError(EncoderError):
    """What an encoder needs, weights or a package, is not here and cannot be had."""


class ChoiceError(BenchError):
    """The user named something that does not exist; ``expected`` lists the choices."""
