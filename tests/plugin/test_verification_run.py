"""``pytest bench`` on a verification task and one of identification: selected, scored, verified, told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.leaderboard import cli
from tests.helpers import verification_toys as hums

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
FILE = """
from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, ShardSet, Splits, Task
from tests.helpers import verification_toys as hums

who = Task(
    name="hums_tongue",
    domain="speech",
    shards=ShardSet({"train": "train_*.tar", "test": "test_*.tar"}, folder="hums"),
    split=Splits(valid=None),
    target=ClassLabel("language", hums.LANGUAGES),
    metric=accuracy,
    probes=(LinearProbe(epochs=2), KNN(k=3)),
)
pairs = hums.task()
"""
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{pytester.path}")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)
    folder = pytester.path
    hums.write(folder / "shards/hums")
    (folder / "hums_task.py").write_text(FILE)
    where = [f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    what = [f"--tasks={folder / 'hums_task.py'}", f"--data={folder / 'shards'}", f"--cache={folder / 'cache'}"]
    how = [f"--results={folder / 'results'}", "--device=cpu", "--encoder=tests.helpers.verification_toys:Oracle"]

    def run(*more: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(str(ROOT / "bench"), *where, *what, *how, *more)

    return run


def test_a_run(bench: Run, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    result = bench("--run-name=run", "-m", "not throughput")
    assert result.ret == 0
    run = pytester.path / "results/run"
    board = json.loads((run / "leaderboard.json").read_text())
    rows = {(row["task"], row["probe"]): row for row in board["scores"]}
    backends = [probe.name for probe in hums.task().probes]
    assert sorted(rows) == sorted(
        [("hums", name) for name in backends] + [("hums_tongue", p) for p in ("knn", "linear")]
    )
    assert rows["hums", "cosine"]["metric"] == "EER"
    assert set(rows["hums", "cosine"]["secondary"]) == {"minDCF(0.01)", "minDCF(0.05)", "Cllr", "minCllr"}
    summaries = {summary["probe"]: summary for summary in board["summaries"]}
    assert summaries["linear"]["tasks"] == 1  # trials are in no summary of identification
    assert summaries["cosine"]["weighted"] is None
    assert cli.main(["verify", str(run)]) == 0
    proof = run / rows["hums", "asnorm"]["predictions"]
    assert cli.main(["trials", str(proof), "--highest=3", f"--det={run / 'det.csv'}"]) == 0
    told = capsys.readouterr().out
    assert "different language in targets, same in non-targets" in told
    assert "top_n 24" in told
    assert "cohort_size 36" in told
    assert "embedded whole" in told
    assert len([line for line in told.splitlines() if line.startswith("test")]) == 3
    points = (run / "det.csv").read_text().splitlines()
    assert (points[0], points[1], points[-1]) == ("miss,false_alarm", "1,0", "0,1")
    assert cli.main(["trials", str(run / rows["hums_tongue", "knn"]["predictions"])]) == 2


@pytest.mark.parametrize(
    ("chosen", "probes"),
    [
        (("-k", "verification", "-m", "not linear"), 5),
        (("-m", "verification and cosine"), 3),
        (("--protocol=xares", "-m", "not throughput"), 2),
    ],
)
def test_selection(bench: Run, chosen: tuple[str, ...], probes: int) -> None:
    result = bench("--collect-only", "-q", *chosen)
    assert sum("test_quality[" in line for line in result.outlines) == probes


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (("-k", "voxceleb"), {"voxceleb1-linear", "voxceleb1-knn", "voxceleb1_verification-cosine"}),
        (("-k", "verification", "-m", "not linear"), {"voxceleb1_verification-cosine", "tidyvoice-plda"}),
    ],
)
def test_the_embedded_suite_has_them(pytester: pytest.Pytester, chosen: tuple[str, ...], expected: set[str]) -> None:
    where = [str(ROOT / "bench"), f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    result = pytester.runpytest_subprocess(*where, "--encoder=logmel", "--collect-only", "-q", *chosen)
    found = {line.partition("[")[2].removesuffix("-logmel]") for line in result.outlines if "test_quality[" in line}
    assert expected <= found
    assert not any(name.endswith("linear") for name in found) or "voxceleb" in chosen
