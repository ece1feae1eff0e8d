"""Extraction: the same embedding alone and in any batch, the safe policy for unsafe encoders, nothing lost."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets import shards
from bench.discovery.bundled import find_bundled_encoders
from bench.extraction.batched_chunk import Progress
from bench.extraction.engine import local
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.pooled import compute_pooled_address, extract_embeddings
from bench.store.files import Store
from bench.types import DataError, Embeddings, Encoder, EncoderError, Policy, Shard, UnavailableError
from tests.helpers import toys
from tests.helpers.skips import skip_without_weights


class Mean(torch.nn.Module):
    """Frames of 160 samples and their mean value, twice: easy to predict."""

    sampling_rate, output_dim, hop_size_in_ms = toys.RATE, 2, 10.0

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, int]] = []

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        self.calls.append((len(audio), audio.shape[1]))
        return audio.unfold(1, 160, 160).mean(2, keepdim=True).expand(-1, -1, 2)


def load_toy(encoder: Encoder, policy: Policy = "padded") -> LoadedEncoder:
    return LoadedEncoder("mean", encoder, "0" * 64, toys.certificate(policy), "cpu", "fp32")


def ignore_progress(clips: int, encoded: bool) -> None:
    pass


def encode(
    shard: Shard, ready: LoadedEncoder, *, crop_in_s: float | None, threads: int, progress: Progress
) -> Embeddings:
    """Pooled embeddings of one shard, computed now."""
    with tempfile.TemporaryDirectory() as cache:
        how = {"crop_in_s": crop_in_s, "threads": threads, "progress": progress}
        return extract_embeddings([shard], ready, store=Store(Path(cache)), **how)  # type: ignore[arg-type]


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    folder = toys.write_dataset(tmp_path / "tones", {"test": 12})
    return shards.verify_shard(folder / "test_0000000.tar")


@pytest.mark.parametrize("policy", ["padded", "equal_length", "single"])
def test_pooled_over_valid_frames_in_shard_order(shard: Shard, policy: Policy) -> None:
    out = encode(shard, load_toy(Mean(), policy), crop_in_s=None, threads=2, progress=ignore_progress)
    expected = [toys.tone(i % 3, i, 0.2 + 0.02 * (i % 20)) / 32768 for i in range(12)]
    for row, audio in enumerate(expected):
        frames = audio[: len(audio) // 160 * 160].reshape(-1, 160).mean(1)
        assert out.vectors[row] == pytest.approx(frames.mean(), abs=1e-6)
    assert out.keys == tuple(f"test-{i:03d}" for i in range(12))
    assert out.seconds == pytest.approx([len(audio) / toys.RATE for audio in expected])


def test_all_crops_of_a_clip_count(shard: Shard) -> None:
    whole = encode(shard, load_toy(Mean()), crop_in_s=None, threads=1, progress=ignore_progress)
    cropped = encode(shard, load_toy(Mean()), crop_in_s=0.1, threads=1, progress=ignore_progress)
    assert whole.vectors.shape == cropped.vectors.shape
    assert np.abs(whole.vectors - cropped.vectors).max() < 0.01  # a mean of a tone, over nearly the same samples
    assert not np.array_equal(whole.vectors, cropped.vectors)


def test_an_unsafe_encoder_never_sees_padding(shard: Shard) -> None:
    encoder = Mean()
    encode(shard, load_toy(encoder, "equal_length"), crop_in_s=None, threads=1, progress=ignore_progress)
    assert all(size == 1 for size, _ in encoder.calls)  # every clip of this shard has a length of its own
    encoder = Mean()
    encode(shard, load_toy(encoder, "padded"), crop_in_s=None, threads=1, progress=ignore_progress)
    assert max(size for size, _ in encoder.calls) == 12


@pytest.mark.parametrize("name", sorted(find_bundled_encoders()))
def test_every_bundled_encoder_agrees_alone_and_in_any_batch(
    name: str, shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.extraction.loaded import load_encoder

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    try:
        ready = load_encoder(find_bundled_encoders()[name], device="cpu", precision="fp32", cache=tmp_path / "cache")
    except UnavailableError as error:
        skip_without_weights(name, error)
    failed = {check.name for check in ready.certificate.checks if not check.passed}
    assert failed == ({"whole clip used"} if name == "constant" else set())
    batched = encode(shard, ready, crop_in_s=None, threads=2, progress=ignore_progress)
    single = replace(ready, certificate=replace(ready.certificate, policy="single"))
    alone = encode(shard, single, crop_in_s=None, threads=1, progress=ignore_progress)
    scale = max(1.0, float(np.abs(alone.vectors).max()))
    assert np.abs(batched.vectors - alone.vectors).max() / scale <= 1e-5


def test_threads_do_not_change_a_bit(shard: Shard, tmp_path: Path) -> None:
    from bench.extraction.loaded import load_encoder

    for name in ("logmel", "random_conv"):
        ready = load_encoder(find_bundled_encoders()[name], device="cpu", precision="fp32", cache=tmp_path / "cache")
        one, four = (encode(shard, ready, crop_in_s=None, threads=n, progress=ignore_progress).vectors for n in (1, 4))
        assert one.tobytes() == four.tobytes()


def test_copies_share_weights_and_nothing_else() -> None:
    encoder = torch.nn.Linear(2, 2)
    encoder.state = []  # type: ignore[assignment]
    copies = local.copy_encoder(encoder, 2)  # type: ignore[arg-type]
    first, second = copies.get(), copies.get()
    assert first.weight is second.weight  # type: ignore[attr-defined]
    assert first.state is not second.state  # type: ignore[attr-defined]


class Broken(Mean):
    def __init__(self, shape: tuple[int, ...] | None = None, value: float = 0.0) -> None:
        super().__init__()
        self.shape, self.value = shape, value

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.full(self.shape or (len(audio), 3, 2), self.value)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Broken(value=float("nan")), r"output of mean: got 2 of 2 values NaN.*test_0000000.tar:test-000"),
        (Broken((12, 2)), r"mean output: got \[12, 2\], expected \[12, T >= 1, 2\]"),
        (Broken((12, 5, 3)), r"got \[12, 5, 3\]"),
        (Broken((12, 0, 2)), r"got \[12, 0, 2\]"),
        (Broken((1, 4, 2)), r"got \[1, 4, 2\]"),
    ],
)
def test_broken_output_names_the_clip_and_stores_nothing(
    encoder: Encoder, message: str, shard: Shard, tmp_path: Path
) -> None:
    store = Store(tmp_path / "cache")
    with pytest.raises(EncoderError, match=message):
        extract_embeddings([shard], load_toy(encoder), crop_in_s=None, store=store, threads=1, progress=ignore_progress)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_an_encoder_that_raises_is_told_by_the_clip(shard: Shard) -> None:
    class TooShort(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            raise RuntimeError("kernel larger than the clip\nand more")

    message = r"mean fails: got RuntimeError: kernel larger than the clip, .* 0\.42 s \[test_0000000\.tar:test-"
    with pytest.raises(EncoderError, match=message):
        encode(shard, load_toy(TooShort(), "single"), crop_in_s=None, threads=1, progress=ignore_progress)


def test_a_clip_that_does_not_decode_stops_its_shard(tmp_path: Path) -> None:
    from tests.datasets.test_shards import LABEL, SOUND, tar

    path = tar(tmp_path / "x.tar", [("a.flac", SOUND), ("a.json", LABEL), ("b.flac", b"junk"), ("b.json", LABEL)])
    with pytest.raises(DataError, match=r"clip does not decode.*x\.tar:b"):
        encode(shards.verify_shard(path), load_toy(Mean()), crop_in_s=None, threads=1, progress=ignore_progress)


def test_an_empty_shard_is_an_error(tmp_path: Path) -> None:
    from tests.datasets.test_shards import tar

    with pytest.raises(DataError, match="shard is empty"):
        encode(
            shards.verify_shard(tar(tmp_path / "x.tar", [])),
            load_toy(Mean()),
            crop_in_s=None,
            threads=1,
            progress=ignore_progress,
        )


def test_stored_under_all_that_matters(shard: Shard) -> None:
    base = load_toy(Mean())
    keys = {
        compute_pooled_address(shard, base, None),
        compute_pooled_address(shard, base, 5.0),
        compute_pooled_address(replace(shard, sha256="f" * 64), base, None),
        compute_pooled_address(shard, replace(base, fingerprint="1" * 64), None),
        compute_pooled_address(shard, replace(base, precision="bf16"), None),
        compute_pooled_address(shard, replace(base, device="cuda"), None),
    }
    assert len(keys) == 6
    assert compute_pooled_address(shard, replace(base, name="other", device="cpu:0"), None) == compute_pooled_address(
        shard, base, None
    )


def test_second_extraction_does_not_call_the_encoder(shard: Shard, tmp_path: Path) -> None:
    encoder, store, seen = Mean(), Store(tmp_path / "cache"), []

    def progress(clips: int, encoded: bool) -> None:
        seen.append((clips, encoded))

    for _ in range(2):
        out = extract_embeddings([shard], load_toy(encoder), crop_in_s=None, store=store, threads=1, progress=progress)
    assert len(encoder.calls) == 1
    assert seen == [(12, True), (12, False)]
    assert len(out.keys) == 12


def test_a_killed_run_goes_on_within_a_shard(shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.extraction.clip_chunks.CHUNK_IN_CLIPS", 5)
    store, counts = Store(tmp_path / "cache"), []

    class Dies(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().forward(audio, lengths)

    def run(encoder: Encoder) -> np.ndarray:
        found = extract_embeddings(
            [shard], load_toy(encoder), crop_in_s=None, store=store, threads=1, progress=lambda *n: counts.append(n)
        )
        return found.vectors

    with pytest.raises(KeyboardInterrupt):
        run(Dies())
    assert len(list((tmp_path / "cache").rglob("*.part-*"))) == 2
    encoder = Mean()
    resumed = run(encoder)
    assert [size for size, _ in encoder.calls] == [2]
    assert counts == [(5, True), (5, True), (5, False), (5, False), (2, True)]
    assert not list((tmp_path / "cache").rglob("*.part-*"))
    whole = encode(shard, load_toy(Mean()), crop_in_s=None, threads=1, progress=ignore_progress)
    assert resumed.tobytes() == whole.vectors.tobytes()
