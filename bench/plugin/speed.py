"""``--baseline-encoder`` in throughput tests: it takes turns with each encoder, and one that is slower fails its test.

Nothing is compared with times of another day or machine, and nothing of it goes into the leaderboard.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.plugin.collection import PLAN, ThroughputCase
from bench.throughput.paired_timing import Ratio
from bench.types import ChoiceError, EncoderSpec

SPEC = pytest.StashKey[EncoderSpec | None]()


def pytest_configure(config: pytest.Config) -> None:
    text = config.getoption("baseline_encoder")
    if PLAN not in config.stash or text is None:
        return
    try:
        config.stash[SPEC] = resolve_baseline(text)
    except ChoiceError as error:
        if config.getoption("baseline") is None:
            raise pytest.UsageError(f"--baseline-encoder: {error}") from error
        config.stash[SPEC] = None  # a name in the leaderboard only: nothing to time


def resolve_baseline(text: str) -> EncoderSpec:
    """As ``--encoder`` does. Raises ChoiceError for no such encoder."""
    from bench.discovery import bundled
    from bench.loading.sources import resolve

    return resolve(text, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())


def get_baseline(config: pytest.Config) -> EncoderSpec | None:
    """The encoder that takes turns with every other."""
    return config.stash.get(SPEC, None)


def describe_pair(load: ThroughputCase, spec: EncoderSpec) -> dict[str, Any]:
    """What a ratio is of."""
    names = {"encoder": load.spec.name, "against": spec.name}
    return {**names, "batch_size": load.batch_size, "seconds": load.seconds}


def judge_ratio(found: Ratio, load: ThroughputCase, spec: EncoderSpec, request: pytest.FixtureRequest) -> str:
    """The line that fails the test, or nothing. All loads of the run share alpha."""
    option = request.config.getoption
    tests = sum(item.get_closest_marker("throughput") is not None for item in request.session.items)
    level = option("alpha") / max(1, tests)
    if found.p > level or found.value <= found.band[1]:
        return ""
    low, high = found.ci95
    return (
        f"gate: {load.spec.name} takes {found.value:.3f} [{low:.3f}, {high:.3f}] of the time of {spec.name}, allowed "
        f"{1 + option('max_slowdown'):g}, p {found.p:.2g}, limit {level:.2g}, noise up to {found.band[1]:.3f}"
    )
