"""Errors that users and authors of encoders, probes and tasks can correct."""

from __future__ import annotations

import functools


class BenchError(Exception):
    """Bad input or a broken contract: one line that names what, got, expected and where, and a remedy where known.

    >>> print(BenchError("sampling rate", got="0 Hz", expected="above 0 Hz", where="my_encoder.py"))
    sampling rate: got 0 Hz, expected above 0 Hz [my_encoder.py]
    >>> print(BenchError("no soxr", got="ImportError", expected="soxr", where="audio", remedy="pip install soxr"))
    no soxr: got ImportError, expected soxr [audio]
    to fix it: pip install soxr
    """

    def __init__(self, what: str, *, got: object, expected: object, where: object, remedy: str = "") -> None:
        line = f"{what}: got {got}, expected {expected} [{where}]"
        super().__init__(f"{line}\nto fix it: {remedy}" if remedy else line)
        self.what, self.got, self.expected, self.where = what, str(got), str(expected), str(where)
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild the error by keywords, so that it crosses from one process to another."""
        slots = {"got": self.got, "expected": self.expected, "where": self.where, "remedy": self.remedy}
        return functools.partial(type(self), **slots), (self.what,)


class DataError(BenchError):
    """A shard, clip, sidecar or array that is not what it should be."""


class EncoderError(BenchError):
    """An encoder that breaks its contract."""


class UnavailableError(EncoderError):
    """Weights or a package that an encoder needs, absent and not to be had."""


class ChoiceError(BenchError):
    """A choice of the user that does not exist; ``expected`` lists those that do."""
