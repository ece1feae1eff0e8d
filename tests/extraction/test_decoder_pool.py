"""Processes that decode: the bits and the errors of this process's threads, and none of them is left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio import decode
from bench.datasets import audio_lists, shards
from bench.extraction.engine.decoder_pool import DecoderPool, DecoderProcess, get_shared_pool
from bench.extraction.frames import extract_frames
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import extract_embeddings
from bench.plugin import scheduling
from bench.store.files import Store
from bench.types import BenchError, ChoiceError, DataError, Shard
from tasks.mini.write import encode_flac
from tests.datasets.test_shards import LABEL, SOUND, tar
from tests.extraction.test_pooled import Mean, ignore_progress, load_toy
from tests.helpers import toys
from tests.helpers.tars import END, header, member, save

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd_create (Linux)")


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    own = DecoderPool(2)
    yield own
    own.close()


@pytest.fixture(scope="module", autouse=True)
def _none_is_left() -> Iterator[None]:
    yield
    for count in (1, 2):
        get_shared_pool(count).close()


def shard_of(folder: Path, members: list[tuple[str, bytes]]) -> Shard:
    folder.mkdir(exist_ok=True)
    return shards.verify_shard(tar(folder / "x.tar", members))


@pytest.fixture
def mixed(tmp_path: Path) -> Shard:
    """Clips of several lengths, containers and rates."""
    members = []
    for index in range(9):
        rate = (toys.RATE, 22_050, 44_100)[index % 3]
        members += [(f"{index}.flac", encode_flac(toys.tone(index % 3, index, 0.1 + 0.07 * index, rate), rate))]
        members += [(f"{index}.json", json.dumps({"label": "ä", "of": [index, None, 0.1]}).encode())]
    return shard_of(tmp_path, members)


# ------------------------------------------------------------------------------------------------- bits


def test_embeddings_do_not_depend_on_who_decodes(mixed: Shard, tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones")
    found = [mixed, *(shards.verify_shard(path) for path in sorted(folder.glob("*.tar")))]
    how = {"crop_in_s": 0.2, "threads": 2, "progress": ignore_progress}
    seen = []
    for count in (0, 1, 2):
        out = extract_embeddings(found, load_toy(Mean()), store=Store(tmp_path / str(count)), decoders=count, **how)  # type: ignore[arg-type]
        seen.append((out.vectors.tobytes(), out.keys, out.seconds.tobytes(), out.sidecars))
        (part, *_) = extract_frames(
            found, load_toy(Mean()), store=Store(tmp_path / f"frames-{count}"), decoders=count, **how
        )  # type: ignore[arg-type]
        seen[-1] += (part.frames.tobytes(), part.spans.tobytes())  # type: ignore[assignment]
    assert seen[0] == seen[1] == seen[2]


def test_kept_audio_is_written_and_read(mixed: Shard, tmp_path: Path) -> None:
    how = {"crop_in_s": None, "threads": 1, "progress": ignore_progress}
    plain = extract_embeddings([mixed], load_toy(Mean()), store=Store(tmp_path / "0"), **how)  # type: ignore[arg-type]
    kept = PcmCache(tmp_path / "audio")
    for again in ("1", "2"):
        out = extract_embeddings(
            [mixed], load_toy(Mean()), store=Store(tmp_path / again), pcm_cache=kept, decoders=1, **how
        )  # type: ignore[arg-type]
        assert out.vectors.tobytes() == plain.vectors.tobytes()
        assert (out.keys, out.sidecars) == (plain.keys, plain.sidecars)
    assert kept.find(mixed, toys.RATE) is not None


def test_loose_files_are_read_where_they_lie(decoders: DecoderPool, tmp_path: Path) -> None:
    (tmp_path / "ä.flac").write_bytes(SOUND)
    told = {"folder": str(tmp_path), "files": [["k", "ä.flac", len(SOUND), {"label": 1}]]}
    listed = tmp_path / f"corpus{audio_lists.SUFFIX}"
    listed.write_text(json.dumps(told))
    shard = Shard(listed, "0" * 64, 1)
    (entry,), (sample,) = list(decoders.entries(shard)), list(shards.read_samples(shard))
    assert (entry.key, entry.sidecar, entry.where) == (sample.key, sample.sidecar, sample.where)
    ((audio, seconds, _),) = decoders.decode_resampled([entry], toys.RATE)
    assert audio.tobytes() == decode.decode_mono(SOUND, where="x")[0].tobytes()
    assert seconds == len(audio) / toys.RATE
    (tmp_path / "ä.flac").write_bytes(SOUND[:-1])
    with pytest.raises(DataError, match=r"file has changed: got .*ä\.flac"):
        list(decoders.entries(shard))
    with pytest.raises(DataError, match=r"file has changed: got .*ä\.flac"):
        decoders.decode_resampled([entry], toys.RATE)


@given(st.lists(st.tuples(st.binary(max_size=40), st.dictionaries(st.text(max_size=3), st.integers())), max_size=5))
@settings(max_examples=40)
def test_places_are_where_the_samples_are(made: list[tuple[bytes, dict[str, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        members = []
        for index, (audio, sidecar) in enumerate(made):
            members += [(f"{index}.wav", audio), (f"{index}.json", json.dumps(sidecar).encode())]
        shard = shard_of(Path(folder), members)
        there = [
            (e.key, shards.read_byte_range(e.byte_range), e.size, e.sidecar, e.where)
            for e in shards.read_sample_refs(shard)
        ]
        assert there == [(s.key, s.audio, s.size, s.sidecar, s.where) for s in shards.read_samples(shard)]


def test_more_audio_than_last_time(decoders: DecoderPool, tmp_path: Path) -> None:
    """The memory between two processes has no size of its own, and what it held before does not come back."""
    lengths = [10, 200_000, 7]
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, n).astype(np.int16) for n in lengths]
    members = [
        m for i, clip in enumerate(clips) for m in ((f"{i}.flac", encode_flac(clip, 8000)), (f"{i}.json", b"{}"))
    ]
    entries = list(decoders.entries(shard_of(tmp_path, members)))
    for chosen in ([0], [1, 0], [2], [0, 1, 2]):
        decoded = decoders.decode_resampled([entries[index] for index in chosen], 8000)
        for index, (audio, seconds, digest) in zip(chosen, decoded, strict=True):
            assert np.array_equal(audio * 32768, clips[index])
            assert seconds == lengths[index] / 8000
            assert digest == decode.compute_digest(audio, 8000)


# ----------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "members",
    [
        [("a.flac", SOUND)],
        [("a.flac", SOUND), ("a.json", b"{not json")],
        [("a.flac", SOUND), ("a.json", b"[" * 5000)],
        [("a.flac", SOUND), ("b.flac", SOUND), ("a.json", LABEL), ("b.json", LABEL)],  # with a remedy
        [("a.flac", SOUND), ("a.json", LABEL), ("b.flac", SOUND), ("b.json", LABEL)] * 2,
        [("noextension", SOUND)],
        [("a.flac", b"junk"), ("a.json", LABEL)],
        [("a.flac", SOUND), ("a.json", LABEL), ("b.flac", SOUND[:-20]), ("b.json", LABEL)],
    ],
)
def test_the_same_error_whoever_reads(members: list[tuple[str, bytes]], tmp_path: Path) -> None:
    shard = shard_of(tmp_path, members)
    told = []
    for count in (0, 1):
        with pytest.raises(DataError) as caught:
            extract_embeddings(
                [shard],
                load_toy(Mean()),
                crop_in_s=None,
                store=Store(tmp_path / str(count)),
                threads=1,
                progress=ignore_progress,
                decoders=count,
            )
        told.append(re.sub(r"opening \d+", "opening a file", str(caught.value)))
    assert told[0] == told[1]


def test_a_listing_that_ends_in_an_error_or_early_is_not_mixed_up_with_the_next(
    decoders: DecoderPool, mixed: Shard, tmp_path: Path
) -> None:
    bad = shard_of(tmp_path / "bad", [("a.flac", SOUND), ("a.json", LABEL), ("b.flac", SOUND)])
    with pytest.raises(DataError, match="sidecar missing"):
        list(decoders.entries(bad))
    begun = decoders.entries(mixed)
    assert next(begun).key == "0"
    assert [entry.key for entry in decoders.entries(mixed)] == [str(i) for i in range(9)]


@pytest.mark.parametrize("what", ["decode_resampled", "entries"])
def test_one_that_dies_is_one_clear_error_and_is_replaced(what: str, mixed: Shard) -> None:
    entries = list(shards.read_sample_refs(mixed))
    decoder = DecoderProcess()
    ask = {
        "decode_resampled": lambda: decoder.decode_resampled(entries, toys.RATE),
        "entries": lambda: list(decoder.entries(mixed)),
    }[what]
    try:
        assert len(ask()) == 9
        os.kill(decoder.start().process.pid, signal.SIGKILL)
        with pytest.raises(DataError, match=r"a decoding process is gone: got exit status -9.*x\.tar"):
            ask()
        assert len(ask()) == 9
    finally:
        decoder.close()


def test_whatever_goes_wrong_in_one_is_one_clear_error(mixed: Shard, tmp_path: Path) -> None:
    """A path that cannot be a path; the process goes on to answer."""
    entries = list(shards.read_sample_refs(mixed))
    bad = replace(entries[0], byte_range=shards.ByteRange("x\0.tar", 0, 1))
    decoder = DecoderProcess()
    try:
        with pytest.raises(DataError, match=r"a decoding process failed: got ValueError: .*null byte.*x\.tar"):
            decoder.decode_resampled([bad], toys.RATE)
        pid = decoder.start().process.pid
        assert len(decoder.decode_resampled(entries, toys.RATE)) == 9
        assert decoder.start().process.pid == pid
    finally:
        decoder.close()


def test_suffixes_of_any_case_and_hard_links_are_listed(decoders: DecoderPool, tmp_path: Path) -> None:
    parts = [member("a.FLAC", SOUND), member("a.JSON", LABEL), member("a.cls", b"1")]
    parts += [header("b.flac", 0, type=b"1", link=b"a.FLAC"), header("b.json", 0, type=b"1", link=b"a.JSON"), END]
    entries = list(decoders.entries(save(tmp_path / "x.tar", *parts)))
    assert [(one.key, one.sidecar) for one in entries] == [("a", {"label": "low"}), ("b", {"label": "low"})]
    first, second = decoders.decode_resampled(entries, toys.RATE)
    assert first.audio.tobytes() == second.audio.tobytes()


def test_one_that_cannot_be_started_is_one_clear_error(mixed: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*what: object, **how: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    there = descriptors()
    monkeypatch.setattr("subprocess.Popen", full)
    with pytest.raises(BenchError, match="cannot start a decoding process: got Resource temporarily unavailable"):
        list(DecoderProcess().entries(mixed))
    assert descriptors() <= there


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_they_end_with_the_process_that_asked_them(tmp_path: Path) -> None:
    script = (
        "import time; from bench.extraction.engine.decoder_pool import get_shared_pool\n"
        "pool = get_shared_pool(2); pool.start()\n"
        "print(*(one.start().process.pid for one in pool.each), flush=True); time.sleep(60)"
    )
    running = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert running.stdout is not None
    pids = [int(pid) for pid in running.stdout.readline().split()]
    running.kill()
    running.wait()
    running.stdout.close()
    until = time.monotonic() + 60
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # nobody may have asked for its exit status


# ---------------------------------------------------------------------------------------------- options


class Config:
    """Of a run with so many workers on a machine of eight cores."""

    def __init__(self, asked: int | None, workers: int = 1) -> None:
        self.asked, self.option = asked, self
        self.numprocesses = workers

    def getoption(self, name: str) -> int | None:
        return {"decoders": self.asked}[name]


@pytest.mark.parametrize(
    ("asked", "workers", "device", "expected"),
    [
        (None, 1, "cpu", 0),
        (None, 1, "cuda:1", 7),
        (None, 4, "cuda", 1),
        (None, 16, "cuda", 1),
        (3, 4, "cpu", 3),
        (0, 1, "cuda", 0),
    ],
)
def test_how_many(asked: int | None, workers: int, device: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert scheduling.count_decoders(Config(asked, workers), device) == expected  # type: ignore[arg-type]


def test_where_the_system_cannot_they_are_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert scheduling.count_decoders(Config(None), "cuda") == 0  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="--decoders: got 2, expected 0, or Linux"):
        scheduling.count_decoders(Config(2), "cpu")  # type: ignore[arg-type]
