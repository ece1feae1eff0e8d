"""What README promises, executed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.discovery.bundled import load_tasks
from bench.types import Task

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_example_task_is_short_and_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(block.splitlines()) <= 25
    (tmp_path / "digits.py").write_text(block)
    (task,) = load_tasks(tmp_path / "digits.py")
    assert isinstance(task, Task)
    assert task.target.n_classes == 10


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
