"""Errors, domains and the exported names of the data types."""

from __future__ import annotations

import pickle

import pytest

import bench.types
from bench.types import BenchError, ChoiceError, DataError
from tests.helpers import toys


@pytest.mark.parametrize("kind", [BenchError, *BenchError.__subclasses__()])
def test_errors_cross_processes(kind: type[BenchError]) -> None:
    error = kind("rate", got=0, expected="above 0", where="file", remedy="set --rate")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_remedy_is_a_second_line() -> None:
    error = DataError("rate", got=0, expected="above 0", where="file", remedy="set --rate")
    assert str(error).splitlines() == ["rate: got 0, expected above 0 [file]", "to fix it: set --rate"]
    assert len(str(DataError("rate", got=0, expected="above 0", where="file")).splitlines()) == 1


def test_a_domain_is_any_identifier() -> None:
    assert toys.task(domain="bioacoustics").domain == "bioacoustics"
    for domain in ("", "two words", "bio-acoustics", "9lives", "not"):
        with pytest.raises(ChoiceError, match="domain of a task"):
            toys.task(domain=domain)


def test_all_names_are_exported() -> None:
    assert all(hasattr(bench.types, name) for name in bench.types.__all__)
    assert len(set(bench.types.__all__)) == len(bench.types.__all__)
