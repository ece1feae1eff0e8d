"""A Hugging Face dataset repository that stands in for Zenodo: pinned to a commit, verified like the record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import hugging_face, manifest
from bench.datasets.dataset import choose_source, prepare_dataset
from bench.datasets.fetch import fetch_files, plan_downloads
from bench.datasets.hugging_face import Mirror, parse_files, parse_mirror
from bench.datasets.records import is_complete
from bench.types import ChoiceError, DataError, ShardSet
from tests.datasets.test_fetch import ALL, CONTENT, FILES, NAME, OFFLINE, TARS, Clock, brief, flipped, leftovers
from tests.helpers import toys
from tests.helpers.loopback import COMMIT, RECORD, REPO, Fault, Loopback, serving

MIRROR = Mirror(REPO, folders=("nowhere", "tones"))
LISTED = f"hf:{REPO}@{COMMIT}:tones"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving(FILES) as state:
        yield state


@pytest.fixture
def clock() -> Clock:
    return Clock()


def get(server: Loopback, folder: Path, *patterns: str, clock: Clock | None = None, **options: Any) -> list[Path]:
    options = {"retries": (clock or Clock()).retries(), "base_url": server.base_url} | options
    return fetch_files(options.pop("record", MIRROR), patterns or (NAME,), folder, **options)


def test_brings_what_matches_of_one_commit(server: Loopback, tmp_path: Path) -> None:
    coming = plan_downloads(MIRROR, ALL, tmp_path, base_url=server.base_url)
    assert [(file.name, file.bytes, file.md5) for file in coming] == [(name, len(FILES[name]), "") for name in TARS]
    assert list(tmp_path.iterdir()) == []
    paths = get(server, tmp_path, *ALL)
    assert [path.name for path in paths] == TARS
    assert all(path.read_bytes() == FILES[path.name] for path in paths)
    assert leftovers(tmp_path) == []
    noted = json.loads((tmp_path / "manifest.json").read_text())
    assert noted[NAME] == {
        "bytes": len(CONTENT),
        "md5": hashlib.md5(CONTENT).hexdigest(),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "samples": 2,
        "record": LISTED,
    }
    assert set(noted) == set(TARS)  # the mirror's README is its own
    asked = [key for key, _ in server.requests]
    assert asked.count("revision") == 2  # once by the plan, which writes nothing
    assert asked.count("tree") == 2 * 3  # five entries, two at a time


def test_what_is_here_is_not_asked_for_again(server: Loopback, tmp_path: Path) -> None:
    get(server, tmp_path, *ALL)
    assert is_complete(ALL, tmp_path)
    server.requests.clear()
    assert len(get(server, tmp_path, *ALL, base_url=OFFLINE)) == 3
    assert server.requests == []


def test_a_branch_that_moves_stays_where_it_was_first_seen(server: Loopback, tmp_path: Path) -> None:
    get(server, tmp_path, "train*.tar")
    server.requests.clear()
    get(server, tmp_path, *ALL)
    assert "revision" not in [key for key, _ in server.requests]
    (tmp_path / NAME).unlink()
    server.commit = "f" * 40  # the commit that was recorded is gone from the server
    with pytest.raises(DataError, match="no such folder"):
        get(server, tmp_path, *ALL)


def test_a_pinned_revision_needs_no_question(server: Loopback, tmp_path: Path) -> None:
    get(server, tmp_path, record=replace(MIRROR, revision=COMMIT))
    assert [key for key, _ in server.requests] == ["tree"] * 3 + [NAME]


@pytest.mark.parametrize(
    "fault",
    [Fault(status=429), Fault(status=503), Fault(reset=True), Fault(cut_at=1000), Fault(flip_at=5000), Fault(length=9)],
    ids=brief,
)
@pytest.mark.parametrize("key", ["revision", "tree", NAME])
def test_a_fault_passes(server: Loopback, tmp_path: Path, clock: Clock, fault: Fault, key: str) -> None:
    if key != NAME and (fault.flip_at >= 0 or fault.cut_at > 0 or fault.length):
        fault = Fault(cut_at=10)
    server.faults[key] = [fault]
    (path,) = get(server, tmp_path, clock=clock)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("key", ["revision", "tree", NAME])
def test_waits_as_long_as_asked(server: Loopback, tmp_path: Path, clock: Clock, key: str) -> None:
    server.faults[key] = [Fault(status=429, headers=(("Retry-After", "37"),))]
    get(server, tmp_path, clock=clock)
    assert clock.slept == [37.0]


def test_goes_on_where_it_was(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT[:3000])
    assert get(server, tmp_path)[0].read_bytes() == CONTENT
    assert server.asked(NAME) == ["bytes=3000-"]  # through the redirect


def test_other_bytes_are_an_error(server: Loopback, tmp_path: Path) -> None:
    server.always[NAME] = Fault(flip_at=5000)
    with pytest.raises(DataError, match="download is corrupt: got sha256"):
        get(server, tmp_path)
    assert not (tmp_path / NAME).exists()
    (tmp_path / NAME).write_bytes(flipped(CONTENT))
    with pytest.raises(DataError, match=r"sha256.*remove it"):
        get(server, tmp_path)


@pytest.mark.parametrize("first", [RECORD, MIRROR], ids=["record", "mirror"])
def test_a_mirror_stands_in_for_the_record_and_the_record_for_it(
    server: Loopback, tmp_path: Path, first: str | Mirror
) -> None:
    second = MIRROR if first == RECORD else RECORD
    get(server, tmp_path, "train*.tar", record=first)
    assert len(get(server, tmp_path, *ALL, record=second)) == 3
    assert is_complete(ALL, tmp_path)
    assert manifest.read_manifest(tmp_path)["train_0.tar"].record == (RECORD if first == RECORD else LISTED)


@pytest.mark.parametrize("change", ["bytes", "content", "more", "less"])
@pytest.mark.parametrize("first", [RECORD, MIRROR], ids=["record", "mirror"])
def test_a_mirror_with_other_files_is_an_error(
    server: Loopback, tmp_path: Path, first: str | Mirror, change: str
) -> None:
    get(server, tmp_path, *ALL, record=first)
    (tmp_path / "train_0.tar").unlink()
    if change == "more":
        server.files["test_1.tar"] = CONTENT
    elif change == "less":
        del server.files[NAME]
    else:
        old = server.files["train_0.tar"]
        server.files["train_0.tar"] = old + b"?" if change == "bytes" else flipped(old)
    with pytest.raises(DataError, match="no such file" if change == "less" else "changed"):
        get(server, tmp_path, *ALL, record=MIRROR if first == RECORD else RECORD)
    assert not (tmp_path / "train_0.tar").exists()


def test_a_file_of_no_known_checksum_is_an_error_when_wanted(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file without a checksum: got README\.md"):
        get(server, tmp_path, "README.md")


def test_a_mirror_without_the_folder_is_an_error(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the folders a, b"):
        get(server, tmp_path, record=Mirror(REPO, folders=("a", "b")))
    with pytest.raises(DataError, match="HTTP 404"):
        get(server, tmp_path, record=Mirror("someone/else"))


GOOD = {"type": "file", "path": "a/b.tar", "size": 3, "lfs": {"oid": "0" * 64}}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [None],
        [{"type": "file"}],
        [GOOD | {"size": "3"}],
        [GOOD | {"size": -1}],
        [GOOD | {"path": "other/b.tar"}],
        [GOOD | {"path": "a/c/b.tar"}],
        [GOOD | {"path": "a/.."}],
        [GOOD, GOOD],
        [{"type": "directory", "path": "a/c"}],
    ],
    ids=str,
)
def test_a_bad_listing_is_an_error(entries: list[Any]) -> None:
    with pytest.raises(DataError):
        parse_files(entries, Mirror("o/r", COMMIT, ("a",)), "https://hub")


def test_a_good_listing() -> None:
    root = Mirror("o/r", COMMIT)
    assert parse_files([GOOD], replace(root, folders=("a",)), "https://hub")[0].url.endswith(
        f"/o/r/resolve/{COMMIT}/a/b.tar"
    )
    (file,) = parse_files([GOOD | {"path": "b c.tar", "lfs": {"oid": "?"}}], root, "https://hub")
    assert (file.name, file.sha256, file.url) == (
        "b c.tar",
        "",
        f"https://hub/datasets/o/r/resolve/{COMMIT}/b%20c.tar",
    )


@pytest.mark.parametrize("fault", [Fault(body=b"<html>"), Fault(body=b"[]"), Fault(body=b'{"sha": "main"}')], ids=brief)
def test_no_commit_is_an_error(server: Loopback, tmp_path: Path, fault: Fault) -> None:
    server.faults["revision"] = [fault]
    with pytest.raises(DataError, match="not a repository"):
        get(server, tmp_path)
    server.faults["tree"] = [Fault(body=b'{"error": 1}')]
    with pytest.raises(DataError, match="not a folder"):
        get(server, tmp_path)


def test_a_listing_without_an_end_is_an_error(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "MOST_PAGES", 2)
    with pytest.raises(DataError, match="without an end"):
        get(server, tmp_path)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True)


@given(NAMES, NAMES, NAMES | st.none(), NAMES | st.none())
def test_the_text_of_a_mirror(owner: str, repo: str, revision: str | None, folder: str | None) -> None:
    text = f"{owner}/{repo}" + (f"@{revision}" if revision else "") + (f":{folder}" if folder else "")
    assert parse_mirror(text) == Mirror(f"{owner}/{repo}", revision or "main", (folder or "",))


@pytest.mark.parametrize(
    "text", ["", "hf", "repo", "a/b/c", "../b", "a/..", "a/b@", "a/b:../c", "a/b@..", "a b/c", "https://x/y", "a/b\n"]
)
def test_no_mirror(text: str) -> None:
    with pytest.raises(ChoiceError, match=r"OWNER/REPO\[@REVISION\]\[:FOLDER\]"):
        parse_mirror(text)


def test_where_a_task_is_fetched_from() -> None:
    both = toys.task(shards=ShardSet({}, "one", "14", hugging_face="o/r@v1:sub", also=("two",)))
    own, named = Mirror("o/r", "v1", ("sub",)), Mirror("a/b", "main", ("one", "tones", "two"))
    assert (choose_source(both), choose_source(both, "hf"), choose_source(both, "a/b")) == ("14", own, named)
    only = replace(both, shards=replace(both.shards, zenodo=None))
    assert (choose_source(only), choose_source(only, "hf"), choose_source(only, "a/b")) == (own, own, named)
    record = replace(both, shards=replace(both.shards, hugging_face=None))
    assert (choose_source(record), choose_source(record, "hf")) == ("14", "14")
    assert choose_source(toys.task(), "a/b") is None  # data of one's own is nobody's to fetch
    assert choose_source(toys.task(private=True)) is None
    assert choose_source(toys.task(private=True), "a/b") == Mirror("a/b", "main", ("tones",))


def test_a_dataset_comes_from_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = toys.write_dataset(tmp_path / "made")
    task = toys.task(shards=ShardSet({split: f"{split}_*.tar" for split in toys.SPLIT_SIZES}, zenodo=RECORD))
    with serving({path.name: path.read_bytes() for path in shards.glob("*.tar")}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.base_url)
        mirrored = prepare_dataset(task, "full", cache=tmp_path / "a", data=None, mirror=REPO)
    there = prepare_dataset(task, "full", cache=tmp_path / "b", data=shards)
    assert (mirrored.sha256, mirrored.id, mirrored.samples) == (there.sha256, there.id, toys.SPLIT_SIZES)
