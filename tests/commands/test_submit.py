"""Trials without labels: scored in the list's order and written as a challenge asks for them."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.commands import submit
from bench.xares.protocol import is_scored
from tests.helpers import verification_toys as hums

FILE = """
from dataclasses import replace
from tests.helpers import verification_toys as hums

known = hums.task()
hidden = hums.task(name="hidden", shards=replace(known.shards, folder="hums"),
                   target=replace(known.target, file="hidden-U.txt", form="unlabelled"))
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    hums.write(tmp_path / "data/hums")
    pairs = [(0, 0, 0, 2), (0, 0, 1, 0), (3, 1, 3, 3), (5, 0, 4, 0)]
    lines = [f"test{a:02d}/{i}.wav test{b:02d}/{k}.wav\n" for a, i, b, k in pairs]
    (tmp_path / "data/hums/hidden-U.txt").write_text("".join(lines))
    (tmp_path / "tasks.py").write_text(FILE)
    where = [f"--tasks={tmp_path / 'tasks.py'}", f"--data={tmp_path / 'data'}", f"--cache={tmp_path / 'cache'}"]
    return [*where, "--encoder=tests.helpers.verification_toys:Oracle", "-o", str(tmp_path / "out.zip")]


def test_a_list_without_labels_is_scored(arguments: list[str], tmp_path: Path) -> None:
    assert submit.main(["hidden", "--backend=asnorm", *arguments]) == 0
    first = (tmp_path / "out.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["hidden-U.txt"]
        scores = np.array([float(line) for line in archive.read("hidden-U.txt").decode().splitlines()])
    assert len(scores) == 4
    assert scores[[0, 2]].min() > scores[[1, 3]].max()
    assert submit.main(["hidden", "--backend=asnorm", *arguments]) == 0
    assert (tmp_path / "out.zip").read_bytes() == first


def test_what_is_refused(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names, message in (
        (["hums"], "no such task: got hums, expected hidden"),
        (["hidden", "--backend=x"], "no such"),
    ):
        assert submit.main([*names, *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out.zip").exists()


def test_such_tasks_have_no_row() -> None:
    task = hums.task()
    assert is_scored(task, "strict")
    assert not is_scored(task, "xares")
    assert not is_scored(replace(task, target=replace(task.target, form="unlabelled")), "strict")
