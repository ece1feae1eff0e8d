"""The leakage report of a run: in its board, table and page, and the same however it is made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.leaderboard.files import board_json
from tasks.mini.write import write_shards
from tests.helpers import toys
from tests.plugin.test_plugin import arguments

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks; one trains on two of its test clips, and on one of the other's."""
    folder = tmp_path_factory.mktemp("shards")
    toys.write_dataset(folder / "tones", {"train": 12, "valid": 6, "test": 9})
    (folder / "again").mkdir()
    test = [replace(own, audio=own.audio // 2) for own in toys.samples("test", 9)]
    train = [replace(own, audio=own.audio // 2) for own in toys.samples("train", 12)]
    train[1], train[4] = replace(test[1], key="one"), replace(test[4], key="two")
    train[7] = replace(toys.samples("test", 9)[7], key="three")
    for name, samples in (("train", train), ("valid", toys.samples("other", 6)), ("test", test)):
        write_shards(folder / "again", name, samples, per_shard=4)
    return folder


def test_in_every_file_and_the_same_however_it_was_run(
    pytester: pytest.Pytester, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    boards = []
    ways = {"cold": ("0", "one"), "warm": ("0", "one"), "spread": ("2", "two"), "warm spread": ("2", "two")}
    for name, (workers, cache) in ways.items():
        options = ("-m", "not throughput", "--encoder=logmel", f"-n{workers}", f"--cache={pytester.path / cache}")
        result = pytester.runpytest_subprocess(*arguments(pytester.path, shards, *options, name=name))
        result.assert_outcomes(passed=4)
        folder = pytester.path / "results" / name
        boards.append((folder / "leaderboard.json").read_bytes())
        result.stdout.fnmatch_lines(
            ["*22.2% test clips also*", "equal audio in two splits:", "*again*test*again*train*2*22.2%*", "files: *"]
        )
        kept = sorted(path.name for path in (folder / "digests").iterdir())
        assert kept == ["again.strict.json", "tones.strict.json"]
        assert '"leakage":[{' in (folder / "report.html").read_text()
    assert len(set(boards)) == 1
    board = board_json.from_json(boards[0].decode())
    assert [tuple(pair.values()) for pair in json.loads(boards[0])["leakage"]] == [
        (2, "train", "again", 2 / 9, "test", "again"),
        (1, "test", "tones", 1 / 12, "train", "again"),
    ]
    rates = {score.task: score.rates.get("test clips also in training", 0) for score in board.scores}
    assert rates == {"again": 2 / 9, "tones": 0}
