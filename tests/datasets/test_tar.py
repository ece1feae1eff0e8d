"""A tar is read to its end: every format, every kind of member, and no damage that ends it early."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.datasets import shards
from bench.datasets.tar import Member, walk_tar
from bench.types import DataError, Shard
from tests.helpers.tars import END, LABEL, SOUND, header, member, pack, record, sample, save, seal

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
LONG = "folder-of-a-long-name/" * 9 + "ä" * 60


def read(shard: Shard) -> list[tuple[str, bytes]]:
    """Keys and audio, after all ways of reading have agreed."""
    samples = list(shards.read_samples(shard))
    refs = list(shards.read_sample_refs(shard))
    assert [(one.key, one.sidecar, one.where) for one in samples] == [(one.key, one.sidecar, one.where) for one in refs]
    assert [one.audio for one in samples] == [shards.read_byte_range(ref.byte_range) for ref in refs]
    assert shards.count_samples(shard) == len(samples)
    return [(one.key, one.audio) for one in samples]


def walk(shard: Shard) -> list[Member]:
    with shard.path.open("rb") as file:
        return list(walk_tar(file, shard.path))


def refuse(shard: Shard, message: str) -> None:
    """All ways of reading give the same error."""
    ways: tuple[Callable[[Shard], object], ...] = (
        lambda one: list(shards.read_samples(one)),
        lambda one: list(shards.read_sample_refs(one)),
        shards.count_samples,
    )
    errors = []
    for way in ways:
        with pytest.raises(DataError, match=message) as caught:
            way(shard)
        errors.append(str(caught.value))
    assert len(set(errors)) == 1


# --------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", ["a", "x" * 95, "d/" * 70 + "x", LONG, "ä", "sp ace", "a" * 300])
def test_names_of_any_length_in_every_format(tmp_path: Path, form: int, key: str) -> None:
    if form == tarfile.USTAR_FORMAT and (key == LONG or len(key) > 255):
        pytest.skip("no such name in ustar")
    members = [
        (f"{one}.{suffix}", content) for one in (key, "z") for suffix, content in (("flac", SOUND), ("json", LABEL))
    ]
    assert read(shards.verify_shard(pack(tmp_path / "x.tar", members, form))) == [(key, SOUND), ("z", SOUND)]


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax"])
@pytest.mark.parametrize("blocking", [1, 20, 200])
def test_what_tar_writes(tmp_path: Path, form: str, blocking: int) -> None:
    folder = tmp_path / "in" / "sub"
    folder.mkdir(parents=True)
    keys = ["a", "b", "c" * 60]
    for key in keys:
        (folder / f"{key}.flac").write_bytes(SOUND)
        (folder / f"{key}.json").write_bytes(LABEL)
    command = ["tar", f"--format={form}", "--sort=name", "-b", str(blocking), "-cf", "x.tar", "-C", "in", "."]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read(shards.verify_shard(tmp_path / "x.tar")) == [(f"./sub/{key}", SOUND) for key in keys]


def test_webdataset_reads_the_same_of_healthy_shards(tmp_path: Path) -> None:
    import webdataset
    from webdataset.tariterators import group_by_keys, tar_file_expander

    with webdataset.ShardWriter(str(tmp_path / "x-%02d.tar"), maxcount=40, verbose=0) as out:
        for index in range(100):
            key = f"part{index // 30}/clip{index:03d}"
            out.write({"__key__": key, "flac": SOUND + bytes([index]), "json": {"label": index}})
    paths = sorted(tmp_path.glob("*.tar"))
    assert len(paths) == 3
    for path in paths:
        with path.open("rb") as stream:
            others = list(group_by_keys(tar_file_expander([{"url": str(path), "stream": stream}])))
        assert read(shards.verify_shard(path)) == [(one["__key__"], one["flac"]) for one in others]


def test_headers_by_hand(tmp_path: Path) -> None:
    """Old magic, prefixes, both checksums, numbers in base 256 and with spaces, contiguous files."""
    size = len(SOUND)
    base256 = b"\x80" + size.to_bytes(11, "big")
    old = b"\0" * 8  # no magic: v7
    parts = [
        header("a.flac", base256) + SOUND + bytes(-size % 512) + member("a.json", LABEL, magic=old, type=b"\0"),
        header("b.flac", b"%10o  " % size) + SOUND + bytes(-size % 512) + member("b.json", LABEL, type=b"7"),
        member("ü.flac".encode(), SOUND, signed=b"y") + member("ü.json".encode(), LABEL),
        member("d.flac", SOUND, prefix=b"p/q") + member("d.json", LABEL, prefix=b"p/q"),
        # GNU tar keeps times where others have a prefix
        member("e.flac", SOUND, magic=b"ustar  \0", prefix=b"13371337") + member("e.json", LABEL, magic=b"ustar  \0"),
        member(b"f\xff.flac", SOUND) + member(b"f\xff.json", LABEL),
    ]
    keys = ["a", "b", "ü", "p/q/d", "e", "f\udcff"]
    assert read(save(tmp_path / "x.tar", *parts, END)) == [(key, SOUND) for key in keys]


def test_extended_headers_by_hand(tmp_path: Path) -> None:
    """Records of pax name, size and link the next member only; global ones every member, unless it has its own."""
    long = "n" * 200
    path, size = record("path", f"{long}.flac"), record("size", str(len(SOUND)))
    parts = [
        member("pax", path + size + record("comment", "ö=\n1"), type=b"x"),
        header("short.flac", 0) + SOUND + bytes(-len(SOUND) % 512),
        member("pax", record("path", f"{long}.json"), type=b"X") + member("short.json", LABEL),
        member("g", record("comment", "everything") + record("mtime", "1.5"), type=b"g"),
        sample("b"),
        member("././@LongLink", f"{long}2.flac\0".encode(), type=b"L") + member("n", SOUND, magic=b"ustar  \0"),
        member("././@LongLink", f"{long}2.json\0".encode(), type=b"L") + member("n", LABEL, magic=b"ustar  \0"),
        member("././@LongLink", f"{long}2.flac\0".encode(), type=b"K") + header("c.flac", 0, type=b"1", link=b"n"),
        member("pax", record("linkpath", f"{long}2.json"), type=b"x") + header("c.json", 0, type=b"1", link=b"n"),
    ]
    shard = save(tmp_path / "x.tar", *parts, END)
    assert read(shard) == [(long, SOUND), ("b", SOUND), (f"{long}2", SOUND), ("c", SOUND)]


def test_every_member_is_counted(tmp_path: Path) -> None:
    """As many as a count of headers by another reader."""
    members = [(f"{LONG}{i}.{kind}", what) for i in range(7) for kind, what in (("flac", SOUND), ("json", LABEL))]
    path = pack(tmp_path / "x.tar", [*members, ("folder/z.cls", b"3"), ("._a.flac", b"?")], tarfile.GNU_FORMAT)
    contents = shards.count_members(shards.verify_shard(path))
    long_names = path.read_bytes().count(b"././@LongLink")
    assert (contents.samples, contents.plain.total(), contents.ignored.total()) == (7, long_names, 2)
    with tarfile.open(path) as archive:
        assert contents.members == 2 * 7 + 2 + long_names == len(archive.getmembers()) + long_names


# ---------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("bit", range(0, 512 * 8, 41))
def test_a_flipped_bit_in_a_header_is_an_error(tmp_path: Path, bit: int) -> None:
    content = bytearray(sample("a") + sample("b") + sample("c") + END)
    start = len(sample("a"))
    content[start + bit // 8] ^= 1 << bit % 8
    shard = save(tmp_path / "x.tar", content)
    if 154 * 8 <= bit < 156 * 8:  # what ends the checksum is not part of it
        return
    refuse(shard, rf"shard is corrupt: got a .*checksum.* at byte {start}, after a\.json")


def test_a_run_of_zeros_is_an_error(tmp_path: Path) -> None:
    whole = sample("a") + sample("b") + sample("c") + END
    start = len(sample("a"))
    for zeros in (512, 1024, 4096):
        damaged = whole[:start] + bytes(zeros) + whole[start + zeros :]
        refuse(save(tmp_path / "x.tar", damaged), "shard is corrupt|shard goes on after its end mark")
        longer = whole[:start] + bytes(zeros) + whole[start:]
        message = f"a lone zero block at byte {start}" if zeros == 512 else f"other bytes at byte {start + zeros}"
        refuse(save(tmp_path / "x.tar", longer), message)


def test_joined_by_cat_names_what_joins(tmp_path: Path) -> None:
    for padding in (b"", bytes(9 * 1024)):
        shard = save(tmp_path / "x.tar", sample("a"), END, padding, sample("b"), END)
        refuse(shard, r"goes on after its end mark: (.|\n)*tar -A")


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_joined_by_tar_is_read_whole(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.tar", sample(name), END)
    subprocess.run(["tar", "-A", "-f", "a.tar", "b.tar"], cwd=tmp_path, check=True)
    assert read(shards.verify_shard(tmp_path / "a.tar")) == [("a", SOUND), ("b", SOUND)]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((sample("a"),), "cut short: got its end at byte"),
        ((sample("a"), bytes(512)), "half an end mark"),
        ((sample("a"), bytes(1023)), "half an end mark|lone zero block"),
        ((sample("a"), sample("b")[:700], END), "cut short|checksum"),
        ((header("a.flac", 1 << 20) + SOUND, END), r"a\.flac, cut short to \d+ of 1048576 bytes"),
        ((header("a.flac", b"\x80" + b"\x7f" * 11), END), r"a\.flac, cut short to 1024 of"),
        ((header("a.flac", b"\xff" * 12), END), "a negative size"),
        ((header("a.flac", b"12345x78901\0"), END), "a size that is no number"),
        ((header("a.flac", b"000000_0700\0"), END), "a size that is no number"),
        ((member("x", b"17 path=a.flac", type=b"x"), sample("a"), END), "damaged pax record"),
        ((member("x", b"no length", type=b"x"), sample("a"), END), "damaged pax record"),
        ((member("x", record("path", "b") + b"\0junk", type=b"x"), sample("a"), END), "bytes after its records"),
        ((member("x", record("size", "-1"), type=b"x"), sample("a"), END), "size '-1' in an extended header"),
        ((member("x", record("size", "9" * 5000), type=b"x"), sample("a"), END), "size '9+' in an extended header"),
        ((member("x", record("path", "b.flac"), type=b"x"), END), "an extended header without a member"),
        (
            (member("L", b"a\0", type=b"L"), member("L", b"b\0", type=b"L"), sample("a"), END),
            "path of one member twice",
        ),
        ((header("x", b"77777777777\0", type=b"x"), sample("a"), END), "an extended header of 8589934591 bytes"),
        ((member("a.flac", SOUND, type=b"S"), END), r"a\.flac is sparse"),
        ((member("a.flac", SOUND, type=b"M"), END), r"a\.flac is continued from another volume"),
        ((member("a.flac", SOUND, type=b"Q"), END), r"a\.flac of unknown type 'Q'"),
        ((header("a.flac", 0, type=b"1", link=b"b.flac"), sample("b"), END), r"hard link a\.flac to b\.flac, which no"),
        ((sample("a"), bytes(5 << 20)), "shard ends in zeros"),
        (
            (header("a.flac", 0, type=b"2", link=b"b"), member("a.json", LABEL), END),
            r"member is a symbolic link: got a",
        ),
        ((header("a.json", 0, type=b"3"), END), "member is a device"),
        ((header("a.wav", 0, type=b"6"), END), "member is a named pipe"),
    ],
)
def test_damage_and_what_is_no_file(tmp_path: Path, parts: tuple[bytes, ...], message: str) -> None:
    refuse(save(tmp_path / "x.tar", *parts), message)


def test_a_header_that_is_whole_but_says_another_size(tmp_path: Path) -> None:
    """The next header is not where it should be, or beyond the end."""
    first = len(header("a.flac", 0))
    for size in (0, 1, len(SOUND) // 2, len(SOUND) + 512, 1 << 30):
        content = bytearray(sample("a") + sample("b") + END)
        content[124:136] = b"%011o\0" % size
        content[:first] = seal(content[:first])
        refuse(save(tmp_path / "x.tar", content), "shard is corrupt|goes on after")


def test_names_never_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    name = "a\x1b]0;title\x07\u202e"
    for parts in (
        (member(f"{name}.flac", SOUND),),
        (member(f"{name}.flac", SOUND), member(f"{name}.json", b"{")),
        (member(name, SOUND),),
        (sample(name), sample(name)),
        (header(f"{name}.json", 0, type=b"2", link=name.encode()),),
        (member(f"{name}.flac", SOUND, type=b"S"),),
        (sample(name), b"x" * 512),
        (member(f"q.{name}", b""),),
    ):
        with pytest.raises(DataError) as caught:
            list(shards.read_samples(save(tmp_path / "x.tar", *parts, END)))
        assert str(caught.value).replace("\n", "").isprintable()


def test_an_empty_tar_has_no_samples(tmp_path: Path) -> None:
    shard = save(tmp_path / "x.tar", END, bytes(9 * 1024))
    assert (walk(shard), read(shard)) == ([], [])


def test_between_members_the_caller_may_seek(tmp_path: Path) -> None:
    shard = save(tmp_path / "x.tar", sample("a"), sample("b"), END)
    names = []
    with shard.path.open("rb") as file:
        for one in walk_tar(file, shard.path):
            file.seek(0, io.SEEK_END)
            names.append(one.name)
    assert names == ["a.flac", "a.json", "b.flac", "b.json"]
