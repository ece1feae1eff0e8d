"""Times what ``pytest bench`` measures, alone and last: one test for each encoder, batch size and duration."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.plugin.fixtures import Bench
from bench.runs.plan import ThroughputCase


@pytest.mark.throughput
@pytest.mark.filterwarnings("default")
def test_throughput(throughput_case: ThroughputCase, bench: Bench, benchmark: BenchmarkFixture) -> None:
    if benchmark.disabled:
        pytest.skip(
            "pytest-benchmark is disabled (--benchmark-disable, or a worker of xdist): nothing would be measured"
        )
    figures = bench.time(throughput_case, benchmark)
    assert figures["audio_seconds_per_second"] > 0
    failure = bench.gate_speed(throughput_case)  # nothing without --baseline-encoder
    if failure:
        pytest.fail(failure, pytrace=False)
