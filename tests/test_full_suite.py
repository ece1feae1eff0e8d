"""The full suite's data: a folder in X-ARES's layout, or fetched from the record; pinned at first use."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from bench import data as data_module
from bench.audio.fetch import fetch
from bench.data import dataset
from bench.plugin import collection
from bench.plugin.discovery import bundled_tasks
from bench.types import DataError, ShardSet, Task
from tests import toys
from tests.loopback import RECORD, Loopback, serving


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return toys.write_dataset(tmp_path / "made")


def published(folder: str = "") -> Task:
    return toys.task(shards=ShardSet({split: f"{split}_*.tar" for split in toys.SPLIT_SIZES}, folder, RECORD))


def serve(monkeypatch: pytest.MonkeyPatch, server: Loopback) -> None:
    monkeypatch.setattr(data_module, "fetch", functools.partial(fetch, base_url=server.base_url))


def test_fetches_what_is_missing_once(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({path.name: path.read_bytes() for path in shards.glob("*.tar")}) as server:
        serve(monkeypatch, server)
        arrived: list[int] = []
        first = dataset(published(), "full", cache=tmp_path / "cache", data=None, progress=arrived.append)
        assert sum(arrived) == sum(path.stat().st_size for path in shards.glob("*.tar"))
        asked = len(server.requests)
        again = dataset(published("tones"), "full", cache=tmp_path / "cache", data=None)
        assert len(server.requests) == asked  # another task on the same folder: nothing is fetched twice
    assert again.sha256 == first.sha256
    assert first.id == f"zenodo:{RECORD}"
    assert not first.synthetic
    noted = json.loads((tmp_path / "cache" / "full" / "tones" / "manifest.json").read_text())
    assert noted["test_0000000.tar"]["samples"] == 12


def test_a_folder_in_the_published_layout_needs_no_network(shards: Path, tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.mkdir()
    shards.rename(env / "tones")
    found = dataset(published(), "full", cache=tmp_path / "cache", data=env, offline=True)
    assert {name: len(of) for name, of in found.splits.items()} == {"train": 2, "valid": 1, "test": 1}
    assert (
        dataset(published(), "full", cache=tmp_path / "cache", data=env / "tones", offline=True).sha256 == found.sha256
    )


def test_offline_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--offline"):
        dataset(published(), "full", cache=tmp_path, data=None, offline=True)


def test_a_change_after_first_use_is_an_error(shards: Path, tmp_path: Path) -> None:
    dataset(published(), "full", cache=tmp_path, data=shards, offline=True)
    toys.write_dataset(shards, {"test": 9})
    with pytest.raises(DataError, match=r"corrupt|manifest|first use|differ"):
        dataset(published(), "full", cache=tmp_path, data=shards, offline=True)


# ------------------------------------------------------------------------------------------------- private tasks


def private(**changes: object) -> Task:
    return toys.task(private=True, name="secret", **changes)


def test_private_tasks_run_where_their_shards_are(shards: Path, tmp_path: Path) -> None:
    tasks = (toys.task(), private())
    assert collection._absent(tasks, None, "") == ("secret",)
    assert collection._absent(tasks, tmp_path, "") == ("secret",)
    assert collection._absent(tasks, tmp_path, "not slow and secret") == ()  # named: it may say what it lacks
    assert collection._absent(tasks, tmp_path, "secretary or sec") == ("secret",)
    (tmp_path / "secret").mkdir()
    assert collection._absent(tasks, tmp_path, "") == ("secret",)
    (tmp_path / "secret" / "train_0.tar").touch()  # some of them: an error of that task, not a silence
    assert collection._absent(tasks, tmp_path, "") == ()
    assert collection._absent(tasks, shards, "") == ()


def test_what_trains_on_its_test_is_refused(shards: Path, tmp_path: Path) -> None:
    (subway,) = (task for task in bundled_tasks() if task.name == "subway_broadcast")
    (shards / "train_0000000.tar").rename(shards / "subway_broadcast_0.tar")
    with pytest.raises(DataError, match=r"train and test share shards: got \['subway_broadcast_0.tar'\]"):
        dataset(subway, "full", cache=tmp_path, data=shards)
