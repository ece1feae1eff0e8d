"""Which verification tasks a run has: all generated ones, and of the real corpora those that are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.datasets.test_corpora import tidyvoice

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
MINI = {
    *("hardpairs", "hardpairs_random", "hardpairs_easy", "text_dependent", "tidyvoice", "voxceleb1_verification"),
}


def listed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *more: str) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    where = [f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "--encoder=logmel"]
    cache = f"--cache={pytester.path / 'cache'}"
    return pytester.runpytest_subprocess(str(ROOT / "bench"), *where, "--collect-only", "-q", cache, *more)


def names(result: pytest.RunResult) -> set[str]:
    return {line.partition("[")[2].partition("-")[0] for line in result.outlines if "test_quality[" in line}


def test_the_embedded_suite_has_all_of_them(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(listed(pytester, monkeypatch, "-m", "verification")) == MINI
    both = names(listed(pytester, monkeypatch, "-k", "voxceleb"))
    assert both == {"voxceleb1", "voxceleb1_verification"}
    assert names(listed(pytester, monkeypatch, "-k", "verification", "-m", "not linear")) == MINI


def test_corpora_that_are_not_there_are_left_out(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    tidyvoice(pytester.path / "data")
    how = ["--suite=full", f"--data={pytester.path / 'data'}", "-m", "verification"]
    result = listed(pytester, monkeypatch, *how)
    assert names(result) == {"tidyvoice"}
    assert "cnceleb" in names(listed(pytester, monkeypatch, *how, "-k", "cnceleb"))  # to say what it lacks
