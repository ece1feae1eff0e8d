"""Finding, verifying and reading shards; every fault is one clear error."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets import shards
from bench.types import DataError
from tasks.mini.write import encode_flac
from tests.helpers import toys


def tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


SOUND = encode_flac(toys.tone(0, 0, 0.1), toys.RATE)
LABEL = json.dumps({"label": "low"}).encode()


def test_reads_what_was_written(tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones")
    (found,) = shards.find_shards(folder, "test_*.tar")
    shard = shards.verify_shard(found)
    read = list(shards.read_samples(shard))
    assert [sample.key for sample in read] == [f"test-{i:03d}" for i in range(12)]
    assert shards.count_samples(shard) == 12
    assert read[4].sidecar == {"label": "middle", "speaker": "test2"}
    assert len(shards.find_shards(folder, "train_*.tar")) == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.flac", SOUND)], "sidecar missing"),
        ([("a.json", LABEL)], "sample needs one audio file"),
        ([("a.flac", SOUND), ("a.wav", SOUND), ("a.json", LABEL)], "sample needs one audio file"),
        ([("a.flac", SOUND), ("a.json", b"{not json")], "sidecar is no JSON"),
        ([("a.flac", SOUND), ("a.json", b'{"label": "cat", "label": "dog"}')], "the key 'label' comes twice"),
        ([("a.flac", SOUND), ("a.json", b'[{"label": "a", "onset": 0, "onset": 1}]')], "the key 'onset' comes twice"),
        ([("a.flac", SOUND), ("a.json", LABEL), ("b.flac", SOUND), ("b.json", LABEL)] * 2, "key comes twice"),
        ([("a.flac", SOUND), ("a.flac", SOUND), ("a.json", LABEL)], "shard is corrupt"),
        ([("noextension", SOUND)], "unknown member"),
    ],
)
def test_malformed_samples(tmp_path: Path, members: list[tuple[str, bytes]], message: str) -> None:
    shard = shards.verify_shard(tar(tmp_path / "x.tar", members))
    with pytest.raises(DataError, match=message):
        list(shards.read_samples(shard))


def test_a_sparse_member_is_an_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as out:
        info = tarfile.TarInfo("a.flac")
        info.size = len(SOUND)
        info.pax_headers = {"GNU.sparse.map": f"0,{len(SOUND)}", "GNU.sparse.size": str(2 * len(SOUND))}
        out.addfile(info, io.BytesIO(SOUND))
    with pytest.raises(DataError, match=r"shard is corrupt: got a\.flac is sparse"):
        list(shards.read_samples(shards.verify_shard(tmp_path / "x.tar")))


def test_verified_in_their_order_by_any_number_of_threads(tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones")
    paths = shards.find_shards(folder, "*.tar")
    one = shards.verify_shards(paths, {}, 1)
    assert one == tuple(shards.verify_shard(path) for path in paths) == shards.verify_shards(paths, {}, 3)
    with pytest.raises(DataError, match=rf"shard is corrupt.*{paths[1].name}"):
        shards.verify_shards(paths, {paths[0].name: one[0].sha256, paths[1].name: one[0].sha256}, 3)


def test_a_member_name_never_becomes_a_path(tmp_path: Path) -> None:
    shard = shards.verify_shard(tar(tmp_path / "x.tar", [("../../evil.flac", SOUND), ("../../evil.json", LABEL)]))
    (sample,) = shards.read_samples(shard)
    assert sample.key == "../../evil"
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cut=st.floats(0.0, 0.999))
def test_every_truncation_is_noticed(tmp_path: Path, cut: float) -> None:
    whole = tar(tmp_path / "x.tar", [(f"{i}.{e}", c) for i in range(3) for e, c in (("flac", SOUND), ("json", LABEL))])
    data = whole.read_bytes()
    content = len(data.rstrip(b"\0"))
    (tmp_path / "cut.tar").write_bytes(data[: int(content * cut)])
    with pytest.raises(DataError, match="cut short"):
        shards.verify_shard(tmp_path / "cut.tar")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", [("a.flac", SOUND), ("a.json", LABEL)])
    digest = shards.verify_shard(path).sha256
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="shard is corrupt"):
        shards.verify_shard(path, digest)


def test_no_folder_and_no_shard_name_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        shards.find_shards(tmp_path / "nowhere", "*.tar")
    (tmp_path / "other.tar").touch()
    with pytest.raises(DataError, match=r"other\.tar.*train_\*\.tar"):
        shards.find_shards(tmp_path, "train_*.tar")
