"""The full suite's data: a folder in X-ARES's layout, or fetched from the record; pinned at first use."""

from __future__ import annotations

import functools
import json
import multiprocessing
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets import dataset as data_module
from bench.datasets.dataset import check_complete, list_folders, locate_folder, prepare_dataset, share_folders
from bench.datasets.fetch import fetch_files
from bench.discovery.bundled import find_bundled_encoders, find_bundled_tasks
from bench.evaluation.clips import embed_clips
from bench.extraction.loaded import load_encoder
from bench.runs.selection import find_absent
from bench.types import DataError, Mini, Settings, ShardSet, Task
from tests.helpers import toys
from tests.helpers.loopback import RECORD, Fault, Loopback, serving


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return toys.write_dataset(tmp_path / "made")


def published(folder: str = "") -> Task:
    return toys.task(shards=ShardSet({split: f"{split}_*.tar" for split in toys.SPLIT_SIZES}, folder, RECORD))


def serve(monkeypatch: pytest.MonkeyPatch, server: Loopback) -> None:
    monkeypatch.setattr(data_module, "fetch_files", functools.partial(fetch_files, base_url=server.base_url))


def test_fetches_what_is_missing_once(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({path.name: path.read_bytes() for path in shards.glob("*.tar")}) as server:
        serve(monkeypatch, server)
        arrived: list[int] = []
        first = prepare_dataset(published(), "full", cache=tmp_path / "cache", data=None, progress=arrived.append)
        assert sum(arrived) == sum(path.stat().st_size for path in shards.glob("*.tar"))
        asked = len(server.requests)
        again = prepare_dataset(published("tones"), "full", cache=tmp_path / "cache", data=None)
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
    found = prepare_dataset(published(), "full", cache=tmp_path / "cache", data=env, offline=True)
    assert {name: len(of) for name, of in found.splits.items()} == {"train": 2, "valid": 1, "test": 1}
    assert (
        prepare_dataset(published(), "full", cache=tmp_path / "cache", data=env / "tones", offline=True).sha256
        == found.sha256
    )


def test_offline_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--offline"):
        prepare_dataset(published(), "full", cache=tmp_path, data=None, offline=True)


def test_a_change_after_first_use_is_an_error(shards: Path, tmp_path: Path) -> None:
    prepare_dataset(published(), "full", cache=tmp_path, data=shards, offline=True)
    toys.write_dataset(shards, {"test": 9})
    with pytest.raises(DataError, match=r"corrupt|manifest|first use|differ"):
        prepare_dataset(published(), "full", cache=tmp_path, data=shards, offline=True)


# ------------------------------------------------------------------------------------------------- private tasks


def private(**changes: object) -> Task:
    return toys.task(private=True, name="secret", **changes)


def test_private_tasks_run_where_their_shards_are(shards: Path, tmp_path: Path) -> None:
    tasks = (toys.task(), private())
    assert find_absent(tasks, "full", None, "") == ("secret",)
    assert find_absent(tasks, "full", tmp_path, "") == ("secret",)
    assert find_absent(tasks, "full", tmp_path, "not slow and secret") == ()  # named: it may say what it lacks
    assert find_absent(tasks, "full", tmp_path, "secretary or sec") == ("secret",)
    (tmp_path / "secret").mkdir()
    assert find_absent(tasks, "full", tmp_path, "") == ("secret",)
    (tmp_path / "secret" / "train_0.tar").touch()  # some of them: an error of that task, not a silence
    assert find_absent(tasks, "full", tmp_path, "") == ()
    assert find_absent(tasks, "full", shards, "") == ()


def test_what_trains_on_its_test_is_refused(shards: Path, tmp_path: Path) -> None:
    (subway,) = (task for task in find_bundled_tasks() if task.name == "subway_broadcast")
    (shards / "train_0000000.tar").rename(shards / "subway_broadcast_0.tar")
    with pytest.raises(DataError, match=r"train and test share shards: got \['subway_broadcast_0.tar'\]"):
        prepare_dataset(subway, "full", cache=tmp_path, data=shards)


# ------------------------------------------------------------------------------------------------ samples, manifest


def test_fewer_clips_than_at_first_use_are_an_error(shards: Path, tmp_path: Path) -> None:
    found = prepare_dataset(published(), "full", cache=tmp_path, data=shards, offline=True)
    assert found.samples == toys.SPLIT_SIZES
    check_complete(published(), found, "test", 12, "full")
    with pytest.raises(DataError, match=r"split test is incomplete: got 11 clips, expected 12, as recorded"):
        check_complete(published(), found, "test", 11, "full")
    known = json.loads((shards / "manifest.json").read_text())
    known["test_0000000.tar"]["samples"] += 1  # as if the shard were read less completely than at first use
    (shards / "manifest.json").write_text(json.dumps(known))
    found = prepare_dataset(published(), "full", cache=tmp_path, data=shards, offline=True)
    loaded = load_encoder(find_bundled_encoders()["constant"], device="cpu", precision="fp32", cache=tmp_path)
    with pytest.raises(DataError, match=r"split test is incomplete: got 12 clips, expected 13, as recorded"):
        embed_clips(published(), found, loaded, settings(tmp_path), lambda clips, encoded: None)


def test_a_published_number_of_clips_is_an_error_when_missed(shards: Path, tmp_path: Path) -> None:
    task = published()
    task = replace(task, shards=replace(task.shards, samples={"train": 25}))
    found = prepare_dataset(task, "full", cache=tmp_path, data=shards, offline=True)
    with pytest.raises(DataError, match=r"split train is incomplete: got 24 clips, expected 25 \["):
        check_complete(task, found, "train", 24, "full")
    check_complete(task, found, "train", 24, "mini")


@pytest.mark.parametrize("task", [published(), private()], ids=["public", "private"])
def test_a_shard_that_is_gone_is_an_error(task: Task, shards: Path, tmp_path: Path) -> None:
    prepare_dataset(task, "full", cache=tmp_path, data=shards, offline=True)
    (shards / "train_0000001.tar").unlink()
    with pytest.raises(DataError, match=r"shards missing: got no train_0000001\.tar"):
        prepare_dataset(task, "full", cache=tmp_path, data=shards, offline=True)


def test_data_of_ones_own_may_change(shards: Path, tmp_path: Path) -> None:
    first = prepare_dataset(toys.task(), "full", cache=tmp_path, data=shards)
    toys.write_dataset(shards, {"test": 9})
    (shards / "train_0000001.tar").unlink()
    assert prepare_dataset(toys.task(), "full", cache=tmp_path, data=shards).sha256 != first.sha256
    assert not (shards / "manifest.json").exists()


# --------------------------------------------------------------------------------------- one record, several tasks


def siblings() -> tuple[Task, Task]:
    first, second = share_folders(
        [replace(published("common"), name="sex"), replace(published("common"), name="words")], []
    )
    return first, second


def settings(folder: Path) -> Settings:
    return Settings("full", "strict", "cpu", "fp32", (0,), folder, None, 1, offline=True)


def test_tasks_of_one_record_know_each_others_folders() -> None:
    mine, other, alone = toys.task(name="own"), published("common"), replace(published(), name="alone")
    told = share_folders([mine, alone], [other, alone, mine])
    assert list_folders(told[0]) == ("own",)
    assert list_folders(told[1]) == ("alone", "common", "tones")
    by_name = {task.name: task for task in share_folders(find_bundled_tasks(), find_bundled_tasks())}
    assert list_folders(by_name["librispeechmalefemale"])[:2] == ("librispeech", "librispeechmalefemale")
    assert list_folders(by_name["nsynthpitch"]) == ("nsynthinstument", "nsynthpitch")
    assert list_folders(by_name["nsynthinstument"]) == ("nsynthinstument", "nsynthpitch")


@pytest.mark.parametrize("name", ["common", "sex", "words"])
def test_shards_are_found_under_the_name_of_any_task_of_the_record(name: str, shards: Path, tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.mkdir()
    (env / "common").mkdir()  # empty: another one goes before it
    shards.rename(env / name) if name != "common" else shutil.copytree(shards, env / name, dirs_exist_ok=True)
    for task in siblings():
        assert locate_folder(task, env) == env / name
        found = prepare_dataset(task, "full", cache=tmp_path / "cache", data=env, offline=True)
        assert found.splits["test"][0].path.parent == env / name


def test_a_complete_folder_goes_before_one_that_lacks_some(shards: Path, tmp_path: Path) -> None:
    task, _ = siblings()
    (tmp_path / "common").mkdir()
    shutil.copy(shards / "train_0000000.tar", tmp_path / "common")
    assert locate_folder(task, tmp_path) == tmp_path / "common"  # what is missing is fetched to the rest
    shards.rename(tmp_path / "words")
    assert locate_folder(task, tmp_path) == tmp_path / "words"
    assert locate_folder(toys.task(name="others"), tmp_path) is None


def _dataset(base_url: str, cache: Path, which: int) -> None:
    data_module.fetch_files = functools.partial(fetch_files, base_url=base_url)
    prepare_dataset(siblings()[which], "full", cache=cache, data=None)


def test_two_tasks_in_two_processes_fetch_their_record_once(shards: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in shards.glob("*.tar")}
    with serving(files) as server:
        server.always = dict.fromkeys(files, Fault(slow_in_s=0.001))
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=_dataset, args=(server.base_url, tmp_path, which)) for which in (0, 1)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
        assert sorted(key for key, _ in server.requests if key != "record") == sorted(files)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["common"]


def test_two_tasks_on_the_same_crops_encode_once(shards: Path, tmp_path: Path) -> None:
    loaded = load_encoder(find_bundled_encoders()["constant"], device="cpu", precision="fp32", cache=tmp_path)
    shards.rename(tmp_path / "common")
    done: list[list[tuple[int, bool]]] = []
    cropped = replace(siblings()[1], crop_in_s=0.1)
    for task in (*siblings(), cropped):
        found = prepare_dataset(task, "full", cache=tmp_path, data=tmp_path, offline=True)
        done.append([])
        embed_clips(task, found, loaded, settings(tmp_path), lambda *some: done[-1].append(some))
    encoded = [sum(clips for clips, now in one if now) for one in done]
    assert encoded == [45, 0, 45]  # other crops are other embeddings
    assert sum(clips for clips, now in done[1] if not now) == 45


def test_two_tasks_share_what_is_generated(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        toys.write_dataset(folder)

    mini = Mini(make=make, version=2, sha256={}, folder="common")
    tasks = [toys.task(name=name, mini=mini) for name in ("sex", "words")]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda task: prepare_dataset(task, "mini", cache=tmp_path, data=None), tasks)
    assert len(made) == 1
    assert first == second
    assert first.id == "mini-v2/common"
    assert [path.name for path in (tmp_path / "mini").iterdir()] == ["common-v2"]
