"""The benchmark of more workers, on toy tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perf import suite_time, worker_scaling
from tests.helpers import toys


def test_each_number_of_workers_is_timed_cold_and_warm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_dataset(tmp_path / "data" / "tones")
    task = toys.task_file(tmp_path)
    more = [f"--tasks={task}", f"--data={tmp_path / 'data'}", "--encoder=logmel", "--seeds=1"]
    told = ["--workers", "1", "2", "--cache", str(tmp_path), "--json", str(tmp_path / "out.json")]
    assert worker_scaling.main([*told, "--", *more]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [(row["workers"], row["tests"]) for row in rows] == [(1, 2), (2, 2)]
    assert all(row["cold, s"] > 0 and row["warm, s"] > 0 for row in rows)
    assert rows[0]["times faster, cold"] == 1
    assert capsys.readouterr().out.splitlines()[-1] == "leaderboard.json: the same bytes in all runs"


def test_runs_that_differ_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: list[str], results: Path) -> suite_time.Rerun:
        Path(arguments[3]).mkdir(exist_ok=True)
        (results / "run").mkdir(parents=True)
        (results / worker_scaling.RESULT).write_text(
            results.name.partition("-")[0]
        )  # cold and warm differ, workers do not
        return suite_time.Rerun(1.0, ())

    monkeypatch.setattr(suite_time, "run_suite", run)
    assert worker_scaling.main(["--cache", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "leaderboard.json: RUNS DIFFER"
