"""Settings of all property tests: a machine that is busy with other things fails none of them. What tests share."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("otoscope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("otoscope")


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
