"""What ``pytest bench`` times, alone and last: one test for each encoder, batch size and duration."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.plugin.collection import ThroughputCase
from bench.plugin.fixtures import Bench


@pytest.mark.throughput
@pytest.mark.filterwarnings("default")
def test_throughput(load: ThroughputCase, bench: Bench, benchmark: BenchmarkFixture) -> None:
    if benchmark.disabled:
        pytest.skip(
            "pytest-benchmark is disabled (--benchmark-disable, or a worker of xdist): nothing would be measured"
        )
    figures = bench.time(load, benchmark)
    assert figures["audio_seconds_per_second"] > 0
    failure = bench.gate_speed(load)  # nothing without --baseline-encoder
    if failure:
        pytest.fail(failure, pytrace=False)
