"""The command line of leaderboards: what it prints, its exit codes, and files that cannot be used."""

import json
import re
import subprocess
import sys

import pytest

from bench.leaderboard.cli import EXAMPLES, build_parser, main
from bench.leaderboard.files import board_json
from tests.leaderboard.test_board_json import ROOT, board, encoder_row, score


def saved(folder, whole=None, name="leaderboard.json"):
    board_json.write_board(folder / name, board() if whole is None else whole)
    return folder / name


def test_show_prints_tables_of_files_and_folders(tmp_path, capsys):
    path = saved(tmp_path)
    assert main(["show", str(path)]) == 0
    alone = capsys.readouterr().out
    assert alone.startswith("task ")
    assert "esc50 logmel" in " ".join(alone.split())
    assert main(["show", str(tmp_path), str(path)]) == 0
    twice = capsys.readouterr().out
    assert twice.count(alone) == 2
    assert twice.startswith(f"{path}: suite mini, protocol strict\n")


def test_the_command_line_needs_no_torch(tmp_path):
    path = saved(tmp_path)
    code = (
        "import sys; from bench.leaderboard.cli import main;"
        f"code = main(['show', {str(path)!r}]); print('torch' in sys.modules, code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"


@pytest.mark.parametrize("arguments", [["-m", "bench.leaderboard"], ["-m", "bench.leaderboard", "show"]])
def test_wrong_usage_is_exit_code_2(arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def altered(change):
    document = json.loads(board_json.to_json(board()))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (board_json.to_json(board())[:300], "no readable JSON"),
        (board_json.to_json(board()).replace(": 0.4", ": NaN"), "NaN is no JSON number"),
        (board_json.to_json(board()).replace(": 0.4", ": 1e999"), "1e999 is beyond every number"),
        (board_json.to_json(board()).replace("200", "9" * 400), "has 400 digits"),
        (board_json.to_json(board()).replace("logmel", "\\ud800"), "surrogates not allowed"),
        ("[" * 100_000, "no readable JSON"),
        ("<html>", "no readable JSON"),
        (altered(lambda document: document.update(schema=99)), "another schema: got 99, expected 1"),
        (altered(lambda document: document["scores"].append(document["scores"][0])), "a row twice"),
        (altered(lambda document: document["scores"][0].update(suite="full")), "a score of another ranking"),
    ],
    ids=["truncated", "nan", "infinite", "digits", "surrogate", "deep", "html", "schema", "twice", "suite"],
)
def test_files_that_cannot_be_used_are_one_line(text, message, tmp_path, capsys):
    path = tmp_path / "theirs.json"
    path.write_text(text)
    assert main(["show", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert str(path) in captured.err


def test_absent_files_and_empty_folders_are_said(tmp_path, capsys):
    assert main(["show", str(tmp_path / "none.json")]) == 2
    assert "cannot read" in capsys.readouterr().err
    assert main(["show", str(tmp_path)]) == 2
    assert "no leaderboard: got a folder without one" in capsys.readouterr().err


HOSTILE = "<script>alert(1)</script> [bold]x[/bold] \x1b[31m|\n$(rm)"


def test_a_hostile_name_steers_no_terminal(tmp_path, capsys):
    path = saved(tmp_path, board([score(encoder=HOSTILE)], encoders=[encoder_row(HOSTILE)]))
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "<script>alert(1)</script>" in out


def commands(text):
    told = [line.strip("` .").removeprefix("For Parquet: `").split() for line in text.splitlines()]
    return [words[3:] for words in told if words[:3] == ["python", "-m", "bench.leaderboard"]]


def test_documented_commands_are_commands():
    documented = (ROOT / "docs" / "leaderboard-cli.md").read_text()
    for text in (documented, EXAMPLES):
        lines = commands(text)
        assert {line[0] for line in lines} >= {"show", "verify", "merge", "compare", "rank", "export"}
        assert all(callable(build_parser().parse_args(line).call) for line in lines)


def test_the_pages_examples_work(tmp_path, monkeypatch, capsys):
    """Every command of the pages, in their order, on two runs in the folders that they name."""
    from tests.leaderboard.test_verify import run
    from tests.leaderboard.test_verify import saved as saved_run

    monkeypatch.chdir(tmp_path)
    for folder, encoder in (("first", "logmel"), ("second", "other")):
        rows = [run(tmp_path / "results" / folder, encoder=encoder, name=name) for name in ("esc50", "gtzan")]
        saved_run(tmp_path / "results" / folder, rows)
    pages = [(ROOT / "docs" / name).read_text() for name in ("leaderboard-cli.md", "exports.md")]
    lines = [
        line
        for page in pages
        for line in commands(page)
        if line[0] not in ("serve", "trials") and "parquet" not in line and "FORMAT" not in line
    ]
    for line in lines:
        assert main(line) == 0, (line, capsys.readouterr().err)
    assert len(lines) >= 13
    assert {"table.md", "scores.csv", "card.md", "ctrf.json", "mteb"} <= {path.name for path in tmp_path.iterdir()}
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "leaderboard-schema.md").read_text(), re.DOTALL)
    capsys.readouterr()
    exec(compile(example, "leaderboard-schema.md", "exec"), {})
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["esc50", "logmel", "linear"],
        ["gtzan", "logmel", "linear"],
    ]


BROKEN = {
    "truncated": lambda text: text[: len(text) // 2],
    "not a number": lambda text: text.replace('"value": 0.', '"value": NaN, "x": 0.', 1),
    "foreign": lambda text: text.replace('"schema": 1', '"schema": 99'),
    "empty": lambda text: "",
    "other type": lambda text: "[]",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_no_command_writes_anything_of_a_broken_file(broken, tmp_path, capsys):
    path = saved(tmp_path)
    path.write_text(BROKEN[broken](path.read_text()))
    out = tmp_path / "out"
    formats = [
        ["export", str(path), "-o", str(out), "--format", name] for name in ("csv", "mteb", "ctrf", "model-index")
    ]
    reading = [["show", str(path)], ["verify", str(path)], ["rank", str(path)], ["compare", str(path), str(path)]]
    for line in [*formats, *reading, ["merge", str(path), "-o", str(out)]]:
        assert main(line) == 2, line
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        assert captured.err.startswith("error: ")
        assert not out.exists()


def test_ten_thousand_rows(tmp_path, capsys):
    rows = [score(f"task{i}", weight=0.0) for i in range(10_000)]
    document = json.loads(board_json.to_json(board(rows[:1])))
    document["scores"] = [{**document["scores"][0], "task": row.task} for row in rows]
    (tmp_path / "leaderboard.json").write_text(json.dumps(document))
    assert main(["show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("accuracy") == 10_000


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    path = saved(tmp_path, board([score(f"task{i}") for i in range(300)]))
    command = f"{sys.executable} -m bench.leaderboard show {path} | head -1"
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
