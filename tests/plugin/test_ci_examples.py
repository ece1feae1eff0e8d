"""``examples/ci``: the files are what they claim to be, and every command and option in them exists."""

import re
import shlex
import subprocess
from pathlib import Path

import yaml

from bench.leaderboard.cli import build_parser
from tests.leaderboard.test_verify import run, saved

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"
OPTIONS = set(re.findall(r'"(--[a-z-]+)"', (ROOT / "bench" / "plugin" / "options.py").read_text()))


def commands(text):
    """Lines with their continuations joined, as words; a quoted variable is one word."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [shlex.split(line) for line in joined.splitlines() if "python -m " in line]


def steps():
    workflow = yaml.safe_load((CI / "otoscope.yml").read_text())
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_is_one():
    workflow = yaml.safe_load((CI / "otoscope.yml").read_text())
    assert workflow[True].keys() == {"push", "pull_request"}  # YAML 1.1 takes "on" for a truth value
    assert workflow["permissions"]["pull-requests"] == "write"
    for step in steps():
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z/-]+@v\d+", step.get("uses", "actions/checkout@v4"))
        assert subprocess.run(["bash", "-n", "-c", step.get("run", "")], check=False).returncode == 0


def test_every_command_exists():
    texts = [step["run"] for step in steps() if "run" in step] + [(CI / "pre-merge.sh").read_text()]
    found = [words for text in texts for words in commands(text)]
    assert len(found) == 4
    for words in found:
        module = words[words.index("-m") + 1]
        if module == "bench.leaderboard":
            assert callable(build_parser().parse_args(words[words.index("-m") + 2 :]).call)
        else:
            assert module == "pytest"
            assert {word for word in words if word.startswith("--")} <= OPTIONS
    script = next(step["run"] for step in steps() if "pre-merge" in step.get("run", ""))
    assert (ROOT / shlex.split(script)[1]).is_file()


def test_the_script_ends_as_pytest_does_and_writes_the_comment(tmp_path):
    """With a python that plays pytest: the run is there already."""
    out, fake = tmp_path / "results" / "candidate", tmp_path / "python"
    saved(out, [run(out)])
    saved(tmp_path / "main", [run(tmp_path / "main")])
    fake.write_text(
        f'#!/bin/bash\nif [ "$2" = pytest ]; then echo "$@" > {tmp_path}/asked; exit 1; fi\n'
        f'cd {ROOT} && exec {shlex.quote(_python())} "$@"\n'
    )
    fake.chmod(0o755)
    script = ["bash", str(CI / "pre-merge.sh"), "encoder.py", str(tmp_path / "main"), str(out)]
    done = subprocess.run(
        script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    asked = (tmp_path / "asked").read_text()
    assert f"--baseline {tmp_path}/main --max-drop 0.01" in asked
    assert f"--results {tmp_path}/results --run-name candidate" in asked
    assert "| esc50 | logmel |" in (out / "comment.md").read_text()
    assert (out / "ctrf.json").is_file()


def _python():
    import sys

    return sys.executable
