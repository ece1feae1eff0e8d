"""``pytest bench`` from outside, as a user runs it: serial, parallel, reversed, killed, interrupted, misused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.leaderboard.files import board_json, predictions
from tests.helpers import toys

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    toys.write_dataset(folder / "tones")
    toys.write_dataset(folder / "again")
    return folder


def arguments(folder: Path, shards: Path, *more: str, name: str = "run") -> list[str]:
    files = [toys.task_file(folder, task) for task in ("tones", "again")]
    return [
        str(ROOT / "bench"),
        f"--rootdir={ROOT}",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "no:cacheprovider",
        f"--tasks={files[0]}",
        f"--tasks={files[1]}",
        f"--data={shards}",
        f"--results={folder / 'results'}",
        f"--run-name={name}",
        "--device=cpu",
        *([] if any(one.startswith("--cache") for one in more) else [f"--cache={folder / name}-cache"]),
        *more,
    ]


@pytest.fixture
def bench(pytester: pytest.Pytester, shards: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``pytest bench`` on the toy tasks in a process of its own; quality tests alone unless told otherwise."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{pytester.path}")
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)  # these tests may run in a worker themselves

    def run(*more: str, name: str = "run", marks: str = "not throughput") -> pytest.RunResult:
        return pytester.runpytest_subprocess(*arguments(pytester.path, shards, "-m", marks, *more, name=name))

    return run


def board(pytester: pytest.Pytester, name: str = "run") -> bytes:
    return (pytester.path / "results" / name / "leaderboard.json").read_bytes()


def test_a_run_leaves_its_files_and_its_table(bench: Run, pytester: pytest.Pytester) -> None:
    result = bench("--encoder=logmel", marks="")
    result.assert_outcomes(passed=10)  # two tasks, two probes; six loads
    result.stdout.fnmatch_lines(
        ["*otoscope: suite full, protocol strict*", "*tones*logmel*knn*accuracy*1.000*", "files: *"]
    )
    folder = pytester.path / "results" / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        "benchmark.json",
        "digests",
        "leaderboard.json",
        "predictions",
        "report.html",
        "run.json",
    ]
    read = board_json.read_board(folder / "leaderboard.json")
    assert [(score.task, score.probe) for score in read.scores] == [
        ("again", "knn"),
        ("again", "linear"),
        ("tones", "knn"),
        ("tones", "linear"),
    ]
    assert all(summary["missing"] == [] for summary in read.summaries)
    for score in read.scores:
        stored = predictions.read_predictions(folder / score.predictions)
        assert (stored.predictions == stored.targets).mean() == pytest.approx(score.value)
    run = json.loads((folder / "run.json").read_text())
    assert len(run["throughput"]) == 6
    assert all(row["audio_seconds_per_second"] > 0 for row in run["throughput"])
    assert {"torch", "numpy", "python"} <= set(run["versions"])


def test_the_same_bytes_however_run(bench: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "backwards.py").write_text("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    bench().assert_outcomes(passed=8)
    bench("-p", "backwards", name="reversed").assert_outcomes(passed=8)
    parallel = bench("-n2", name="parallel")
    parallel.assert_outcomes(passed=8)
    parallel.stdout.fnmatch_lines(["throughput is not measured under -n*"])
    assert board(pytester) == board(pytester, "reversed") == board(pytester, "parallel")
    bench("-n2", "--decoders=1", name="decoders").assert_outcomes(passed=8)
    assert board(pytester) == board(pytester, "decoders")
    first, second = (pytester.path / "results" / name / "predictions" for name in ("run", "parallel"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_the_same_bytes_whether_decoded_audio_is_kept_or_not(bench: Run, pytester: pytest.Pytester) -> None:
    bench("--encoder=logmel").assert_outcomes(passed=4)
    cache = pytester.path / "kept"
    bench("--encoder=logmel", "--pcm-cache", "-n2", f"--cache={cache}", name="keeps").assert_outcomes(passed=4)
    kept = sorted(path.name for path in (cache / "audio").glob("*.tar"))
    assert len(kept) == 4  # train, valid and test of one task, whose shards the other one has, too
    shutil.rmtree(cache / "embeddings")
    bench("--encoder=logmel", "--pcm-cache", f"--cache={cache}", name="reads").assert_outcomes(passed=4)
    assert sorted(path.name for path in (cache / "audio").glob("*.tar")) == kept
    assert board(pytester) == board(pytester, "keeps") == board(pytester, "reads")


def test_a_page_that_cannot_be_written_is_told_and_costs_nothing_else(bench: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "results" / "run" / "report.html").mkdir(parents=True)
    result = bench("--encoder=logmel", "-k", "tones and knn")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*tones*logmel*knn*", "otoscope: no report.html: cannot write*"])
    assert board(pytester)


def test_both_protocols_and_what_lies_between(bench: Run, pytester: pytest.Pytester) -> None:
    """Two leaderboards, never one: each as if its protocol had run alone, whatever the number of workers."""
    cache = f"--cache={pytester.path / 'cache'}"
    both = bench("--encoder=logmel", "--protocol=both", cache, name="both")
    both.assert_outcomes(passed=8)
    both.stdout.fnmatch_lines(["*protocol strict and xares*", "protocol strict", "protocol xares", "*difference"])
    both.stdout.re_match_lines([r"tones +logmel +knn +accuracy +[01]\.\d{3} +[01]\.\d{3} +[+-]0\.\d{3}"])
    both.stdout.fnmatch_lines(["files: */leaderboard.json, leaderboard.xares.json, *"])
    bench("--encoder=logmel", "--protocol=both", "-n2", name="parallel").assert_outcomes(passed=8)
    alone = bench("--encoder=logmel", "--protocol=xares", "-k", "xares", cache, name="alone")
    alone.assert_outcomes(passed=4)
    bench("--encoder=logmel", cache, name="strict").assert_outcomes(passed=4)
    folder = pytester.path / "results"
    files = {name: (folder / name / "leaderboard.xares.json") for name in ("both", "parallel")}
    assert board(pytester, "both") == board(pytester, "parallel") == board(pytester, "strict")
    assert files["both"].read_bytes() == files["parallel"].read_bytes() == board(pytester, "alone")
    assert not (folder / "alone" / "leaderboard.xares.json").exists()
    page = (folder / "both" / "report.html").read_text()
    assert all(f'"label":"{name}"' in page for name in ("both", "both/leaderboard.xares.json"))
    strict, published = (
        board_json.read_board(folder / "both" / "leaderboard.json"),
        board_json.read_board(files["both"]),
    )
    assert {score.protocol for score in published.scores} == {"xares"} == {published.protocol}
    assert len(published.scores) == len(strict.scores) == 4
    for score in (*strict.scores, *published.scores):
        assert len(predictions.read_predictions(folder / "both" / score.predictions).keys) == score.n


def test_a_failure_is_one_row_of_its_protocol(bench: Run, pytester: pytest.Pytester) -> None:
    """An encoder that cannot take a batch: strict encodes clip by clip, X-ARES cannot."""
    then = "assert len(audio) == 1, 'one clip at a time'"
    single = toys.encoder_file(pytester.path, "Single", then=then)
    result = bench(f"--encoder={single}", "--protocol=both", "-k", "tones")
    result.assert_outcomes(passed=2, failed=2, deselected=10)
    folder = pytester.path / "results" / "run"
    strict, published = (
        board_json.read_board(folder / name) for name in ("leaderboard.json", "leaderboard.xares.json")
    )
    assert (len(strict.scores), len(strict.failures)) == (2, 0)
    assert (len(published.scores), len(published.failures)) == (0, 2)
    assert all("one clip at a time" in row.error for row in published.failures)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_case_that_kills_its_process_costs_one_row(workers: str, bench: Run, pytester: pytest.Pytester) -> None:
    if workers == "-n0":
        killer = toys.encoder_file(pytester.path, "Killer", then="raise MemoryError('too big')")
    else:
        killer = toys.encoder_file(pytester.path, "Killer", then="import os; os._exit(3)")
    result = bench(f"--encoder={killer}", "--encoder=logmel", workers)
    assert result.ret == 1
    result.assert_outcomes(passed=4, **({"errors": 0, "failed": 4}))
    read = board_json.read_board(pytester.path / "results" / "run" / "leaderboard.json")
    assert {score.encoder for score in read.scores} == {"logmel"}
    assert len(read.scores) == 4
    assert len(read.failures) == 4
    assert all("too big" in row.error or "crashed" in row.error for row in read.failures)
    by_encoder = {summary["encoder"]: summary for summary in read.summaries}
    assert by_encoder["logmel"]["mean"] is not None
    assert by_encoder["KillerEncoder"]["mean"] is None
    assert by_encoder["KillerEncoder"]["missing"] == ["again", "tones"]


def started(arguments_: list[str], cwd: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments_],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heeding_ctrl_c,  # noqa: PLW1509  (there are no other threads here)
    )


def heeding_ctrl_c() -> None:
    """A job in a shell's background inherits a SIGINT that is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_an_interruption_the_next_run_goes_on_and_ends_with_the_same_bytes(
    how: signal.Signals, bench: Run, pytester: pytest.Pytester, shards: Path
) -> None:
    slow = toys.encoder_file(pytester.path, "Slow", then="__import__('time').sleep(0.02)")
    cache = f"--cache={pytester.path / 'cache'}"
    stored = pytester.path / "cache" / "embeddings"
    arguments_ = arguments(pytester.path, shards, "-m", "not throughput", f"--encoder={slow}", cache, name="first")
    process = started(arguments_, pytester.path)
    deadline = time.monotonic() + 180
    while len(list(stored.rglob("*.safetensors"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    if how is signal.SIGKILL:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how is signal.SIGKILL else pytest.ExitCode.INTERRUPTED)
    kept = {path: path.stat().st_mtime_ns for path in stored.rglob("*.safetensors")}
    assert 2 <= len(kept) < 8
    bench(f"--encoder={slow}", cache, name="second").assert_outcomes(passed=4)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list((pytester.path / "cache").rglob("*.tmp"))
    bench(f"--encoder={slow}", name="clean").assert_outcomes(passed=4)
    assert board(pytester, "second") == board(pytester, "clean")


def test_two_runs_share_a_cache(pytester: pytest.Pytester, shards: Path) -> None:
    cache = f"--cache={pytester.path / 'cache'}"
    runs = [
        started(arguments(pytester.path, shards, "-m", "not throughput", cache, name=name), pytester.path)
        for name in ("one", "two")
    ]
    for process in runs:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
    assert board(pytester, "one") == board(pytester, "two")


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("--encoder=nosuch", "encoder: got 'nosuch', expected one of"),
        ("--suite=huge", "choices: mini, full"),
        ("--protocol=lax", "choices: strict, xares, both"),
        ("--precision=int4", "choices: fp32, bf16, fp16"),
        ("--device=tpu", "choices: auto, cpu, cuda, cuda:N, mps"),
        ("--device=cuda:99", "expected cpu"),
        ("--decoders=many", "'many' is not a whole number of at least 0"),
        ("--seeds=0", "at least 1"),
        ("--tasks=nowhere.py", "no such file"),
        ("--data=nowhere", "no such folder"),
        ("--mirror=nowhere", "expected hf or OWNER/REPO[@REVISION]"),
        ("--mirror=a/b:c", "names a folder"),
        ("--encoder=nowhere.py", "nowhere.py"),
        ("--text-encoder=./nowhere", "no such folder"),
        ("--text-encoder=some/encoder", "expected a task with captions"),
        ("--suite=mini", "no task has a synthetic version"),
    ],
)
def test_a_wrong_value_exits_4_and_lists_the_choices(option: str, choices: str, bench: Run) -> None:
    result = bench(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert choices in result.stderr.str() + result.stdout.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize("how", ["-n0", "-n2"])
def test_one_thread_for_each_operation_of_numpy_and_scipy(
    how: str, bench: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of torch's: else workers would fight for the cores, and sums would depend on how many there are."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    there = "import threadpoolctl, numpy, scipy.linalg; blas = threadpoolctl.threadpool_info()"
    asked = "assert {one['num_threads'] for one in blas if one['user_api'] == 'blas'} == {1}, blas"
    encoder = toys.encoder_file(pytester.path, then=f"{there}; {asked}")
    bench(f"--encoder={encoder}", "-k", "tones and knn", how).assert_outcomes(passed=1)


def test_measuring_nothing_is_said(bench: Run) -> None:
    result = bench("--encoder=logmel", "--benchmark-disable", marks="throughput")
    result.assert_outcomes(skipped=6, deselected=4)
    result.stdout.fnmatch_lines(["*nothing was scored*"])
    assert result.ret != 0


def test_selecting_nothing_is_not_green(bench: Run, pytester: pytest.Pytester) -> None:
    assert bench("-k", "nosuchtask").ret != 0
    assert not (pytester.path / "results").exists()
    assert bench("-k", "nosuchtask", "-n2").ret != 0


def test_selecting_some_is_said_to_be_incomplete(bench: Run, pytester: pytest.Pytester) -> None:
    result = bench("-k", "tones", "--encoder=logmel", marks="music and knn")
    result.assert_outcomes(passed=1, deselected=9)
    read = board_json.read_board(pytester.path / "results" / "run" / "leaderboard.json")
    assert [score.task for score in read.scores] == ["tones"]
    summaries = {summary["probe"]: summary for summary in read.summaries}
    assert summaries["knn"]["missing"] == ["again"]
    assert summaries["knn"]["weighted"] is None


def test_bad_data_is_one_line_and_one_row(bench: Run, pytester: pytest.Pytester) -> None:
    broken = pytester.path / "broken"
    toys.write_dataset(broken / "tones")
    toys.write_dataset(broken / "again", {"train": 24, "valid": 9})
    result = bench(f"--data={broken}", "--encoder=logmel")
    result.assert_outcomes(passed=2, failed=2)
    assert "Traceback" not in result.stdout.str()
    read = board_json.read_board(pytester.path / "results" / "run" / "leaderboard.json")
    assert {score.task for score in read.scores} == {"tones"}
    assert all(row.error.startswith("no shard found: got [") for row in read.failures)


def test_lists(bench: Run) -> None:
    result = bench("--list-encoders")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*logmel*", "*random_conv*"])
    result = bench("--list-tasks")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["tones *music*", "again *music*"])


def test_the_plugin_stays_out_of_other_runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest('pytest_plugins = ["bench.plugin"]')
    pytester.makepyfile("def test_ok():\n    import sys\n    assert 'torch' not in sys.modules\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert "otoscope" not in result.stdout.str()


def test_private_tasks_without_shards_are_left_out_unless_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (pytester.path / "env").mkdir()
    common = [
        str(ROOT / "bench"),
        f"--rootdir={ROOT}",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-pno:cacheprovider",
        f"--data={pytester.path / 'env'}",
        f"--cache={pytester.path / 'cache'}",
        "--encoder=constant",
        "--offline",
    ]
    listed = pytester.runpytest_subprocess(*common, "--collect-only", "-q")
    assert "esc50-knn-constant" in listed.stdout.str()
    assert "liveenv-" not in listed.stdout.str()
    named = pytester.runpytest_subprocess(*common, "-k", "liveenv", "-m", "linear")
    named.assert_outcomes(failed=1, deselected=named.parseoutcomes()["deselected"])
    named.stdout.fnmatch_lines(
        [
            "otoscope: private tasks without shards in --data are left out: finger_snap, *subway_broadcast",
            "not scored: liveenv, constant, linear: *",
        ]
    )
