"""The benchmark of trials runs, at a small size."""

import pytest

from perf.trial_scoring import main


def test_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--trials=5000", "--dimensions=4", "--list"]) == 0
    told = capsys.readouterr().out
    assert "5,000 trials" in told
    for step in ("scores: cosine", "4 buckets", "adaptive S-norm", "predictions read", "trial list read"):
        assert f"{step}" in told
