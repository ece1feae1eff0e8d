"""Every member of a shard is part of a sample, of an ignored kind that is counted, or an error."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.datasets import shards
from bench.datasets.dataset import prepare_dataset
from bench.extraction.estimates import survey_tasks
from bench.types import DataError, Settings, Shard
from tests.datasets.test_tar import read, refuse
from tests.helpers import toys
from tests.helpers.tars import END, LABEL, SOUND, header, member, sample, save


def account(shard: Shard) -> tuple[int, int, int]:
    """Samples, ignored members and the rest, which must be nothing."""
    contents = shards.count_members(shard)
    ignored = contents.plain.total() + contents.ignored.total()
    return contents.samples, ignored, contents.members - 2 * contents.samples - ignored


@pytest.mark.parametrize(
    "key",
    [
        ".a",
        "..a",
        "__a__",
        "__key__",
        "__url__",
        "a.b",
        "a.b.c",
        "v1.2/a",
        "x.y/.z",
        "/a",
        "../a",
        "a/../b",
        "./a",
        "A",
        "a b",
        "-",
        "json",
        "flac.json",
    ],
)
def test_no_key_vanishes(tmp_path: Path, key: str) -> None:
    shard = save(tmp_path / "x.tar", sample("first"), sample(key), sample("last"), END)
    assert read(shard) == [(one, SOUND) for one in ("first", key, "last")]
    assert account(shard) == (3, 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]  # a name never becomes a path


@pytest.mark.parametrize(("audio", "sidecar"), [("FLAC", "json"), ("flac", "JSON"), ("Flac", "Json")])
def test_suffixes_of_any_case(tmp_path: Path, audio: str, sidecar: str) -> None:
    parts = [member(f"{key}.{audio}", SOUND) + member(f"{key}.{sidecar}", LABEL) for key in "ab"]
    shard = save(tmp_path / "x.tar", *parts, END)
    assert read(shard) == [("a", SOUND), ("b", SOUND)]


def test_hard_links_are_the_files_that_they_name(tmp_path: Path) -> None:
    parts = [
        sample("a", SOUND + b"1"),
        sample("b", SOUND + b"2"),
        header("c.flac", 0, type=b"1", link=b"a.flac") + header("c.json", 0, type=b"1", link=b"b.json"),
        header("d.flac", 0, type=b"1", link=b"./c.flac") + member("d.json", LABEL),
    ]
    shard = save(tmp_path / "x.tar", *parts, END)
    assert read(shard) == [("a", SOUND + b"1"), ("b", SOUND + b"2"), ("c", SOUND + b"1"), ("d", SOUND + b"1")]
    assert account(shard) == (4, 0, 0)


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_hard_links_as_tar_writes_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for suffix, content in (("flac", SOUND), ("json", LABEL)):
            path = tmp_path / f"{name}.{suffix}"
            path.write_bytes(content) if name == "a" else path.hardlink_to(tmp_path / f"a.{suffix}")
    names = ["a.flac", "a.json", "b.flac", "b.json"]
    subprocess.run(["tar", "-cf", "x.tar", *names], cwd=tmp_path, check=True)
    assert read(shards.verify_shard(tmp_path / "x.tar")) == [("a", SOUND), ("b", SOUND)]


def test_ignored_kinds_are_counted(tmp_path: Path) -> None:
    parts = [
        header("./", 0, type=b"5"),
        member("._a.flac", b"\0\5\x16\7"),
        member("a.cls", b"3") + member("a.flac", SOUND) + member("a.TXT", b"t") + member("a.json", LABEL),
        member("a.npy", b"\x93NUMPY") + member("a.seg.npy", b"\x93NUMPY"),
        member(".DS_Store", b"x") + member("__index__", b"y") + header("latest.lnk", 0, type=b"2", link=b"a.flac"),
        member("vol", b"", type=b"V") + member("old/", b"", type=b"\0"),
        sample("b"),
    ]
    shard = save(tmp_path / "x.tar", *parts, END)
    assert read(shard) == [("a", SOUND), ("b", SOUND)]
    assert account(shard) == (2, 11, 0)
    contents = shards.count_members(shard)
    assert contents.plain == {"folders": 2, "volume labels": 1}
    assert contents.ignored == {
        ".npy": 2,
        ".cls": 1,
        ".txt": 1,
        ".lnk": 1,
        "AppleDouble files (._*)": 1,
        "metadata (__*__)": 1,
        "hidden files": 1,
    }
    with pytest.warns(UserWarning, match=r"^x\.tar: members .* are ignored: 2 \.npy, 1 "):
        assert shards.count_and_report(shard) == 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((member("a.flac", SOUND), sample("b"), member("a.json", LABEL)), r"not adjacent: (.|\n)*--sort=name"),
        (
            (member("a.json", LABEL), member("b.json", LABEL), member("a.wav", b""), member("b.wav", b"")),
            r"not adjacent: .*\[x\.tar:a\]",
        ),
        (
            (member("a.flac", SOUND), member("a.WAV", SOUND), member("a.json", LABEL)),
            r"needs one audio file: got \['a\.flac', 'a\.WAV'\]",
        ),
        ((member("a.flac", SOUND), member("a.FLAC", SOUND), member("a.json", LABEL)), "needs one audio file"),
        ((member("a.flac", SOUND), member("a.json", LABEL), member("a.JSON", LABEL)), "needs one sidecar"),
        ((member("a.json", LABEL), member("a.json", LABEL), member("a.flac", SOUND)), r"corrupt: got a\.json twice"),
        ((sample("a"), sample("b"), sample("a")), "key comes twice: got a"),
        ((sample("a"), sample("b"), member("a.json", LABEL)), "key comes twice: got a"),
        ((member("a.m4a", SOUND), member("a.json", LABEL)), r"needs one audio file: got \['m4a'\]"),
        ((member("a.flac", SOUND), member("a.cls", b"1")), r"sidecar missing: got \['flac', 'cls'\]"),
        ((member("A.flac", SOUND), member("a.json", LABEL)), "sidecar missing"),
        ((member("a.m4a", SOUND), member("b.m4a", SOUND)), r"no sample in shard: got 2 \.m4a"),
        ((sample("a"), member("README", b"")), "unknown member: got README"),
        ((sample("a"), member("b.", b"")), r"unknown member: got b\."),
        ((sample("a"), member("", b"")), "unknown member: got a member without a name"),
        (
            (member("a.x.json", LABEL), member("a.flac", SOUND), member("a.json", LABEL)),
            "needs one audio file: got none",
        ),
    ],
)
def test_what_is_no_sample_is_one_clear_error(tmp_path: Path, parts: tuple[bytes, ...], message: str) -> None:
    refuse(save(tmp_path / "x.tar", *parts, END), message)


@pytest.mark.parametrize("content", [b"[" * 5000, b'{"a":' * 101 + b"1" + b"}" * 101, b"\xff", b"", b"1" * 5000])
def test_a_sidecar_that_nobody_can_read(tmp_path: Path, content: bytes) -> None:
    shard = save(tmp_path / "x.tar", member("a.flac", SOUND), member("a.json", content), END)
    for read_all in (shards.read_samples, shards.read_sample_refs):
        with pytest.raises(DataError, match=r"sidecar is no JSON: .*\[x\.tar:a\]"):
            list(read_all(shard))


def test_count_plan_and_reading_agree(tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones")
    path = folder / "test_0000000.tar"
    extra = member("test-011.cls", b"1") + sample(".hidden") + header("h.flac", 0, type=b"1", link=b".hidden.flac")
    content = path.read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512)
    save(path, content, extra, member("h.JSON", LABEL), END)
    settings = Settings("full", "strict", "cpu", "fp32", (0,), tmp_path / "cache", tmp_path, 1)
    (plan,) = survey_tasks([toys.task()], settings)
    assert [part.ignored for part in plan.parts if part.ignored] == ["1 .cls"]
    with pytest.warns(UserWarning, match=r"test_0000000\.tar: members .* ignored: 1 \.cls"):
        data = prepare_dataset(toys.task(), "full", cache=tmp_path / "cache", data=tmp_path)
    assert data.samples == {**toys.SPLIT_SIZES, "test": 14}
    assert plan.clips == sum(data.samples.values())
    assert sum(1 for _ in shards.read_samples(data.splits["test"][0])) == 14


def test_a_damaged_shard_is_found_before_anything_is_encoded(tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones")
    path = folder / "test_0000000.tar"
    content = bytearray(path.read_bytes())
    content[content.index(b"test-006.json")] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"shard is corrupt: .*checksum.* after test-006\.flac"):
        prepare_dataset(toys.task(), "full", cache=tmp_path / "cache", data=tmp_path)
    private = replace(toys.task(), private=True)
    with pytest.raises(DataError, match=r"shard is corrupt: .*checksum"):
        prepare_dataset(private, "full", cache=tmp_path / "cache", data=tmp_path)
