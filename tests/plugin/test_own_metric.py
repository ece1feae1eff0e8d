"""A task with a metric and a domain of its own: scored, verified, compared, ranked, gated and shown on the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.leaderboard.files import board_json
from tests.helpers import toys
from tests.plugin.test_plugin import ROOT, arguments

pytest_plugins = ["pytester"]
TASK_FILE = """
import numpy as np

from bench.probes import KNN
from bench.types import ClassLabel, Metric, ShardSet, Splits, Task


def compute_macro_f1(targets, predictions):
    values = []
    for label in np.unique(targets):
        hits = np.sum((targets == label) & (predictions == label))
        values.append(2 * hits / (np.sum(targets == label) + np.sum(predictions == label)))
    return float(np.mean(values))


macro_f1 = Metric("macro-F1", compute=compute_macro_f1, chance=lambda targets, n_classes: 1 / n_classes)

owls = Task(
    name="owls",
    domain="bioacoustics",
    shards=ShardSet({split: f"{split}_*.tar" for split in ("train", "valid", "test")}),
    split=Splits(),
    target=ClassLabel("label", ("low", "middle", "high")),
    metric=macro_f1,
    probes=(KNN(k=3),),
    cluster="speaker",
)
"""


def run_command(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.leaderboard", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_task_with_its_own_metric_and_domain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{pytester.path}")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    shards = pytester.path / "shards"
    for task in ("owls", "tones", "again"):
        toys.write_dataset(shards / task)
    file = pytester.path / "owls.py"
    file.write_text(TASK_FILE)
    toy = toys.encoder_file(pytester.path)
    common = ("-m", "bioacoustics and not throughput", f"--tasks={file}", f"--cache={pytester.path / 'cache'}")
    both = arguments(pytester.path, shards, *common, "--encoder=logmel", f"--encoder={toy}")
    pytester.runpytest_subprocess(*both).assert_outcomes(passed=2, deselected=20)

    run = pytester.path / "results" / "run"
    text = (run / "leaderboard.json").read_text()
    board = board_json.from_json(text)  # which validates it against the schema
    assert board_json.to_json(board) == text
    assert {(score.task, score.metric, score.domain) for score in board.scores} == {
        ("owls", "macro-F1", "bioacoustics")
    }
    (summary,) = [own for own in board.summaries if (own["encoder"], own["probe"]) == ("logmel", "knn")]
    assert "bioacoustics" in summary["domains"]
    assert "bioacoustics" in (run / "report.html").read_text()

    tasks = ("--tasks", file)
    done = run_command("verify", run, *tasks)
    assert (done.returncode, "all as stored" in done.stdout) == (0, True), done
    second = next(score.encoder for score in board.scores if score.encoder != "logmel")
    done = run_command("compare", run, run, "--first", "logmel", "--second", second, *tasks)
    assert (done.returncode, "owls" in done.stdout) == (0, True), done
    done = run_command("rank", run, *tasks)
    assert (done.returncode, "logmel" in done.stdout) == (0, True), done

    for words in (("compare", run, run, "--first", "logmel", "--second", second), ("rank", run)):
        done = run_command(*words)
        assert done.returncode == 2
        assert "unknown metric: got 'macro-F1', expected --tasks FILE" in done.stderr
    done = run_command("verify", run)
    assert (done.returncode, "--tasks FILE" in done.stdout) == (1, True)

    gated = arguments(pytester.path, shards, *common, "--encoder=logmel", f"--baseline={run}", name="gated")
    result = pytester.runpytest_subprocess(*gated)
    result.assert_outcomes(passed=1, deselected=10)
    verdicts = json.loads((pytester.path / "results" / "gated" / "gate.json").read_text())["verdicts"]
    assert {verdict["status"] for verdict in verdicts} == {"passed"}


def test_commands_with_a_file_of_tasks_that_cannot_be_loaded(tmp_path: Path) -> None:
    done = run_command("verify", tmp_path, "--tasks", tmp_path / "absent.py")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
