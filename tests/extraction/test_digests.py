"""The digest of a clip's decoded samples: that of its audio in any container, by any way of extraction."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.audio import decode
from bench.datasets import shards
from bench.extraction.frames import extract_frames
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from bench.types import Shard
from bench.xares import extraction as xares
from bench.xares.crops import CropOptions
from tasks.mini.write import encode_flac
from tests.datasets.test_shards import tar
from tests.extraction.test_pooled import Mean, ignore_progress, load_toy
from tests.helpers import toys

RATE = toys.RATE
TONE = toys.tone(1, 3, 0.5)
OTHER = toys.tone(1, 4, 0.5)


def write_wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    """Write 16-bit WAV with Python's own writer."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def write_soundfile(samples: np.ndarray, kind: str, subtype: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format=kind, subtype=subtype)
    return out.getvalue()


CONTAINERS = {
    "wav": write_wav(TONE),
    "wav of two equal channels": write_wav(np.stack([TONE, TONE], axis=1)),
    "flac": encode_flac(TONE, RATE),
    "flac of 24 bits": write_soundfile(TONE.astype(np.int32) << 16, "FLAC", "PCM_24"),
    "wav of floats": write_soundfile(TONE.astype(np.float32) / 32768, "WAV", "FLOAT"),
    "wav of doubles": write_soundfile(TONE / 32768, "WAV", "DOUBLE"),
    "wav of 32 bits": write_soundfile(TONE.astype(np.int32) << 16, "WAV", "PCM_32"),
}


def digest_of(data: bytes, rate: int = RATE) -> str:
    return decode.decode_resampled(data, rate, where="here").digest


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("rate", [RATE, 8000])
def test_one_digest_in_every_container_and_at_every_rate(name: str, rate: int) -> None:
    assert digest_of(CONTAINERS[name], rate) == digest_of(CONTAINERS["wav"])


def test_other_audio_has_another_digest() -> None:
    changed = TONE.copy()
    changed[-1] += 1
    others = [write_wav(OTHER), write_wav(TONE[:-1]), write_wav(changed), write_wav(TONE, 8000), write_wav(-TONE)]
    digests = {digest_of(data) for data in (CONTAINERS["wav"], *others)}
    assert len(digests) == 1 + len(others)


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    """Three clips, the first and the last of the same audio."""
    clips = {"a.wav": CONTAINERS["wav"], "b.flac": encode_flac(OTHER, RATE), "c.flac": CONTAINERS["flac"]}
    members = [
        part
        for name, content in clips.items()
        for part in ((name, content), (f"{name.partition('.')[0]}.json", b'{"label": "low"}'))
    ]
    return shards.verify_shard(tar(tmp_path / "x.tar", members))


def test_stored_with_embeddings_and_equal_by_every_way(shard: Shard, tmp_path: Path) -> None:
    loaded, expected = load_toy(Mean()), tuple(map(digest_of, (write_wav(TONE), write_wav(OTHER), write_wav(TONE))))
    ways = {"crop_in_s": None, "threads": 2, "progress": ignore_progress}
    for decoders, kept in ((0, None), (0, PcmCache(tmp_path / "pcm")), (0, PcmCache(tmp_path / "pcm")), (1, None)):
        for attempt in ("cold", "warm"):
            store = Store(tmp_path / f"{decoders}-{kept is None}")
            found = extract_embeddings([shard], loaded, store=store, decoders=decoders, pcm_cache=kept, **ways)
            assert found.digests == expected, (decoders, kept, attempt)
    for _ in range(2):
        (frames,) = extract_frames([shard], loaded, store=Store(tmp_path / "frames"), dtype="float16", **ways)
        assert frames.digests == expected
    for _ in range(2):
        made = xares.extract_embeddings(
            [shard],
            loaded,
            CropOptions(0.2, 4),
            store=Store(tmp_path / "xares"),
            threads=2,
            progress=ignore_progress,
        )
        clips = dict(zip(map(xares.parse_clip_key, made.keys), made.digests, strict=True))
        assert tuple(clips[key] for key in "abc") == expected
