"""What README promises, executed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.loading.task_files import load_tasks
from bench.types import Task
from tasks.mini.write import Sample, write_shards
from tests.helpers import toys

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TASK_EXAMPLE, API_EXAMPLE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_task_is_short_and_loads(tmp_path: Path) -> None:
    assert len(TASK_EXAMPLE.splitlines()) <= 25
    (tmp_path / "digits.py").write_text(TASK_EXAMPLE)
    (task,) = load_tasks(tmp_path / "digits.py")
    assert isinstance(task, Task)
    assert task.target.n_classes == 10


def test_the_example_in_python_runs_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "digits.py").write_text(TASK_EXAMPLE)
    (tmp_path / "shards").mkdir()
    for split, n in {"train": 40, "valid": 10, "test": 20}.items():
        samples = [Sample(f"{split}{i:03d}", toys.tone(i % 3, i, 0.3), toys.RATE, {"label": i % 10}) for i in range(n)]
        write_shards(tmp_path / "shards", split, samples)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    environment = {**os.environ, **cache, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(
        [sys.executable, "-c", API_EXAMPLE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert out.returncode == 0, out.stderr
    assert "spoken_digits" in out.stdout
    assert (tmp_path / "results" / "logmel" / "leaderboard.json").is_file()


def test_every_option_that_readme_names_exists(pytestconfig: pytest.Config) -> None:
    known = {name for option in pytestconfig._parser._anonymous.options for name in option.names()}
    for group in pytestconfig._parser._groups:
        known |= {name for option in group.options for name in option.names()}
    for line in re.findall(r"^    (?:.*&& )?(pytest bench.*)$", README, flags=re.MULTILINE):
        for word in shlex.split(line.partition(" #")[0]):
            if word.startswith("--"):
                assert word in known, word
    for word in re.findall(r"(?<![\w-])--[a-z-]+", README):
        assert word in known, word


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"
