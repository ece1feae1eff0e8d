"""``--baseline-encoder`` in throughput tests: it takes turns with each encoder, and one that is slower fails its test.

Nothing is compared with times of another day or machine, and nothing of it goes into the leaderboard.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.plugin.collection import PLAN
from bench.runs.plan import ThroughputCase
from bench.runs.selection import resolve_encoder
from bench.throughput.paired_timing import TimeRatio
from bench.types import ChoiceError, EncoderSpec

SPEC = pytest.StashKey[EncoderSpec | None]()


def pytest_configure(config: pytest.Config) -> None:
    text = config.getoption("baseline_encoder")
    if PLAN not in config.stash or text is None:
        return
    try:
        config.stash[SPEC] = resolve_encoder(text)
    except ChoiceError as error:
        if config.getoption("baseline") is None:
            raise pytest.UsageError(f"--baseline-encoder: {error}") from error
        config.stash[SPEC] = None  # a name in the leaderboard only: nothing to time


def get_baseline(config: pytest.Config) -> EncoderSpec | None:
    """Return the encoder that takes turns with every other, or None."""
    return config.stash.get(SPEC, None)


def describe_pair(case: ThroughputCase, spec: EncoderSpec) -> dict[str, Any]:
    """Return which encoders were compared, and on what."""
    names = {"encoder": case.spec.name, "against": spec.name}
    return {**names, "batch_size": case.batch_size, "seconds": case.seconds}


def judge_ratio(ratio: TimeRatio, case: ThroughputCase, spec: EncoderSpec, request: pytest.FixtureRequest) -> str:
    """Return the line that fails the test, or nothing. All throughput tests of the run share alpha."""
    option = request.config.getoption
    tests = sum(item.get_closest_marker("throughput") is not None for item in request.session.items)
    level = option("alpha") / max(1, tests)
    if ratio.p > level or ratio.value <= ratio.band[1]:
        return ""
    low, high = ratio.ci95
    return (
        f"gate: {case.spec.name} takes {ratio.value:.3f} [{low:.3f}, {high:.3f}] of the time of {spec.name}, allowed "
        f"{1 + option('max_slowdown'):g}, p {ratio.p:.2g}, limit {level:.2g}, noise up to {ratio.band[1]:.3f}"
    )
