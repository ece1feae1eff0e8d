"""A record's id is that of data whose digests agree with the record's; anything else is the user's own."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets import dataset
from bench.datasets.dataset import Dataset, prepare_dataset
from bench.datasets.fetch import fetch_files
from bench.datasets.identity import UNKNOWN_LICENCE
from bench.leaderboard.files.published_tables import PublishedTable
from bench.leaderboard.summaries import build_board
from bench.leaderboard.terminal.tables import list_flags, render_published
from bench.types import DataError, ShardSet, Task
from tests.helpers import toys
from tests.helpers.loopback import serving
from tests.leaderboard.test_board_json import score

RECORD = "14614287"
OWN = f"own data in the layout of zenodo:{RECORD}"


def published(**changes: object) -> Task:
    shards = ShardSet({split: f"{split}_*.tar" for split in toys.SPLIT_SIZES}, zenodo=RECORD)
    return toys.task(shards=replace(shards, **changes), licence="CC BY-NC")  # type: ignore[arg-type]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return toys.write_dataset(tmp_path / "env" / "tones")


def prepare(task: Task, tmp_path: Path, data: Path | None, **options: bool) -> Dataset:
    return prepare_dataset(task, "full", cache=tmp_path / "cache", data=data, **options)


def test_own_shards_in_the_layout_of_a_record(shards: Path, tmp_path: Path) -> None:
    for _ in range(2):  # at first use, and when they are known
        found = prepare(published(), tmp_path, shards)
        assert found.id == OWN
        assert found.licence == UNKNOWN_LICENCE
    assert prepare(published(zenodo=None, hugging_face="o/r"), tmp_path, shards).id == OWN.replace(
        f"zenodo:{RECORD}", "hf:o/r"
    )
    assert prepare(published(zenodo=None), tmp_path, shards).id == "tones"  # a task that has no record


def test_fetched_shards_are_the_record_s_and_others_of_its_names_are_not(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {path.name: path.read_bytes() for path in shards.glob("*.tar")}
    with serving(contents) as server:
        monkeypatch.setattr(dataset, "fetch_files", functools.partial(fetch_files, base_url=server.base_url))
        found = prepare(published(), tmp_path, None)
        assert (found.id, found.licence) == (f"zenodo:{RECORD}", "CC BY-NC")
        (shards / "test_0000000.tar").unlink()  # one that is missing is fetched, and the others are compared
        prepare_others = functools.partial(prepare, published(), tmp_path, shards.parent)
        assert prepare_others().id == f"zenodo:{RECORD}"
        assert prepare_others(offline=True).id == f"zenodo:{RECORD}"


def test_shards_that_were_used_before_the_record_was_asked_are_compared(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {path.name: path.read_bytes() for path in shards.glob("*.tar")}
    name = "train_0000000.tar"
    data = bytearray(contents[name])
    data[700] ^= 1  # of the same length
    (shards / name).write_bytes(bytes(data))
    sha256 = hashlib.sha256(data).hexdigest()  # as a run without a network notes it
    manifest = {name: {"bytes": len(data), "sha256": sha256, "samples": 12}}
    (shards / "manifest.json").write_text(json.dumps(manifest))
    (shards / "test_0000000.tar").unlink()
    with serving(contents) as server:
        monkeypatch.setattr(dataset, "fetch_files", functools.partial(fetch_files, base_url=server.base_url))
        for _ in range(2):
            with pytest.raises(DataError, match="file differs from the record"):
                prepare(published(), tmp_path, shards.parent)
    shutil.copy(shards / "valid_0000000.tar", shards / "test_0000000.tar")  # now it is complete, but nobody's record
    found = prepare(published(zenodo=RECORD), tmp_path, shards.parent)
    assert found.id == OWN


def test_a_manifest_of_other_bytes_proves_nothing(shards: Path, tmp_path: Path) -> None:
    prepare(published(), tmp_path, shards)
    path = shards / "manifest.json"
    entries = json.loads(path.read_text())
    for record in ("99", "hf:somebody/else@abc:", None):
        changed = {name: {**entry, "md5": "0" * 32, "record": record} for name, entry in entries.items()}
        path.write_text(json.dumps({name: {k: v for k, v in own.items() if v} for name, own in changed.items()}))
        assert prepare(published(), tmp_path, shards).id == OWN
    listed = {name: {**entry, "md5": "0" * 32, "record": RECORD} for name, entry in entries.items()}
    path.write_text(json.dumps(listed))
    assert prepare(published(), tmp_path, shards).id == f"zenodo:{RECORD}"
    shutil.copy(shards / "train_0000000.tar", shards / "train_0000009.tar")  # one more than the record has
    with pytest.raises(DataError):
        prepare(replace(published(), split=toys.task().split), tmp_path / "b", tmp_path / "none")
    assert prepare(published(), tmp_path, shards).id == OWN


def test_own_data_is_marked_beside_published_values() -> None:
    row = score(protocol="xares", suite="full")
    own = replace(row, data=replace(row.data, id=OWN, synthetic=False, reference=None))
    theirs = replace(own, encoder="other", data=replace(own.data, id=f"zenodo:{RECORD}"))
    assert "own data" in list_flags(own)
    assert "own data" not in list_flags(theirs)
    board = build_board(suite="full", protocol="xares", scores=[own, theirs], failures=[], encoders=[], tasks=[])
    table = PublishedTable("X-ARES", "arXiv", "", {"dasheng": {"mlp": {row.task: 0.5}, "knn": {row.task: 0.5}}})
    text = render_published([table], board)
    assert f"{own.value:.3f}*" in text
    assert text.count("*") == 2
    assert "* on own data in the layout of the record" in text
    clean = build_board(suite="full", protocol="xares", scores=[theirs], failures=[], encoders=[], tasks=[])
    assert "*" not in render_published([table], clean)
