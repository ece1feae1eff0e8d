"""The study of the gate's errors, on stored predictions of a toy run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.leaderboard.files.sources import read_answers, read_source
from perf import gate_errors
from tests.helpers import toys
from tests.plugin.test_plugin import arguments

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two encoders on two tasks, four probe seeds."""
    folder = tmp_path_factory.mktemp("gating")
    for name in ("tones", "again"):
        toys.write_dataset(folder / "shards" / name, {"train": 24, "valid": 9, "test": 60})
    told = arguments(folder, folder / "shards", "--encoder=logmel", "--encoder=random_conv", "--seeds=4")
    command = [sys.executable, "-m", "pytest", *told, "-m", "not throughput", "-q"]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "results" / "run"


def shares(line: str) -> dict[str, float]:
    kind, _, found = line.partition(": ")
    assert kind.split(",")[0] in {"seeds", "cousins"}
    return {name: float(value) for name, value in (part.rsplit(" ", 1) for part in found.split(", "))}


@pytest.mark.parametrize("pair", ["seeds", "cousins"])
def test_equals_pass_and_what_is_planted_is_found(pair: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [str(run), "--other", str(run), "--pairs", pair, "--trials", "4", "--seeds", "2", "--drops", "0", "0.4"]
    assert gate_errors.main([*told, "--max-drop", "0.05"]) == 0
    none, much = (shares(line) for line in capsys.readouterr().out.splitlines() if not line.startswith("#"))
    assert none["suites"] == 0
    assert much["suites"] == much["by S"] == 1
    assert much["drop knn"] == pytest.approx(0.4, abs=0.15)
    assert much["error knn"] > 0


def test_a_planted_drop_is_a_share_of_the_clips(run: Path) -> None:
    source = read_source(run)
    (score,) = [s for s in source.board.scores if (s.task, s.encoder, s.probe) == ("tones", "logmel", "knn")]
    answers = gate_errors.sort_and_cluster(read_answers(source, score))  # type: ignore[arg-type]
    assert answers.keys == tuple(sorted(answers.keys))
    half = gate_errors.shuffle_answers(answers, score, seed=0, share=0.5)
    moved = (half.predictions != answers.predictions).mean()
    assert 0.1 < moved < 0.5  # a third of those that are drawn get an answer of their own class
    same = gate_errors.shuffle_answers(answers, score, seed=0, share=0.0)
    assert np.array_equal(same.predictions, answers.predictions)
    assert gate_errors.normalize_answers(score, half) < gate_errors.normalize_answers(score, answers)
