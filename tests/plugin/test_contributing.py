"""The worked examples of CONTRIBUTING, put in their places in a copy of the project and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACED = re.compile(r"`((?:tasks|encoders)/[\w/]+\.\w+)`:\n\n```\w+\n(.*?)```", flags=re.DOTALL)
PARTS = ("bench", "tasks", "encoders", "tests", "docs", "conftest.py", "pyproject.toml")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the example's files added and no other change."""
    root = tmp_path_factory.mktemp("clone")
    for name in PARTS:
        source, target = ROOT / name, root / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(source, target)
    for path, content in PLACED.findall(PAGE):
        assert not (root / path).exists()
        (root / path).write_text(content, encoding="utf-8")
    return root


def run(root: Path, *arguments: str) -> str:
    return python(root, "pytest", "-p", "no:cacheprovider", "bench", *arguments)


def python(root: Path, module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_task_is_one_file_and_its_labels(copy: Path, tmp_path: Path) -> None:
    assert [path for path, _ in PLACED.findall(PAGE)] == [
        "tasks/labels/doorbells.txt",
        "tasks/environment/doorbells.py",
        "encoders/twenty_bands.py",
    ]
    wanted = ("-k", "doorbells", "-m", "not throughput", "--encoder", "logmel", "--encoder", "constant")
    run(copy, *wanted, "--cache", str(tmp_path / "cache"), "--results", str(tmp_path), "--run-name", "example")
    board = json.loads((tmp_path / "example" / "leaderboard.json").read_text())
    assert not board["failures"]
    rows = {(row["encoder"], row["probe"]): row for row in board["scores"]}
    assert set(rows) == {(encoder, probe) for encoder in ("logmel", "constant") for probe in ("linear", "knn")}
    for row in rows.values():
        assert (row["task"], row["metric"], row["n"], row["clusters"]) == ("doorbells", "accuracy", 60, 60)
        assert row["chance"] == pytest.approx(1 / 3)
        low, high = row["ci95"]
        assert low < row["value"] < high
    assert rows["logmel", "linear"]["ci95"][0] > 1 / 3
    assert rows["constant", "linear"]["value"] == pytest.approx(1 / 3)


def test_it_is_listed(copy: Path) -> None:
    assert re.search(r"^doorbells +environment +mini +accuracy +which chime$", run(copy, "--list-tasks"), re.MULTILINE)


def test_an_encoder_is_one_file_that_passes_the_contract(copy: Path) -> None:
    python(copy, "bench.commands.encoder_page")
    assert "| twenty_bands | 20 | 16 | 10 |" in (copy / "docs" / "encoders.md").read_text(encoding="utf-8")
    contract = ["tests/encoders/test_encoders.py", "tests/encoders/test_declared.py", "tests/commands"]
    chosen = "twenty_bands or all_families or up_to_date or every_encoder"
    report = python(copy, "pytest", "-p", "no:cacheprovider", *contract, "-k", chosen)
    assert re.search(r"\b8 passed", report), report  # five of the contract, three of all specs
    assert "certificate passed" in python(copy, "bench.certify", "twenty_bands")
    assert re.search(r"^twenty_bands ", run(copy, "--list-encoders"), re.MULTILINE)
