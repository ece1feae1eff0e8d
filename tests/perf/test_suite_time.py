"""The benchmark of a warm rerun, on toy tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from perf import suite_time
from tests.helpers import toys


def test_the_second_run_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.write_dataset(tmp_path / "data" / "tones")
    task = toys.task_file(tmp_path)
    more = [f"--tasks={task}", f"--data={tmp_path / 'data'}", "--encoder=logmel", "--seeds=1"]
    assert suite_time.main(["-n", "0", "--cache", str(tmp_path / "cache"), "--", *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["first", "again,"]
    assert lines[2].split()[0] == "2"
    assert {line.split()[0] for line in lines[3:]} == {"tones-knn-logmel", "tones-linear-logmel"}
