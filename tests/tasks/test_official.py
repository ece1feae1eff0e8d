"""The whole full suite without a network: tiny shards at the published names, through ``pytest bench`` to a summary."""

from __future__ import annotations

import math
import os
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bench.datasets.dataset import list_splits
from bench.discovery.bundled import find_bundled_tasks
from bench.leaderboard.files import board_json
from bench.types import Task
from tests.helpers import toys
from tests.helpers.hub import write_hub
from tests.helpers.official import SIDECARS, shard_name, write_official

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
TASKS = [
    task for task in find_bundled_tasks() if task.shards.corpus is None
]  # the others: tests/datasets/test_corpora.py
PUBLIC = [task for task in TASKS if not task.private]
PRIVATE = [task for task in TASKS if task.private and task.name != "subway_broadcast"]  # that one trains on its test


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_pattern_has_a_name_of_its_own(task: Task) -> None:
    assert type(task.target) in SIDECARS, "say in tests/helpers/official.py how its sidecar is written"
    for pattern in {task.shards.patterns[name] for name in list_splits(task)}:
        shard = shard_name(pattern).format(index=3)
        assert [other for other in set(task.shards.patterns.values()) if fnmatch(shard, other)] == [pattern]


def test_an_unknown_target_says_what_to_add(tmp_path: Path) -> None:
    task = toys.task(name="novel", target=str)
    with pytest.raises(pytest.fail.Exception, match=r"novel: say in SIDECARS"):
        write_official(tmp_path, [task])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache, made before ``pytester``: it forgets modules imported meanwhile, and torch's cannot come twice."""
    return write_hub(tmp_path_factory.mktemp("hub"))


def test_every_public_task_of_the_full_suite_is_scored(
    hub: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HF_HOME", str(hub))
    env = write_official(pytester.path / "env", [*PUBLIC, *PRIVATE])
    result = pytester.runpytest_subprocess(
        str(ROOT / "bench"),
        f"--rootdir={ROOT}",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-pno:cacheprovider",
        "--suite=full",
        f"--data={env}",
        "--offline",
        f"--encoder={toys.encoder_file(pytester.path)}",
        f"--cache={pytester.path / 'cache'}",
        f"--results={pytester.path / 'results'}",
        "--run-name=run",
        "--device=cpu",
        "--seeds=1",
        "-mnot throughput",
    )
    asked = {(task.name, probe.name) for task in (*PUBLIC, *PRIVATE) for probe in task.probes}
    result.assert_outcomes(passed=len(asked), deselected=result.parseoutcomes().get("deselected", 0))
    result.stdout.fnmatch_lines(["otoscope: private tasks without shards in --data are left out: subway_broadcast"])
    board = board_json.read_board(pytester.path / "results" / "run" / "leaderboard.json")
    assert {(score.task, score.probe) for score in board.scores} == asked
    for score in board.scores:
        assert all(math.isfinite(value) for value in (score.value, score.chance, *score.ci95)), score.task
        assert score.ci95[0] <= score.ci95[1]
        assert score.n > 0
        assert score.suite == "full"
        assert not score.data.synthetic
        assert score.private == (score.task in {task.name for task in PRIVATE})
    for summary in board.summaries:
        own = [task for task in PUBLIC if summary["probe"] in {probe.name for probe in task.probes}]
        rows = [s for s in board.scores if s.probe == summary["probe"] and not s.private]
        assert (summary["missing"], summary["tasks"]) == ([], len(own))
        total = sum(task.weight for task in own)
        assert summary["weighted"] == pytest.approx(sum(s.weight * s.normalized for s in rows) / total)
    folders = {path.name for path in env.iterdir()}
    assert {"librispeech", "nsynthinstument"} <= folders
    assert not {"librispeechmalefemale", "nsynthpitch"} & folders
