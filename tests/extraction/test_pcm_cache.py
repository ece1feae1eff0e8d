"""Decoded audio that is kept: the same bits as decoded anew, whole or not there, one writer at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from bench.audio import decode
from bench.datasets import shards
from bench.extraction.frames import extract_frames
from bench.extraction.pcm_cache import PcmCache, _encode_wav, restore_clip
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from bench.types import Clip, DataError, Shard
from tests.datasets.test_shards import LABEL, SOUND, tar
from tests.extraction.test_pooled import Mean, ignore_progress, load_toy
from tests.helpers import toys

RATE = 16_000


def sound(audio: np.ndarray, rate: int, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format="FLAC", subtype=subtype)
    return buffer.getvalue()


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """Clips of 16 bits, of 24 bits, in stereo, and at another rate."""
    rng = np.random.default_rng(0)
    clips = [
        sound(rng.uniform(-1, 1, 900), toys.RATE, "PCM_16"),
        sound(rng.uniform(-1, 1, 800), toys.RATE, "PCM_24"),
        sound(rng.uniform(-1, 1, (700, 2)), toys.RATE, "PCM_16"),
        sound(rng.uniform(-1, 1, 2000), 2 * toys.RATE + 100, "PCM_16"),
    ]
    members = [
        (f"folder/clip-{i}.{kind}", content)
        for i, clip in enumerate(clips)
        for kind, content in (("flac", clip), ("json", b'{"label": "a", "of": [1, 2.5, null]}'))
    ]
    return shards.verify_shard(tar(tmp_path / "x.tar", members))


def embedded(shard: Shard, cache: Path, pcm_cache: PcmCache | None) -> tuple[bytes, object, object, object, object]:
    out = extract_embeddings(
        [shard],
        load_toy(Mean()),
        crop_in_s=0.1,
        store=Store(cache),
        threads=2,
        progress=ignore_progress,
        pcm_cache=pcm_cache,
    )
    return out.vectors.tobytes(), out.keys, out.seconds.tolist(), out.sidecars, out.digests


def read(sample: shards.Sample) -> Clip:
    return restore_clip(sample, decode.decode_resampled(sample.audio, RATE, where=sample.where), RATE)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40), st.booleans())
def test_every_clip_comes_back_bit_by_bit(values: list[float], short: bool) -> None:
    audio = np.array(values, dtype=np.float32)
    if short:
        audio = (np.clip(np.rint(audio * 8192), -32768, 32767) / 32768 + 0.0).astype(np.float32)
    data = _encode_wav(audio, RATE)
    assert soundfile.info(io.BytesIO(data)).subtype == "PCM_16" or not short
    told = {"sidecar": [1], "where": "x.tar:a", "seconds": 0.25, "digest": "ab"}
    clip = read(shards.Sample("a", data, told, "kept"))  # type: ignore[arg-type]
    assert clip.audio.tobytes() == audio.tobytes()
    assert (clip.key, clip.sampling_rate, clip.sidecar, clip.where, clip.seconds) == ("a", RATE, [1], "x.tar:a", 0.25)


def test_embeddings_do_not_depend_on_what_is_kept(
    shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = embedded(shard, tmp_path / "plain", None)
    kept = PcmCache(tmp_path / "audio")
    assert embedded(shard, tmp_path / "first", kept) == plain
    assert sorted(path.suffix for path in kept.folder.iterdir() if path.suffix != ".lock") == [".sha256", ".tar"]

    def never(*what: object, **how: object) -> np.ndarray:
        raise AssertionError("decoded again")

    monkeypatch.setattr("soxr.resample", never)
    assert embedded(shard, tmp_path / "second", kept) == plain
    frames = extract_frames(
        [shard],
        load_toy(Mean()),
        crop_in_s=None,
        store=Store(tmp_path),
        threads=1,
        progress=ignore_progress,
        pcm_cache=kept,
    )
    assert frames[0].keys == tuple(f"folder/clip-{i}" for i in range(4))


def test_another_rate_is_kept_beside_it(shard: Shard, tmp_path: Path) -> None:
    kept = PcmCache(tmp_path)
    assert kept.path(shard, 16_000) != kept.path(shard, 32_000)
    assert kept.find(shard, 16_000) is None


def test_damaged_audio_is_decoded_again(shard: Shard, tmp_path: Path) -> None:
    kept = PcmCache(tmp_path / "audio")
    plain = embedded(shard, tmp_path / "first", kept)
    path = kept.path(shard, toys.RATE)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(bytes(content))
    with pytest.warns(UserWarning, match="kept audio is damaged and is decoded again"):
        assert embedded(shard, tmp_path / "second", kept) == plain
    assert kept.find(shard, toys.RATE) is not None
    assert embedded(shard, tmp_path / "third", kept) == plain


def test_nothing_is_kept_of_a_shard_that_fails(tmp_path: Path) -> None:
    members = [("0.flac", SOUND), ("0.json", LABEL), ("1.flac", b"junk"), ("1.json", LABEL)]
    bad, kept = shards.verify_shard(tar(tmp_path / "x.tar", members)), PcmCache(tmp_path / "audio")
    with pytest.raises(DataError, match=r"clip does not decode.*x\.tar:1"):
        embedded(bad, tmp_path / "cache", kept)
    assert [path.suffix for path in kept.folder.iterdir()] == [".lock"]
    with FileLock(str(kept.path(bad, toys.RATE).with_suffix(".lock")), timeout=0):
        pass


def test_one_keeps_at_a_time(shard: Shard, tmp_path: Path) -> None:
    kept = PcmCache(tmp_path / "audio")
    clip = Clip("a", np.zeros(5, dtype=np.float32), RATE, {}, "x", 0.1)
    with kept.keep(shard, RATE) as first:
        with kept.keep(shard, RATE) as second:
            second(clip)
        assert kept.find(shard, RATE) is None
        first(clip)
    found = kept.find(shard, RATE)
    assert found is not None
    assert [read(sample).audio.tolist() for sample in shards.read_samples(found)] == [[0.0] * 5]


def test_a_killed_run_leaves_nothing_that_is_used(shard: Shard, tmp_path: Path) -> None:
    kept = PcmCache(tmp_path / "audio")

    def killed() -> Iterator[None]:
        with kept.keep(shard, RATE) as keep:
            keep(Clip("a", np.zeros(5, dtype=np.float32), RATE, {}, "x", 0.1))
            yield

    begun = killed()
    next(begun)
    begun.close()
    assert kept.find(shard, RATE) is None
    assert [path.suffix for path in kept.folder.iterdir()] == [".lock"]
