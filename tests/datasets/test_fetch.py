"""Fetching shards from a server that serves, delays, truncates, corrupts, ignores ranges, and asks for patience."""

from __future__ import annotations

import email.utils
import hashlib
import io
import json
import multiprocessing
import os
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import fetch as module
from bench.datasets import manifest, shards
from bench.datasets.fetch import fetch_files, plan_downloads
from bench.datasets.records import is_complete
from bench.datasets.web import RetryPolicy, parse_retry_after
from bench.datasets.zenodo import RemoteFile, is_safe_name, parse_files
from bench.types import DataError
from tests.helpers.loopback import RECORD, Fault, Loopback, serving


def tar(samples: int, fill: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for index in range(samples):
            for name, content in ((f"{index}.wav", bytes([fill]) * 3000), (f"{index}.json", b"{}")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


FILES = {"train_0.tar": tar(4, 1), "train_1.tar": tar(3, 2), "test_0.tar": tar(2, 3), "README.md": b"hello"}
NAME, CONTENT = "test_0.tar", FILES["test_0.tar"]
ALL = ("train*.tar", "test*.tar")
TARS = ["test_0.tar", "train_0.tar", "train_1.tar"]
OFFLINE = "http://127.0.0.1:9"  # nothing listens


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time, self.slept = 1_700_000_000.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def retries(self, **changes: Any) -> RetryPolicy:
        return replace(RetryPolicy(tries=4, timeout_in_s=5.0, sleep=self.sleep, now=lambda: self.time), **changes)


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
    options.setdefault("retries", (clock or Clock()).retries())
    return fetch_files(RECORD, patterns or (NAME,), folder, base_url=server.base_url, **{"offline": False} | options)


def brief(value: object) -> str:
    """What a fault changes, as the name of a case."""
    if not isinstance(value, Fault):
        return ""
    plain = asdict(Fault())
    return " ".join(f"{key}={str(changed)[:12]}" for key, changed in asdict(value).items() if changed != plain[key])


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith((".part", ".tmp")))


# ------------------------------------------------------------------------------------------------ a good server


@pytest.mark.parametrize("form", ["list", "entries", "entries-list"])
def test_brings_what_matches_and_says_what_it_is(server: Loopback, tmp_path: Path, form: str) -> None:
    server.form = form
    paths = get(server, tmp_path, *ALL)
    assert [path.name for path in paths] == TARS
    assert all(path.read_bytes() == FILES[path.name] for path in paths)
    assert not (tmp_path / "README.md").exists()
    assert leftovers(tmp_path) == []
    noted = json.loads((tmp_path / "manifest.json").read_text())
    assert noted[NAME] == {
        "bytes": len(CONTENT),
        "md5": hashlib.md5(CONTENT).hexdigest(),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "samples": 2,
        "record": RECORD,
    }
    assert "sha256" not in noted["README.md"]


def test_progress_adds_up_to_the_plan(server: Loopback, tmp_path: Path) -> None:
    files = plan_downloads(RECORD, ALL, tmp_path, base_url=server.base_url)
    assert [(file.name, file.bytes) for file in files] == [(name, len(FILES[name])) for name in TARS]
    assert files[0].md5 == hashlib.md5(CONTENT).hexdigest()
    assert list(tmp_path.iterdir()) == []  # a plan writes nothing
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT[:700])
    server.faults["train_0.tar"] = [Fault(flip_at=9)]
    grown: list[int] = []
    get(server, tmp_path, *ALL, progress=grown.append)
    assert sum(grown) == sum(file.bytes for file in files)
    assert min(grown) == -len(FILES["train_0.tar"])


def test_several_files_come_at_once(server: Loopback, tmp_path: Path) -> None:
    together = threading.Barrier(3)
    ask = server.fault

    def meet(key: str, sent: str | None) -> Fault:
        if key != "record":
            together.wait(timeout=10)  # breaks unless three requests are there at the same time
        return ask(key, sent)

    server.fault = meet  # type: ignore[method-assign]
    assert len(get(server, tmp_path, *ALL, parallel=3)) == 3


def test_what_is_here_is_not_asked_for_again(server: Loopback, tmp_path: Path) -> None:
    get(server, tmp_path, "train*.tar")
    server.requests.clear()
    assert len(get(server, tmp_path, "train*.tar")) == 2
    assert server.requests == []
    assert plan_downloads(RECORD, ("train*.tar",), tmp_path, base_url=OFFLINE) == ()
    get(server, tmp_path, *ALL)
    assert [key for key, _ in server.requests] == ["record", NAME]


def test_keeps_shards_that_somebody_else_fetched(server: Loopback, tmp_path: Path) -> None:
    for name in TARS[1:]:
        (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / f"{RECORD}.zip").write_bytes(b"kept by another tool")
    before = (tmp_path / TARS[1]).stat().st_mtime_ns
    get(server, tmp_path, *ALL)
    assert [key for key, _ in server.requests] == ["record", NAME]
    assert (tmp_path / TARS[1]).stat().st_mtime_ns == before
    assert manifest.read_manifest(tmp_path)[TARS[1]].samples == 4


# ------------------------------------------------------------------------------------------------- a bad server


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=500),
        Fault(status=502),
        Fault(status=503),
        Fault(status=504),
        Fault(reset=True),
        Fault(cut_at=0),
        Fault(cut_at=1000),
        Fault(flip_at=5000),
        Fault(length=100),
        Fault(length=len(CONTENT) + 512),
        Fault(chunked_extra=512),
        Fault(body=b"<html>log in to this hotel's network</html>"),
    ],
    ids=brief,
)
def test_a_fault_passes(server: Loopback, tmp_path: Path, clock: Clock, fault: Fault) -> None:
    server.faults[NAME] = [fault]
    (path,) = get(server, tmp_path, clock=clock)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == []
    assert len(server.asked(NAME)) == 2
    assert len(clock.slept) == (0 if fault.flip_at >= 0 else 1)  # other bytes are no reason to wait


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=503), "HTTP 503"),
        (Fault(reset=True), "tries"),
        (Fault(cut_at=0), "cut short"),
        (Fault(length=100), "wrong length"),
        (Fault(chunked_extra=1), "wrong length"),
        (Fault(flip_at=5000), "corrupt"),
    ],
    ids=brief,
)
def test_a_fault_that_stays_is_an_error(
    server: Loopback, tmp_path: Path, clock: Clock, fault: Fault, message: str
) -> None:
    server.always[NAME] = fault
    with pytest.raises(DataError, match=message) as caught:
        get(server, tmp_path, clock=clock)
    assert "content" in caught.value.where
    assert len(server.asked(NAME)) == (2 if fault.flip_at >= 0 else 4)
    assert not (tmp_path / NAME).exists()


def test_backs_off_further_each_time(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    server.faults[NAME] = [Fault(status=500)] * 3
    get(server, tmp_path, clock=clock)
    assert [round(slept / 2**index) for index, slept in enumerate(clock.slept)] == [1, 1, 1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416, 501])
def test_a_refusal_is_final(server: Loopback, tmp_path: Path, clock: Clock, status: int) -> None:
    server.always[NAME] = Fault(status=status)
    with pytest.raises(DataError, match=f"HTTP {status}"):
        get(server, tmp_path, clock=clock)
    assert len(server.asked(NAME)) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("key", ["record", NAME])
def test_waits_as_long_as_asked(
    server: Loopback, tmp_path: Path, clock: Clock, status: int, form: str, key: str
) -> None:
    value = "37" if form == "seconds" else email.utils.formatdate(clock.time + 37, usegmt=True)
    server.faults[key] = [Fault(status=status, headers=(("Retry-After", value),))]
    get(server, tmp_path, clock=clock)
    assert clock.slept == [37.0]


def test_one_request_to_wait_holds_for_all_files(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    busy = Fault(status=429, headers=(("Retry-After", "37"),))
    server.faults = {"test_0.tar": [busy]}
    started: list[float] = []
    ask = server.fault

    def note(key: str, sent: str | None) -> Fault:
        started.append(clock.time)
        return ask(key, sent)

    server.fault = note  # type: ignore[method-assign]
    get(server, tmp_path, *ALL, clock=clock, parallel=1)
    assert [round(at - started[0]) for at in started] == [0, 0, 37, 37, 37]


def test_does_not_wait_for_an_hour(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    server.always[NAME] = Fault(status=429, headers=(("Retry-After", "3600"),))
    with pytest.raises(DataError, match="wait 3600 s"):
        get(server, tmp_path, clock=clock)
    assert clock.slept == []


def test_a_silent_server_times_out(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    server.faults[NAME] = [Fault(delay_in_s=1.0)]
    (path,) = get(server, tmp_path, retries=clock.retries(timeout_in_s=0.2))
    assert path.read_bytes() == CONTENT
    assert len(server.asked(NAME)) == 2


def test_nobody_there(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(DataError, match="refused"):
        fetch_files(RECORD, (NAME,), tmp_path, base_url=OFFLINE, offline=False, retries=clock.retries())
    assert len(clock.slept) == 3


def test_the_first_failure_ends_the_rest(server: Loopback, tmp_path: Path) -> None:
    server.always = {NAME: Fault(status=404), "train_0.tar": Fault(slow_in_s=0.5), "train_1.tar": Fault(slow_in_s=0.5)}
    with pytest.raises(DataError, match="404"):
        get(server, tmp_path, *ALL)
    assert list(tmp_path.rglob("*.tar")) == []  # the slow ones, of 10 s each, were not waited for
    server.always = {}
    assert len(get(server, tmp_path, *ALL)) == 3


def test_no_redirect_to_anything_but_the_web(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    server.always[NAME] = Fault(status=302, headers=(("Location", "ftp://127.0.0.1/x"),))
    with pytest.raises(DataError, match="unsafe redirect"):
        get(server, tmp_path, clock=clock)
    there = f"{server.base_url}/api/records/{RECORD}/files/README.md/content"
    server.always[NAME] = Fault(status=307, headers=(("Location", there),))
    server.always["README.md"] = Fault(body=CONTENT)
    assert get(server, tmp_path, clock=clock)[0].read_bytes() == CONTENT


# -------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Fault(), ["bytes=3000-"]),
        (Fault(ignore_range=True), ["bytes=3000-"]),  # 200: the same answer is taken from its beginning
        (Fault(shift_range=-1000), ["bytes=3000-", None]),
        (Fault(shift_range=512), ["bytes=3000-", None]),
        (Fault(status=416), ["bytes=3000-", None]),
        (Fault(status=206), ["bytes=3000-", None]),  # without Content-Range
        (Fault(cut_at=1000), ["bytes=3000-", "bytes=4000-"]),
    ],
    ids=brief,
)
def test_goes_on_only_where_the_server_does(
    server: Loopback, tmp_path: Path, fault: Fault, asked: list[str | None]
) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT[:3000])
    server.faults[NAME] = [fault]
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked(NAME) == asked


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        (b"?" * 3000, ["bytes=3000-", None]),  # of something else: the digest says so
        (b"?" * len(CONTENT), [None]),
        (b"?" * (len(CONTENT) + 1), [None]),
        (CONTENT, []),
        (b"", [None]),
    ],
    ids=["other", "other and whole", "too long", "whole", "empty"],
)
def test_any_part_ends_well(server: Loopback, tmp_path: Path, part: bytes, asked: list[str | None]) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(part)
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked(NAME) == asked


def test_a_line_that_breaks_often_still_ends(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.datasets.web._PROGRESS", 500)
    server.faults[NAME] = [Fault(cut_at=1000)] * 9  # more than the tries, each with some progress
    assert get(server, tmp_path)[0].read_bytes() == CONTENT
    (tmp_path / NAME).unlink()
    server.always[NAME] = Fault(cut_at=3000, ignore_range=True)  # never beyond its own beginning
    with pytest.raises(DataError, match="cut short at 3000"):
        get(server, tmp_path)


def _fetch(base_url: str, folder: Path) -> None:
    fetch_files(RECORD, (NAME,), folder, base_url=base_url, offline=False)


def test_goes_on_after_a_kill(server: Loopback, tmp_path: Path) -> None:
    server.faults[NAME] = [Fault(slow_in_s=0.2)]
    process = multiprocessing.get_context("spawn").Process(target=_fetch, args=(server.base_url, tmp_path))
    process.start()
    part = tmp_path / f".{NAME}.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    reached = part.stat().st_size
    assert 0 < reached < len(CONTENT)
    assert not (tmp_path / NAME).exists()
    (path,) = get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked(NAME) == [None, f"bytes={reached}-"]


def test_two_processes_fetch_once(server: Loopback, tmp_path: Path) -> None:
    server.always[NAME] = Fault(slow_in_s=0.1)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fetch, args=(server.base_url, tmp_path)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.asked(NAME) == [None]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_two_tasks_of_one_process_fetch_once(server: Loopback, tmp_path: Path) -> None:
    server.always[NAME] = Fault(slow_in_s=0.02)
    grown: list[list[int]] = [[], [], []]
    threads = [threading.Thread(target=get, args=(server, tmp_path), kwargs={"progress": one.append}) for one in grown]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked(NAME) == [None]
    assert {sum(one) for one in grown} <= {len(CONTENT), 0}  # 0: it was there before this one looked


# ------------------------------------------------------------------------------------------- what is not asked for


def test_offline_names_what_is_missing(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no test\*\.tar, .*--offline forbids"):
        get(server, tmp_path, "test*.tar", offline=True)
    get(server, tmp_path, "train*.tar")
    server.requests.clear()
    with pytest.raises(DataError, match=r"no test_0\.tar \(0\.0 MB\)"):  # the record was listed
        get(server, tmp_path, *ALL, offline=True)
    assert [file.name for file in plan_downloads(RECORD, ALL, tmp_path, offline=True)] == [NAME]
    assert len(get(server, tmp_path, "train*.tar", offline=True)) == 2
    assert server.requests == []


def test_offline_takes_a_folder_as_it_is(server: Loopback, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    assert get(server, tmp_path, offline=True) == [tmp_path / NAME]
    assert manifest.read_manifest(tmp_path)[NAME].sha256 == hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / NAME).write_bytes(FILES["train_0.tar"])
    with pytest.raises(DataError, match="has changed"):
        get(server, tmp_path, offline=True)
    assert server.requests == []


def test_complete_needs_no_server(server: Loopback, tmp_path: Path) -> None:
    assert not is_complete(ALL, tmp_path / "nowhere")
    for name in ("train_0.tar", "test_0.tar"):
        (tmp_path / name).write_bytes(FILES[name])
    assert is_complete(ALL, tmp_path)  # as far as anybody knows
    get(server, tmp_path, "test*.tar")
    assert not is_complete(ALL, tmp_path)  # the record has another one
    get(server, tmp_path, *ALL)
    assert is_complete(ALL, tmp_path)


def test_no_room(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": sum(len(FILES[name]) for name in TARS) - 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="disk is too full"):
        get(server, tmp_path, *ALL)
    assert [key for key, _ in server.requests] == ["record"]
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT[:1])  # needs one byte less
    assert len(get(server, tmp_path, *ALL)) == 3


def test_a_full_disk_is_not_tried_again(server: Loopback, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / f".{NAME}.part").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        get(server, tmp_path, clock=clock)
    assert clock.slept == []


# ---------------------------------------------------------------------------------------------- any later difference


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_a_file_that_differs_from_the_record_is_an_error(server: Loopback, tmp_path: Path) -> None:
    for wrong, said in ((CONTENT[:-1], "bytes"), (flipped(CONTENT), "md5")):
        (tmp_path / NAME).write_bytes(wrong)
        with pytest.raises(DataError, match=f"{said}.*remove it"):
            get(server, tmp_path)
        assert (tmp_path / NAME).read_bytes() == wrong  # it is the user's


def test_a_file_that_changed_is_an_error(server: Loopback, tmp_path: Path) -> None:
    get(server, tmp_path)
    (tmp_path / NAME).write_bytes(flipped(CONTENT))
    with pytest.raises(DataError, match="md5"):
        get(server, tmp_path)
    assert get(server, tmp_path, deep=False) == [tmp_path / NAME]  # the caller compares the digest
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match="bytes"):
        get(server, tmp_path, deep=False)


@pytest.mark.parametrize("change", ["content", "more", "less"])
def test_a_record_that_changed_is_an_error(server: Loopback, tmp_path: Path, change: str) -> None:
    get(server, tmp_path, "train*.tar")
    if change == "content":
        server.files[NAME] = flipped(CONTENT)
    elif change == "more":
        server.files["test_1.tar"] = CONTENT
    else:
        del server.files["README.md"]
    with pytest.raises(DataError, match="changed"):
        get(server, tmp_path, *ALL)
    assert not (tmp_path / NAME).exists()


def test_pins_shards_of_no_record(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    shard = shards.verify_shard(tmp_path / NAME)
    manifest.pin_shards(tmp_path, [shard])
    assert manifest.read_manifest(tmp_path) == {
        NAME: manifest.ManifestEntry(len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), samples=2)
    }
    before = (tmp_path / "manifest.json").stat().st_mtime_ns
    manifest.pin_shards(tmp_path, [shard])
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == before
    (tmp_path / NAME).write_bytes(FILES["train_0.tar"])
    with pytest.raises(DataError, match="has changed"):
        manifest.pin_shards(tmp_path, [shards.verify_shard(tmp_path / NAME)])


def test_a_folder_that_cannot_be_written_is_read_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.warns(UserWarning, match="cannot be recorded"):
        manifest.pin_shards(tmp_path, [shards.verify_shard(tmp_path / NAME)])
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {}}', '{"a": {"bytes": 1, "sha1": ""}}'])
def test_a_broken_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="manifest is broken"):
        manifest.read_manifest(tmp_path)


# ------------------------------------------------------------------------------------------------------ bad records

GOOD = {"key": "a.tar", "size": 3, "checksum": "md5:" + "0" * 32, "links": {"self": "https://zenodo.org/a b"}}


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        {"files": []},
        {"files": 3},
        {"id": 2, "files": [GOOD]},
        {"files": [GOOD, GOOD]},
        {"files": [GOOD | {"key": 7}]},
        {"files": [GOOD | {"size": -1}]},
        {"files": [GOOD | {"size": "3"}]},
        {"files": [GOOD | {"checksum": "sha1:" + "0" * 32}]},
        {"files": [GOOD | {"checksum": "md5:0"}]},
        {"files": [GOOD | {"links": {}}]},
        {"files": [None]},
    ],
    ids=str,
)
def test_a_bad_record_is_an_error(record: object) -> None:
    with pytest.raises(DataError):
        parse_files(record, "1", "here")


def test_a_good_record() -> None:
    assert parse_files({"id": 1, "files": [GOOD]}, "1", "") == (
        RemoteFile("a.tar", 3, "0" * 32, "https://zenodo.org/a%20b"),
    )


def test_not_json_and_not_there(server: Loopback, tmp_path: Path) -> None:
    server.faults["record"] = [Fault(body=b"<html>")]
    with pytest.raises(DataError, match="not a record"):
        get(server, tmp_path)
    server.faults["record"] = [Fault(cut_at=20), Fault(status=500)]
    assert len(get(server, tmp_path)) == 1
    with pytest.raises(DataError, match=r"no such file.*README\.md.*expected dev"):
        get(server, tmp_path, "dev*.tar")
    for record, message in (("1", "404"), ("../1", "bad record id")):
        with pytest.raises(DataError, match=message):
            fetch_files(record, (NAME,), tmp_path / "other", base_url=server.base_url, offline=False)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense", "http://[", "http://127.0.0.1:x/"]
)
def test_only_web_addresses(server: Loopback, tmp_path: Path, url: str) -> None:
    record = server.described()
    record["files"][2]["links"]["self"] = url
    server.record = record
    with pytest.raises(DataError, match=r"bad address|download failed"):
        get(server, tmp_path)


@pytest.mark.parametrize(
    "name", ["../x.tar", "a/b.tar", "/x.tar", "..", ".", "", "a\\b.tar", "C:x.tar", "a\0.tar", "\ud800"]
)
def test_unsafe_names_are_errors(server: Loopback, tmp_path: Path, name: str) -> None:
    assert not is_safe_name(name)
    server.record = {"id": RECORD, "files": [GOOD | {"key": name}]}
    with pytest.raises(DataError, match="unsafe file name"):
        get(server, tmp_path / "in", "*")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["manifest.json", ".hidden.tar", "..tar"])
def test_reserved_names_are_errors_only_when_wanted(server: Loopback, tmp_path: Path, name: str) -> None:
    server.files[name] = b"x"
    assert len(get(server, tmp_path)) == 1
    assert name not in manifest.read_manifest(tmp_path)
    with pytest.raises(DataError, match=r"reserved|no such file"):
        get(server, tmp_path, name)


@given(st.text(max_size=30))
def test_a_safe_name_stays_in_its_folder(name: str) -> None:
    folder = Path("/data/esc50")
    if is_safe_name(name):
        joined = Path(os.path.normpath(folder / name))
        assert joined.parent == folder
        assert joined.name == name


@given(st.text(max_size=40), st.floats(0, 2e9))
def test_retry_after_is_no_time_or_some(header: str, now: float) -> None:
    waited = parse_retry_after(header, now)
    assert waited is None or waited >= 0


@given(st.integers(0, 999_999), st.integers(0, 2_000_000_000))
def test_retry_after_says_the_same_both_ways(seconds: int, now: int) -> None:
    assert parse_retry_after(str(seconds), now) == seconds
    assert parse_retry_after(email.utils.formatdate(now + seconds, usegmt=True), now) == seconds
    assert parse_retry_after(email.utils.formatdate(now - seconds, usegmt=True), now) == 0
