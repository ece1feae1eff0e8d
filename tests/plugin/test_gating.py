"""``pytest bench --baseline`` from outside: what fails, what passes, what is told, and with which exit code."""

import json
import os
import re
from pathlib import Path

import pytest

from bench.leaderboard.files import board_json
from tests.helpers import toys

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PASS, FAIL, USAGE = 0, 1, 4
THEN = {
    "good": "pass",
    "bad": "output = output * 0 + 1",
    "near": "output = output.flip(-1)",
    "slow": "import time; time.sleep(0.05)",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    for name in ("tones", "again"):
        toys.write_dataset(folder / "shards" / name, {"train": 24, "valid": 9, "test": 48})
    for name, then in THEN.items():
        toys.encoder_file(folder, name.title(), then=then)
    return folder


@pytest.fixture
def bench(place, pytester, monkeypatch):
    """Run ``pytest bench`` on the toy tasks in a process of its own; all runs share a cache and a results folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)

    def run(encoder, *more, name, tasks=("tones", "again")):
        return pytester.runpytest_subprocess(
            *(str(ROOT / "bench"), f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"),
            *(f"--tasks={toys.task_file(place, task)}" for task in tasks),
            *(f"--data={place / 'shards'}", f"--results={place}", f"--run-name={name}", f"--cache={place / 'cache'}"),
            *("--device=cpu", f"--encoder={place / encoder}.py"),
            *([] if "-m" in more else ["-m", "not throughput"]),
            *more,
        )

    if not (place / "main").exists():
        assert run("good", name="main").ret == PASS
    return run


def verdicts(folder):
    found = json.loads((folder / "gate.json").read_text())["verdicts"]
    return {(one["task"], one["probe"]): one["status"] for one in found}


@pytest.fixture(params=[(), ("-n2",)], ids=["serial", "xdist"])
def workers(request):
    return request.param


def test_what_passes_and_what_is_too_small_to_be_seen(bench, place, workers):
    """The near encoder's features are the good one's in another order: equal for kNN, not for a linear probe."""
    name = f"near{len(workers)}"
    done = bench("near", f"--baseline={place / 'main'}", *workers, name=name)
    assert done.ret == PASS
    done.assert_outcomes(passed=4)
    done.stdout.re_match_lines(["tones, NearEncoder, linear: cannot detect less than .*: lost .*, allowed 0.01"])
    done.stdout.fnmatch_lines(["gate: 4 passed, 2 undetectable; allowed drop 0.01"])
    found = verdicts(place / name)
    assert {status for (_, probe), status in found.items() if probe == "knn"} == {"passed"}
    assert found["tones", "linear"] == found["again", "linear"] == "undetectable"
    assert board_json.read_board(place / name / "leaderboard.json").failures == ()


def test_everything_that_fails(bench, place, workers):
    """A regression, a task of another version and one that is missing: each has a line and a row of its own."""
    name = f"bad{len(workers)}"
    done = bench("bad", f"--baseline={altered(place, 'mixed', again={'version': 9}, also='gone')}", *workers, name=name)
    assert done.ret == FAIL
    done.assert_outcomes(failed=3, passed=1)
    done.stdout.fnmatch_lines(["gate: regression: lost 0.* against GoodEncoder, allowed 0.01, p *"])
    done.stdout.fnmatch_lines(["again, BadEncoder, knn: incomparable: version of the task differs: no comparison: *"])
    done.stdout.fnmatch_lines(["gone, BadEncoder, knn: missing: in the baseline, not in this run"])
    done.stdout.fnmatch_lines(["gate: 4 incomparable, 2 missing, 1 regression, 1 undetectable; allowed drop 0.01"])
    board = board_json.read_board(place / name / "leaderboard.json")
    assert len(board.scores) == 4  # a score that the gate finds fault with is a score
    failed = [(row.task, row.probe, row.error.split(": ")[1]) for row in board.failures]
    assert failed == [
        *(("S", probe, "incomparable") for probe in ("knn", "linear")),
        *(("again", probe, "incomparable") for probe in ("knn", "linear")),
        *(("gone", probe, "missing") for probe in ("knn", "linear")),
        ("tones", "knn", "regression"),
    ]
    if workers:
        for file in ("leaderboard.json", "gate.json"):
            assert (place / name / file).read_bytes() == (place / "bad0" / file).read_bytes()


def test_a_gate_on_the_summary_fails_no_test(bench, place):
    done = bench("bad", f"--baseline={place / 'main' / 'leaderboard.json'}", "--gate=summary", name="summary")
    assert done.ret == FAIL
    done.assert_outcomes(passed=4)
    done.stdout.fnmatch_lines(["S, BadEncoder, knn: regression: lost 0.*"])
    found = verdicts(place / "summary")
    assert found.keys() == {("S", "knn"), ("S", "linear")}


def test_a_missing_task_fails_unless_deselected(bench, place):
    done = bench("good", f"--baseline={place / 'main'}", name="less", tasks=["tones"])
    assert done.ret == FAIL
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["again, GoodEncoder, knn: missing: in the baseline, not in this run"])
    for chosen in (["-k", "tones"], ["-k", "not again and knn"]):
        done = bench("good", f"--baseline={place / 'main'}", *chosen, name="less", tasks=["tones"])
        assert done.ret == PASS
        assert "missing" not in done.stdout.str(), chosen


def altered(place, name, *, again=None, also=None, **changes):
    """A copy of the baseline with other words in it, in rows of the task ``again`` too, and one more task."""
    folder = place / name
    folder.mkdir(exist_ok=True)
    document = json.loads((place / "main" / "leaderboard.json").read_text())
    for score in document["scores"]:
        score.update({key: value for key, value in changes.items() if key in score and key != "data"})
        score["data"].update(changes.get("data", {}))
        score.update(again if again and score["task"] == "again" else {})
    if also:
        document["scores"] += [{**score, "task": also} for score in document["scores"] if score["task"] == "tones"]
    document.update({key: value for key, value in changes.items() if key in document})
    (folder / "leaderboard.json").write_text(json.dumps(document))
    if not (folder / "predictions").exists():
        (folder / "predictions").symlink_to(place / "main" / "predictions")
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"sha256": "0" * 64}}, "gate: incomparable: data (sha256) differs: no comparison*"),
        ({"value": 0.125}, "gate: incomparable: predictions of another row*"),
    ],
    ids=["data", "value"],
)
def test_what_does_not_compare_is_an_error(bench, place, changes, message):
    other = altered(place, f"other-{next(iter(changes))}", **changes)
    done = bench("good", f"--baseline={other}", "-k", "tones and knn", name="incomparable")
    assert done.ret == FAIL
    done.stdout.fnmatch_lines([message])


def test_another_protocol_or_suite_or_no_predictions_ends_before_it_begins(bench, place):
    cases = {
        "xares": ({"protocol": "xares"}, "baseline of another protocol: no comparison: got xares, expected strict"),
        "mini": ({"suite": "mini"}, "baseline of another suite: no comparison: got mini, expected full"),
    }
    for name, (changes, message) in cases.items():
        done = bench("good", f"--baseline={altered(place, name, **changes)}", name="never")
        assert done.ret == USAGE
        assert f"--baseline: {message}" in done.stderr.str()
    (altered(place, "alone") / "predictions").unlink()
    done = bench("good", f"--baseline={place / 'alone'}", name="never")
    assert done.ret == USAGE
    assert "no predictions of the baseline" in done.stderr.str()
    assert not (place / "never").exists()


def test_which_encoder_of_the_baseline(bench, place):
    """The namesake, or the only one, or the one that is named."""
    two = f"--encoder={place / 'bad.py'}"
    done = bench("good", two, f"--baseline={place / 'main'}", name="never")
    assert done.ret == USAGE
    assert (
        "which encoder of the baseline: got 'BadEncoder', expected --baseline-encoder GoodEncoder" in done.stderr.str()
    )
    done = bench("good", f"--baseline={place / 'main'}", "--baseline-encoder=logmel", name="never")
    assert done.ret == USAGE
    assert "not in the baseline: got 'logmel', expected GoodEncoder [--baseline-encoder]" in done.stderr.str()
    done = bench(
        "good", two, f"--baseline={place / 'main'}", "--baseline-encoder=GoodEncoder", "-k", "tones and knn", name="two"
    )
    assert done.ret == FAIL
    done.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--baseline=nowhere.json", "no such file or folder: 'nowhere.json'"),
        ("--max-drop=two", "'two' is not a number from 0 to below 1"),
        ("--alpha=1", "'1' is not a number from 0 to below 1"),
        ("--gate=all", "unknown gate 'all'; choices: tasks, summary, both"),
    ],
)
def test_wrong_options_are_usage_errors(bench, wrong, message):
    done = bench("good", wrong, name="never")
    assert done.ret == USAGE
    assert message in done.stderr.str()


def test_a_slower_encoder_fails_its_throughput_test(bench, place):
    """Both take turns; neither the leaderboard nor another day's times have a part in it."""
    other = f"--baseline-encoder={place / 'good'}.py"
    done = bench("slow", other, "-m", "throughput", "-k", "1x2s", name="slow")
    assert done.ret == FAIL
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["gate: SlowEncoder takes * of the time of GoodEncoder, allowed 1.1, p *"])
    said = " ".join(done.stdout.str().split())  # the line breaks where the ratio of this machine makes it long
    assert re.search(r"SlowEncoder takes [\d.]+ .* \d+ pairs of turns, noise [\d.]+ to [\d.]+", said)
    (row,) = json.loads((place / "slow" / "run.json").read_text())["speed"]
    assert row["value"] > 1.5
    done = bench("slow", "--baseline-encoder=nothing", "-m", "throughput", name="never")
    assert done.ret == USAGE
    assert "--baseline-encoder: " in done.stderr.str()
