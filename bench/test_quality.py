"""Scores what ``pytest bench`` computes: one test for each task, probe and encoder."""

import pytest

from bench.plugin.fixtures import Bench
from bench.runs.plan import Case


@pytest.mark.filterwarnings("default")
def test_quality(case: Case, bench: Bench) -> None:
    score = bench.score(case)
    assert score.n > 0
    failure = bench.gate(case, score)  # nothing without --baseline
    if failure:
        pytest.fail(failure, pytrace=False)
