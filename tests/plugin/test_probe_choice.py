"""``--probe``: which rows a run has, and that ridge is scored wherever a linear probe is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.discovery.bundled import find_bundled_tasks
from bench.leaderboard.files import board_json
from bench.leaderboard.files.published_tables import map_probe_to_head
from bench.probes import RidgeProbe
from bench.runs.probe_choice import get_kind, select_probes
from bench.types import Captions, ChoiceError, Events, Transcript, Trials
from tests.plugin.test_plugin import Run, bench, shards  # noqa: F401  (fixtures)

pytest_plugins = ["pytester"]
TASKS = find_bundled_tasks()


def test_no_name_changes_nothing():
    assert select_probes(TASKS, []) is TASKS


def test_ridge_is_offered_by_the_tasks_of_clips_alone():
    chosen = select_probes(TASKS, ["ridge"])
    assert {task.name for task in chosen} == {
        task.name for task in TASKS if not isinstance(task.target, Captions | Events | Transcript | Trials)
    }
    assert all(task.probes == (RidgeProbe(),) for task in chosen)
    assert {task.metric.name for task in chosen} == {"accuracy", "mAP"}


def test_named_probes_are_the_tasks_own():
    chosen = select_probes(TASKS, ["knn", "linear", "ridge"])
    own = {task.name: task.probes for task in TASKS}
    for task in chosen:
        assert tuple(probe for probe in task.probes if get_kind(probe) != "ridge") == own[task.name][:2]
    assert all(get_kind(probe) == "knn" for task in select_probes(TASKS, ["knn"]) for probe in task.probes)


def test_a_name_that_no_task_has_is_refused():
    with pytest.raises(ChoiceError, match=r"no such probe: got svm, expected .*knn, linear, .*ridge"):
        select_probes(TASKS, ["knn", "svm"])


def test_nobody_published_ridge():
    assert (map_probe_to_head("knn"), map_probe_to_head("linear"), map_probe_to_head("ridge")) == ("knn", "mlp", "")


def test_a_run_with_ridge_has_its_rows_and_its_summary(bench: Run, pytester: pytest.Pytester):  # noqa: F811
    result = bench("--encoder=logmel", "--probe=ridge", "--probe=knn", "--seeds=1")
    assert result.ret == 0
    found = board_json.read_board(pytester.path / "results" / "run" / "leaderboard.json")
    rows = {(score.task, score.probe): score for score in found.scores}
    assert set(rows) == {(task, probe) for task in ("again", "tones") for probe in ("knn", "ridge")}
    ridge = rows["tones", "ridge"]
    assert (ridge.seeds, ridge.seed_values) == ((), ())
    assert ridge.value > ridge.chance + 0.3
    assert ridge.predictions == "predictions/tones.logmel.ridge.safetensors"
    summaries = {summary["probe"]: summary for summary in found.summaries}
    assert set(summaries) == {"knn", "ridge"}
    mean = np.mean([rows[task, "ridge"].normalized for task in ("again", "tones")])
    assert summaries["ridge"]["mean"] == pytest.approx(mean)


def test_a_probe_can_be_deselected_by_its_mark(bench: Run, pytester: pytest.Pytester):  # noqa: F811
    bench("--encoder=logmel", "--probe=ridge", "--probe=linear", marks="not linear and not throughput")
    found = board_json.read_board(Path(pytester.path / "results" / "run" / "leaderboard.json"))
    assert {score.probe for score in found.scores} == {"ridge"}


def test_an_unknown_probe_ends_the_run_before_it_begins(bench: Run, pytester: pytest.Pytester):  # noqa: F811
    result = bench("--probe=svm")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no such probe: got svm, expected knn, linear, ridge*"])
