"""Compressed shards: unpacked once, known by their compressed bytes, and whole or an error."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.datasets import compressed, shards
from bench.datasets.compressed import inflate, unpack_shard
from bench.datasets.dataset import Dataset, check_complete, prepare_dataset
from bench.extraction.estimates import survey_tasks
from bench.types import DataError, Settings, ShardSet
from tests.helpers import toys
from tests.helpers.tars import END, SOUND, sample, save

TAR = sample("a") + sample("b") + END


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def test_read_as_the_tar_in_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar.gz", gzip.compress(TAR))
    shard = unpack_shard(path, tmp_path / "cache")
    assert [(one.key, one.audio) for one in shards.read_samples(shard)] == [("a", SOUND), ("b", SOUND)]
    assert (shard.sha256, shard.size, shard.name) == (shards.compute_sha256(path), path.stat().st_size, "x.tar.gz")
    assert shard.path.read_bytes() == TAR
    assert [one.where for one in shards.read_samples(shard)] == ["x.tar:a", "x.tar:b"]


def test_several_members_and_padding(tmp_path: Path) -> None:
    """As gzip files are joined, by cat or by bgzip, in pieces that end anywhere."""
    pieces = [gzip.compress(TAR[start : start + 700]) for start in range(0, len(TAR), 700)]
    for parts in (pieces, [*pieces, bytes(3000)], [gzip.compress(b""), *pieces]):
        shard = unpack_shard(write(tmp_path / "x.tgz", *parts), tmp_path / "cache")
        assert shard.path.read_bytes() == TAR


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_chunks_of_any_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "_CHUNK", 3)  # of what comes out, too
    content = b"x" * 500 + os.urandom(50)
    packed = gzip.compress(content) + gzip.compress(b"") + gzip.compress(content[::-1]) + bytes(9)
    chunks = (packed[start : start + size] for start in range(0, len(packed), size))
    assert b"".join(inflate(chunks, "x")) == content + content[::-1]


def list_keys(data: Dataset) -> dict[str, list[str]]:
    return {
        name: [one.key for shard in split for one in shards.read_samples(shard)] for name, split in data.splits.items()
    }


def damage() -> Iterator[tuple[str, bytes, str]]:
    whole = gzip.compress(TAR)
    for place, what in ((-1, "length check"), (-5, "data check"), (0, "header check")):
        content = bytearray(whole)
        content[place] ^= 1
        yield what, bytes(content), f"incorrect {what}"
    yield "trailer missing", whole[:-8], "cut short: got an early end"
    yield "half of the trailer", whole[:-3], "cut short: got an early end"
    yield "half", whole[: len(whole) // 2], "cut short: got an early end"
    yield "nothing", b"", "cut short: got an early end"
    yield "a tar", TAR, "incorrect header check"
    yield "other bytes after it", whole + b"PADDING", "incorrect header check"
    yield "other bytes after zeros", whole + bytes(600) + b"x", "incorrect header check"
    yield "a second member that ends early", whole + gzip.compress(TAR)[:-4], "cut short: got an early end"
    yield "half a tar", gzip.compress(TAR[: len(TAR) // 2]), "shard is cut short: got .*x.tar.gz"
    yield "no tar", gzip.compress(b"x" * 1024), "shard is cut short"
    yield "a tar.gz in a gz", gzip.compress(whole), "shard is compressed: got gzip"


@pytest.mark.parametrize(("content", "message"), [pytest.param(*rest, id=name) for name, *rest in damage()])
def test_damage_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "x.tar.gz", content)
    with pytest.raises(DataError, match=message) as caught:
        unpack_shard(path, tmp_path / "cache")
    assert "x.tar.gz" in str(caught.value)
    left = [one for one in (tmp_path / "cache").rglob("*") if one.is_file() and one.suffix != ".lock"]
    assert left == []


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
@pytest.mark.parametrize(
    ("magic", "kind"), [(b"\x1f\x8b", "gzip"), (b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz")]
)
def test_other_compression_is_named(tmp_path: Path, name: str, magic: bytes, kind: str) -> None:
    path = write(tmp_path / name, magic, bytes(1020))
    if name == "x.tar":
        with pytest.raises(DataError, match=f"shard is compressed: got {kind}"):
            shards.verify_shard(path)
    else:
        with pytest.raises(DataError, match=r"shard is corrupt|cut short"):
            unpack_shard(path, tmp_path / "cache")


def test_unpacked_once_and_again_when_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.tar.gz", gzip.compress(TAR))
    count = []
    original = compressed._unpack
    monkeypatch.setattr(compressed, "_unpack", lambda *given: count.append(1) or original(*given))
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(lambda _: unpack_shard(path, tmp_path / "cache"), range(8))
    assert all(one == first for one in others)
    assert len(count) == 1
    content = bytearray(first.path.read_bytes())
    content[700] ^= 1
    first.path.write_bytes(content)
    with pytest.warns(UserWarning, match="unpacked shard is damaged and unpacked again"):
        assert unpack_shard(path, tmp_path / "cache") == first
    assert first.path.read_bytes() == TAR
    with pytest.raises(DataError, match="shard is corrupt: got sha256"):
        unpack_shard(path, tmp_path / "cache", "0" * 64)


@pytest.mark.parametrize("suffix", ["tar.gz", "tgz"])
@pytest.mark.parametrize("private", [False, True])
def test_patterns_of_compressed_shards(tmp_path: Path, suffix: str, private: bool) -> None:
    """A dataset of compressed shards: the same samples, counts and plan as of the tars in it."""
    folder = toys.write_dataset(tmp_path / "plain" / "tones")
    (tmp_path / "packed" / "tones").mkdir(parents=True)
    for path in folder.glob("*.tar"):
        write(tmp_path / "packed" / "tones" / f"{path.stem}.{suffix}", gzip.compress(path.read_bytes()))
    task = toys.task(shards=ShardSet({split: f"{split}_*.{suffix}" for split in toys.SPLIT_SIZES}), private=private)
    settings = Settings("full", "strict", "cpu", "fp32", (0,), tmp_path / "cache", tmp_path / "packed", 1)
    (plan,) = survey_tasks([task], settings)
    assert not (tmp_path / "cache").exists()  # a plan writes nothing
    assert (plan.clips, plan.exact, plan.unknown) == (45, True, "")
    found = []
    for _ in range(2):
        data = prepare_dataset(task, "full", cache=tmp_path / "cache", data=tmp_path / "packed")
        assert data.samples == toys.SPLIT_SIZES
        found.append(list_keys(data))
        check_complete(task, data, "test", 12, "full")
    plain = prepare_dataset(toys.task(), "full", cache=tmp_path / "cache", data=tmp_path / "plain")
    assert found == 2 * [list_keys(plain)]
    assert survey_tasks([task], settings)[0].clips == 45
    if private:
        manifest = json.loads((tmp_path / "packed" / "tones" / "manifest.json").read_text())
        assert manifest[f"test_0000000.{suffix}"]["samples"] == 12
        path = tmp_path / "packed" / "tones" / f"test_0000000.{suffix}"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
        with pytest.raises(DataError, match="shard is corrupt: got sha256"):
            prepare_dataset(task, "full", cache=tmp_path / "cache", data=tmp_path / "packed")


def test_both_there_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "x.tar", TAR)
    write(tmp_path / "x.tar.gz", gzip.compress(TAR))
    assert [path.name for path in shards.find_shards(tmp_path, "*.tar")] == ["x.tar"]
    with pytest.raises(DataError, match=r"shard is there twice: got \['x\.tar', 'x\.tar\.gz'\]"):
        shards.find_shards(tmp_path, "x.tar*")
