"""Frames: when each is, stored whole or not at all, mapped and not copied, the same in any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets import shards
from bench.extraction.batched_chunk import Piece
from bench.extraction.engine import local
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.frames import compute_frames_address, extract_frames, time_frames
from bench.extraction.pooled import compute_pooled_address
from bench.store import frame_files
from bench.store.files import Store
from bench.store.frame_files import Frames, FrameStore, FrameWriter
from bench.types import Clip, DataError, Encoder, EncoderError, Policy, Shard
from tasks.mini.write import write_shards
from tests.extraction.test_pooled import Broken, Mean, ignore_progress
from tests.helpers import toys


def load_toy(encoder: Encoder, policy: Policy = "padded") -> LoadedEncoder:
    return LoadedEncoder("mean", encoder, "0" * 64, toys.certificate(policy), "cpu", "fp32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tones").mkdir()
    write_shards(tmp_path / "tones", "test", toys.samples("test", 12), per_shard=6)
    return tmp_path / "tones"


@pytest.fixture
def toy_shards(folder: Path) -> list[Shard]:
    return [shards.verify_shard(path) for path in sorted(folder.glob("*.tar"))]


def extract_all(
    toy_shards: list[Shard], ready: LoadedEncoder, cache: Path, crop_in_s: float | None = None
) -> list[Frames]:
    return extract_frames(
        toy_shards, ready, crop_in_s=crop_in_s, store=Store(cache), threads=2, progress=ignore_progress
    )


@pytest.mark.parametrize("policy", ["padded", "equal_length", "single"])
def test_every_valid_frame_with_its_time(toy_shards: list[Shard], policy: Policy, tmp_path: Path) -> None:
    parts = extract_all(toy_shards, load_toy(Mean(), policy), tmp_path)
    assert [len(part.keys) for part in parts] == [6, 6]
    for at in range(12):
        part, index = parts[at // 6], at % 6
        frames, spans = part.clip(index)
        audio = toys.tone(at % 3, at, 0.2 + 0.02 * at) / 32768
        wanted = audio[: len(audio) // 160 * 160].reshape(-1, 160).mean(1)
        assert frames[:, 0] == pytest.approx(wanted, abs=1e-6)
        assert spans[:, 0] == pytest.approx(0.01 * np.arange(len(wanted)))
        assert spans[-1, 1] == part.seconds[index] == len(audio) / toys.RATE
        assert part.keys[index] == f"test-{at:03d}"
        assert part.sidecars[index]["label"] == toys.CLASSES[at % 3]


def test_frames_of_crops_know_when_they_are(toy_shards: list[Shard], tmp_path: Path) -> None:
    whole = extract_all(toy_shards, load_toy(Mean()), tmp_path)[0]
    cropped = extract_all(toy_shards, load_toy(Mean()), tmp_path, crop_in_s=0.15)[0]
    for index in range(6):
        frames, spans = cropped.clip(index)
        every, times = whole.clip(index)
        assert spans[:, 1].max() == cropped.seconds[index]
        at = [int(np.argmin(np.abs(times[:, 0] - start))) for start in spans[:, 0]]
        same = np.abs(times[at, 0] - spans[:, 0]) < 1e-9
        assert same.sum() >= 15
        assert np.array_equal(frames[same], every[at][same])


def test_resampling_does_not_move_the_end(tmp_path: Path) -> None:
    """At 22050 Hz a clip of n samples at 16 kHz ends between two samples; its seconds are those of the file."""
    from tasks.mini.write import Sample

    audio = np.zeros(22051, dtype=np.int16)
    write_shards(tmp_path, "test", [Sample("a", audio, 22050, {"label": "low"})])
    part = extract_all([shards.verify_shard(tmp_path / "test_0000000.tar")], load_toy(Mean()), tmp_path / "cache")[0]
    assert part.seconds[0] == 22051 / 22050
    assert part.spans[-1, 1] == part.seconds[0]


def test_frames_outside_the_clip_are_left_out_and_its_end_is_that_of_the_file() -> None:
    output = np.arange(5, dtype=np.float32)[:, None]
    clip = Clip("a", np.zeros(320, dtype=np.float32), toys.RATE, {}, "x", 320 / toys.RATE)
    frames, spans = time_frames(output, Piece(0, 0, clip.audio), clip, toys.certificate(hop=160.0, first=-320.0))
    assert frames[:, 0].tolist() == [1, 2, 3]
    assert spans == pytest.approx(np.array([[0, 80], [80, 240], [240, 320]]) / toys.RATE)
    short = replace(clip, audio=clip.audio[:4], seconds=3.3 / toys.RATE)  # resampling rounded 3.3 samples up
    _, spans = time_frames(output, Piece(0, 0, short.audio), short, toys.certificate(hop=1.0, first=0.0))
    assert spans[:, 1] * toys.RATE == pytest.approx([0.5, 1.5, 2.5, 3.3, 3.3])
    assert (spans[:, 1] >= spans[:, 0]).all()


def test_frames_of_padding_are_not_kept() -> None:
    audio = [np.zeros(n, dtype=np.float32) for n in (320, 640, 100)]
    with local.start_engine(load_toy(Mean()), 1) as running:
        assert [len(one) for one in running.frames(audio, where="x")] == [2, 4, 1]


def test_found_again_without_the_encoder_and_resumed_by_shard(toy_shards: list[Shard], tmp_path: Path) -> None:
    class Dies(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().forward(audio, lengths)

    store, seen = Store(tmp_path / "cache"), []
    with pytest.raises(KeyboardInterrupt):
        extract_frames(toy_shards, load_toy(Dies()), crop_in_s=None, store=store, threads=1, progress=ignore_progress)
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 1
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    encoder = Mean()
    for _ in range(2):
        parts = extract_frames(
            toy_shards,
            load_toy(encoder),
            crop_in_s=None,
            store=store,
            threads=1,
            progress=lambda *what: seen.append(what),
        )
    assert len(encoder.calls) == 1
    assert seen == [(6, False), (6, True), (6, False), (6, False)]
    assert sum(len(part.keys) for part in parts) == 12


def test_goes_on_within_a_shard(toy_shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.extraction.clip_chunks.CHUNK_IN_CLIPS", 2)
    whole = extract_all(toy_shards[:1], load_toy(Mean()), tmp_path / "whole")[0]

    class Dies(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().forward(audio, lengths)

    cache, encoder, seen = tmp_path / "cache", Mean(), []
    with pytest.raises(KeyboardInterrupt):
        extract_frames(
            toy_shards[:1], load_toy(Dies()), crop_in_s=None, store=Store(cache), threads=1, progress=ignore_progress
        )
    assert len(list((cache / "frames").rglob("*.part-*"))) == 2
    (again,) = extract_frames(
        toy_shards[:1],
        load_toy(encoder),
        crop_in_s=None,
        store=Store(cache),
        threads=1,
        progress=lambda *what: seen.append(what),
    )
    assert len(encoder.calls) == 1
    assert seen == [(2, False), (2, False), (2, True)]
    assert np.array_equal(again.frames, whole.frames)
    assert again.keys == whole.keys
    assert [path.suffix for path in (cache / "frames").rglob("*") if path.is_file()] == [".safetensors"]


def test_frames_are_mapped(toy_shards: list[Shard], tmp_path: Path) -> None:
    part = extract_all(toy_shards, load_toy(Mean()), tmp_path)[0]
    assert isinstance(part.frames, np.memmap)
    assert not part.frames.flags.writeable
    frames, _ = part.clip(3)
    assert np.shares_memory(frames, part.frames)


def test_the_file_is_safetensors(toy_shards: list[Shard], tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    part = extract_all(toy_shards, load_toy(Mean()), tmp_path)[0]
    path = next(
        (tmp_path / "frames").rglob(f"{compute_frames_address(toy_shards[0], load_toy(Mean()), None)}.safetensors")
    )
    tensors = load_file(path)
    assert np.array_equal(tensors["frames"], part.frames)
    assert np.array_equal(tensors["spans"], part.spans)
    assert np.array_equal(tensors["offsets"], part.offsets)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 7), st.text(max_size=5))
def test_store_round_trip(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], dim: int, text: str) -> None:
    rng = np.random.default_rng(0)
    clips = [(rng.standard_normal((t, dim)).astype(np.float32), rng.random((t, 2))) for t in sizes]

    def make(writer: FrameWriter) -> None:
        for at, (values, spans) in enumerate(clips):
            writer.add(values, spans, f"{text}{at}", at / 3, [{"onset": 0.1, "label": text}])  # type: ignore[arg-type]

    store = FrameStore(tmp_path_factory.mktemp("store"))
    for _ in range(2):
        part = store.get_or_make("ab12", make)[0]
        assert part.keys == tuple(f"{text}{at}" for at in range(len(sizes)))
        assert part.seconds.tolist() == [at / 3 for at in range(len(sizes))]
        assert part.sidecars[0] == [{"onset": 0.1, "label": text}]
        for at, (values, spans) in enumerate(clips):
            assert np.array_equal(part.clip(at)[0], values)
            assert np.array_equal(part.clip(at)[1], spans)


@pytest.mark.parametrize("damage", ["truncate", "flip a frame", "flip a key", "header", "foreign", "empty"])
def test_damage_is_noticed_and_repaired(damage: str, toy_shards: list[Shard], tmp_path: Path) -> None:
    before = extract_all(toy_shards[:1], load_toy(Mean()), tmp_path)[0].frames.copy()
    (path,) = (tmp_path / "frames").rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    if damage == "flip a frame":
        content[1500] ^= 1
    elif damage == "flip a key":
        content[-10] ^= 1
    elif damage == "header":
        content[30] ^= 1
    path.write_bytes({"truncate": content[:-8], "foreign": b"junk" * 900, "empty": b""}.get(damage, content))
    with pytest.warns(UserWarning, match="damaged and are computed again"):
        after = extract_all(toy_shards[:1], load_toy(Mean()), tmp_path)[0].frames
    assert np.array_equal(before, after)


def test_stored_under_all_that_matters(toy_shards: list[Shard]) -> None:
    base, shard = load_toy(Mean()), toy_shards[0]
    other_hop = replace(base, certificate=replace(base.certificate, hop_in_samples=161.0))
    keys = {
        compute_frames_address(shard, base, None),
        compute_frames_address(shard, base, 5.0),
        compute_frames_address(toy_shards[1], base, None),
        compute_frames_address(shard, replace(base, precision="bf16"), None),
        compute_frames_address(shard, other_hop, None),
        compute_pooled_address(shard, base, None),
    }
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Broken(value=float("inf")), r"output of mean: got 6 of 6 values NaN or infinite.*test-000"),
        (Broken((6, 5, 3)), r"mean output: got \[6, 5, 3\]"),
    ],
)
def test_broken_output_stores_nothing(encoder: Encoder, message: str, toy_shards: list[Shard], tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=message):
        extract_all(toy_shards, load_toy(encoder), tmp_path)
    assert not [path for path in (tmp_path / "frames").rglob("*") if path.is_file()]


def test_an_empty_shard_is_an_error(tmp_path: Path) -> None:
    from tests.datasets.test_shards import tar

    with pytest.raises(DataError, match="shard is empty"):
        extract_all([shards.verify_shard(tar(tmp_path / "x.tar", []))], load_toy(Mean()), tmp_path)
    with pytest.raises(DataError, match="no frames to store"):
        FrameStore(tmp_path).get_or_make("ab12", lambda writer: None)


class Scaled(Mean):
    """Frames ``factor`` times as large as usual."""

    factor = 1.0

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(audio, lengths) * self.factor


def scaled(factor: float) -> LoadedEncoder:
    encoder = Scaled()
    encoder.factor = factor
    return load_toy(encoder)


def halves(toy_shards: list[Shard], ready: LoadedEncoder, cache: Path) -> list[Frames]:
    return extract_frames(
        toy_shards, ready, crop_in_s=None, store=Store(cache), threads=1, progress=ignore_progress, dtype="float16"
    )


def test_half_precision_rounds_and_halves_the_file(toy_shards: list[Shard], tmp_path: Path) -> None:
    whole = extract_all(toy_shards, scaled(10.0), tmp_path)
    for part, exact in zip(halves(toy_shards, scaled(10.0), tmp_path), whole, strict=True):
        assert (part.frames.dtype, exact.frames.dtype) == (np.float16, np.float32)
        np.testing.assert_array_equal(part.frames, exact.frames.astype(np.float16))
        np.testing.assert_array_equal(part.spans, exact.spans)
        assert isinstance(part.frames, np.memmap)
    sizes = {path.stat().st_size for path in (tmp_path / "frames").rglob("*.safetensors")}
    assert len(list((tmp_path / "frames").rglob("*.safetensors"))) == 4
    assert max(sizes) - min(sizes) >= whole[0].frames.nbytes // 2


@pytest.mark.parametrize("factor", [1e8, 1e-4])
def test_what_half_precision_does_not_hold_is_kept_in_single(
    factor: float, toy_shards: list[Shard], tmp_path: Path
) -> None:
    for part, exact in zip(
        halves(toy_shards, scaled(factor), tmp_path),
        extract_all(toy_shards, scaled(factor), tmp_path / "other"),
        strict=True,
    ):
        assert part.frames.dtype == np.float32
        np.testing.assert_array_equal(part.frames, exact.frames)


@given(
    peak=st.floats(0, 1e6, width=32),
    values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20),
)
def test_what_fits_comes_back_nearly_as_it_was(peak: float, values: list[float]) -> None:
    clip = np.array([*values, 1.0], dtype=np.float32)[:, None] * np.float32(peak)
    if frame_files.fits_fp16(clip):
        half = clip.astype(np.float16).astype(np.float32)
        assert np.isfinite(half).all()
        assert np.abs(half - clip).max() <= peak * 2.0**-11
    else:
        assert peak > 65504 or 0 < peak < 2.0**-8


def test_one_loud_clip_keeps_its_whole_shard_in_single_precision(tmp_path: Path) -> None:
    made: list[str] = []

    def make(writer: FrameWriter) -> None:
        made.append(writer.dtype)
        for index, value in enumerate((1.0, 65504.0, 65505.0, 3.0)):
            writer.add(np.full((2, 3), value, np.float32), np.zeros((2, 2)), str(index), 0.1, {})

    part = FrameStore(tmp_path, "float16").get_or_make("ab12", make)[0]
    assert made == ["float16", "float32"]
    assert part.frames.dtype == np.float32
    assert part.frames[:, 0].tolist() == [1, 1, 65504, 65504, 65505, 65505, 3, 3]
    assert np.isfinite(FrameStore(tmp_path, "float16").get_or_make("ab12", make)[0].frames).all()
    assert made == ["float16", "float32"]


def test_an_interruption_does_not_round_twice(tmp_path: Path) -> None:
    """Parts are kept in fp32: a shard that turns out to need fp32 has it from its first window on."""
    exact = np.full((1, 1), 1.0001, np.float32)

    def make(writer: FrameWriter) -> None:
        part, _ = FrameStore(tmp_path).get_or_make_part(
            "ab12", 0, lambda writer: writer.add(exact, np.zeros((1, 2)), "a", 0.1, {})
        )
        writer.add(*part.clip(0), "a", 0.1, {})
        writer.add(np.full((1, 1), 1e5, np.float32), np.zeros((1, 2)), "b", 0.1, {})

    assert FrameStore(tmp_path, "float16").get_or_make("ab12", make)[0].frames[0, 0] == exact[0, 0]


def test_the_format_is_part_of_the_address(toy_shards: list[Shard]) -> None:
    ready = load_toy(Mean())
    assert compute_frames_address(toy_shards[0], ready, None) == compute_frames_address(
        toy_shards[0], ready, None, "float32"
    )
    assert compute_frames_address(toy_shards[0], ready, None) != compute_frames_address(
        toy_shards[0], ready, None, "float16"
    )
