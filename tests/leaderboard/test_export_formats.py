"""Files for other programs against those programs' own readers and published schemas."""

import json
import os
import sys

import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results

from bench.leaderboard.cli import main
from bench.leaderboard.exports.records import build_records
from bench.leaderboard.files import board_json
from bench.types import Failure
from tests.leaderboard.test_board_json import board, encoder_row, score
from tests.leaderboard.test_cli import HOSTILE, saved

CTRF = {  # what ctrf.schema.json requires
    "type": "object",
    "required": ["results", "reportFormat", "specVersion"],
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
        "results": {
            "type": "object",
            "required": ["tool", "summary", "tests"],
            "additionalProperties": False,
            "properties": {
                "tool": {"type": "object", "required": ["name"]},
                "summary": {
                    "type": "object",
                    "required": ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"],
                    "additionalProperties": {"type": "integer"},
                },
                "tests": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "status", "duration"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string", "minLength": 1},
                            "status": {"enum": ["passed", "failed", "skipped", "pending", "other"]},
                            "duration": {"type": "integer"},
                            "suite": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                            "message": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
}


def exported(tmp_path, name, whole=None):
    saved(tmp_path, whole)
    assert main(["export", str(tmp_path), "--format", name, "-o", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def hostile():
    return board([score(encoder=HOSTILE)], encoders=[encoder_row(HOSTILE)])


def test_mteb_reads_each_task(tmp_path):
    out = exported(tmp_path, "mteb")
    whole = board()
    for row in whole.scores:
        path = out / row.encoder / row.fingerprint[:12] / f"{row.task}.json"
        found = json.loads(path.read_text())
        assert found.keys() >= {"dataset_revision", "task_name", "mteb_version", "evaluation_time", "scores"}
        assert (found["task_name"], found["dataset_revision"]) == (row.task, row.data.sha256)
        subset = next(one for one in found["scores"]["test"] if one["hf_subset"] == row.probe)
        assert subset["main_score"] == row.value
        assert isinstance(subset["languages"], list)
        assert json.loads((path.parent / "model_meta.json").read_text())["name"] == row.encoder


def test_hugging_face_reads_the_model_card(tmp_path):
    text = exported(tmp_path, "model-index").read_text()
    assert text.startswith("---\n")
    assert text.endswith("\n---\n")
    (index,) = yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n")).values()
    name, results = model_index_to_eval_results(index)
    assert name == "logmel"
    assert [one.metric_value for one in results] == [row.value for row in board().scores]
    assert {one.dataset_split for one in results} == {"test"}


def test_ctrf_counts_what_failed(tmp_path):
    from jsonschema import Draft7Validator

    whole = board([score(), score("gtzan")])
    rows = (Failure("gtzan", "logmel", "knn", "gate: regression: lost 0.1"), Failure("new", "logmel", "knn", "boom"))
    whole = type(whole)(**{**{name: getattr(whole, name) for name in whole.__slots__}, "failures": rows})
    run = {"started": "2026-01-31T12:00:00+00:00", "finished": "2026-01-31T12:00:10+00:00"}
    run["tests"] = [{"test": "bench/test_quality.py::test_quality[esc50-knn-logmel]", "seconds": 1.5}]
    (tmp_path / "run.json").write_text(json.dumps(run))
    found = json.loads(exported(tmp_path, "ctrf", whole).read_text())
    Draft7Validator(CTRF).validate(found)
    summary, tests = found["results"]["summary"], {one["name"]: one for one in found["results"]["tests"]}
    assert (summary["tests"], summary["passed"], summary["failed"]) == (3, 1, 2)
    assert summary["stop"] - summary["start"] == 10_000
    assert tests["esc50-knn-logmel"]["duration"] == 1500
    assert tests["gtzan-knn-logmel"]["message"] == "gate: regression: lost 0.1"


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    saved(tmp_path)
    assert main(["export", str(tmp_path), "--format", "parquet", "-o", str(tmp_path / "out")]) == 2
    assert 'expected pip install pyarrow (or ".[parquet]")' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parquet_holds_what_the_csv_does(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason='to run it: pip install ".[parquet]"')
    rows = parquet.read_table(exported(tmp_path, "parquet")).to_pylist()
    assert rows == build_records(board())


@pytest.mark.parametrize("name", ["mteb", "ctrf", "model-index", "csv", "markdown", "latex"])
def test_hostile_names_stay_names(name, tmp_path):
    out = exported(tmp_path, name, hostile())
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    assert files
    for path in files:
        assert path.resolve().is_relative_to(tmp_path.resolve())
        assert not set(os.fsdecode(path.name)) & set("<>|$\x1b\n")
        assert "\x1b" not in path.read_text()
        if name in ("mteb", "ctrf"):
            json.loads(path.read_text())
        if name == "model-index":
            assert yaml.safe_load(path.read_text().strip("-\n"))["model-index"][0]["name"].startswith("<script>")


def test_a_board_without_scores_exports(tmp_path):
    empty = board([])
    for name in ("ctrf", "model-index", "csv"):
        assert exported(tmp_path, name, empty).is_file()
        (tmp_path / "out").unlink()
    board_json.read_board(tmp_path / "leaderboard.json")
