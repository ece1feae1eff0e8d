"""``bench.api``: scores from Python, from any folder, the same as those of ``pytest bench``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench import api
from bench.leaderboard.files import board_json, predictions
from bench.types import BenchError, ChoiceError
from encoders.logmel import logmel
from tests.helpers import toys
from tests.plugin.test_plugin import arguments

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
sys.path.insert(0, {root!r})
from bench.api import score
run = score("logmel", tasks={task!r}, data={data!r}, cache="cache", device="cpu")
run.save("saved")
print(json.dumps([[row.task, row.probe, row.value] for row in run.scores]))
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    toys.write_dataset(folder / "tones")
    return folder


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    folder = tmp_path_factory.mktemp("run")
    task = toys.task_file(folder)
    return api.score("logmel", tasks=task, data=shards, cache=folder / "cache", device="cpu")


def test_numbers_files_and_store_are_those_of_pytest(shards: Path, tmp_path: Path) -> None:
    """In another process and another folder, where nothing of this project lies."""
    task, elsewhere = toys.task_file(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = SCRIPT.format(root=str(ROOT), task=str(task), data=str(shards))
    inner = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONPATH"))}
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=inner, capture_output=True, text=True, check=True
    )
    stored = {path: path.stat().st_mtime_ns for path in (elsewhere / "cache").rglob("*.safetensors")}
    assert stored
    more = ["-m", "not throughput", "--encoder=logmel", f"--cache={elsewhere / 'cache'}"]
    command = [one for one in arguments(tmp_path, shards, *more) if "again_task" not in one]
    subprocess.run([sys.executable, "-m", "pytest", *command], cwd=tmp_path, env=inner, check=True, capture_output=True)
    theirs, ours = tmp_path / "results" / "run", elsewhere / "saved"
    assert (theirs / "leaderboard.json").read_bytes() == (ours / "leaderboard.json").read_bytes()
    files = sorted(path.name for path in (theirs / "predictions").iterdir())
    assert files == sorted(path.name for path in (ours / "predictions").iterdir())
    for name in files:
        assert (theirs / "predictions" / name).read_bytes() == (ours / "predictions" / name).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in (elsewhere / "cache").rglob("*.safetensors")} == stored
    board = board_json.read_board(theirs / "leaderboard.json")
    assert json.loads(out.stdout) == [[row.task, row.probe, row.value] for row in board.scores]


def test_embeddings_have_keys_and_targets(run: api.Run) -> None:
    embeddings = run.embeddings("tones")
    n = sum(toys.SPLIT_SIZES.values())
    assert isinstance(embeddings.vectors, np.ndarray)
    assert embeddings.vectors.shape == (n, logmel.load("cpu").output_dim)
    assert len(embeddings.keys) == len(set(embeddings.keys)) == len(embeddings.targets) == n
    assert set(embeddings.targets.tolist()) == {0, 1, 2}
    with pytest.raises(ChoiceError, match=r"no such task in this run.*tones"):
        run.embeddings("tunes")


def test_a_board_is_read_back(run: api.Run, tmp_path: Path) -> None:
    run.save(tmp_path / "saved")
    again = api.load(tmp_path / "saved")
    assert again.scores == run.scores
    assert api.load(tmp_path / "saved" / "leaderboard.json").summaries == run.summaries
    for row in again.scores:
        assert (tmp_path / "saved" / row.predictions).is_file()
        answers = again.read_answers(row)
        assert np.array_equal(
            answers.predictions, predictions.read_predictions(tmp_path / "saved" / row.predictions).predictions
        )
    assert "logmel" in str(again)


@pytest.mark.parametrize("form", ["spec", "object", "class"])
def test_an_encoder_in_any_form_gives_the_same_values(form: str, run: api.Run, shards: Path, tmp_path: Path) -> None:
    class Ear:
        def __new__(cls) -> object:  # type: ignore[misc]
            return logmel.load("cpu")

    encoder = {"spec": logmel, "object": logmel.load("cpu"), "class": Ear}[form]
    task = toys.task()
    got = api.score(encoder, tasks=task, data=shards, cache=tmp_path, device="cpu", probes="knn", name="ear")
    (row,) = got.scores
    (known,) = [score for score in run.scores if score.probe == "knn"]
    assert (row.encoder, row.probe) == ("ear", "knn")
    assert (row.value, row.ci95) == (known.value, known.ci95)
    assert row.fingerprint == known.fingerprint


def test_a_case_that_fails_is_a_failure_and_the_rest_is_scored(shards: Path, tmp_path: Path) -> None:
    missing = toys.task(name="missing")
    run = api.score("logmel", tasks=[toys.task(), missing], data=shards, cache=tmp_path, device="cpu", seeds=1)
    assert {row.task for row in run.scores} == {"tones"}
    assert {row.task for row in run.failures} == {"missing"}
    assert all(", expected " in row.error for row in run.failures)


def test_a_bundled_name_selects_from_the_suite(shards: Path, tmp_path: Path) -> None:
    """As -k does: the summary says what it lacks, and nothing outside the selection is computed."""
    run = api.score("logmel", tasks="esc50", data=shards, cache=tmp_path, device="cpu", seeds=1)
    assert {row.task for row in run.failures} == {"esc50"}
    assert all(summary["weighted"] is None and len(summary["missing"]) > 1 for summary in run.summaries)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "esc5"}, "no such task.*esc50"),
        ({"protocol": "lax"}, "unknown protocol.*strict"),
        ({"suite": "huge"}, "unknown suite.*mini"),
        ({"precision": "fp8"}, "unknown precision.*fp32"),
        ({"device": "tpu"}, "no such device.*cpu"),
        ({"probes": ["svm"]}, "no such probe.*knn"),
    ],
)
def test_a_wrong_value_lists_the_choices(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match=message):
        api.score("logmel", cache=tmp_path, **options)  # type: ignore[arg-type]


def test_without_pandas_it_says_so(run: api.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BenchError, match="pip install pandas"):
        run.to_pandas()


def test_rows_of_a_table_are_flat(run: api.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    rows = run.to_pandas()
    assert [row["value"] for row in rows] == [score.value for score in run.scores]
    assert all(row["ci95_low"] <= row["value"] <= row["ci95_high"] for row in rows)
    assert all(not isinstance(value, dict) for row in rows for value in row.values())
    assert rows[0]["data.synthetic"] is False
