"""Overlapped stages: the bytes of one clip after another, bounded work ahead, one clear error, no thread left."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio import decode
from bench.datasets import shards
from bench.discovery.bundled import find_bundled_encoders
from bench.extraction import batching
from bench.extraction import loaded as freeze_module
from bench.extraction.engine import budget
from bench.extraction.engine.budget import Budget, calibrate_batch, split_on_oom
from bench.extraction.engine.local import LoadedEncoder, sum_frames, sum_masked_frames
from bench.extraction.engine.measures import check_precision, compute_least_cosine
from bench.extraction.engine.prefetch import map_in_order, read_ahead
from bench.extraction.loaded import load_encoder
from bench.extraction.pooled import compute_pooled_address, extract_embeddings
from bench.store.files import Store
from bench.types import ChoiceError, DataError, EncoderError, Shard
from tests.extraction.test_pooled import Mean, encode, ignore_progress
from tests.extraction.test_pooled import load_toy as frozen_mean
from tests.helpers import toys

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    folder = toys.write_dataset(tmp_path / "tones", {"test": 12})
    return shards.verify_shard(folder / "test_0000000.tar")


# ------------------------------------------------------------------------------------------------- the two stages


@given(st.lists(st.integers(), max_size=9), st.integers(1, 4))
@settings(max_examples=20)
def test_the_same_items_in_the_same_order(items: list[int], most: int) -> None:
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(2) as pool:
        assert list(read_ahead(iter(items), reader)) == items
        assert list(map_in_order(lambda item: item + 1, items, pool, most)) == [item + 1 for item in items]


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_items_are_made_ahead_and_no_more(most: int) -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for index in range(9):
            made.append(index)
            yield index

    with ThreadPoolExecutor(1) as reader:
        for index in read_ahead(items(), reader, most):
            assert len(made) <= index + 1 + most


def test_no_more_is_begun_than_allowed() -> None:
    begun: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        for taken, _ in enumerate(map_in_order(begun.append, range(9), pool, 3)):
            assert len(begun) <= taken + 4


def test_what_making_an_item_raises_is_raised_where_it_is_asked_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise DataError("clip", got="noise", expected="music", where="a shard")

    with ThreadPoolExecutor(1) as reader:
        made = read_ahead(items(), reader)
        assert next(made) == 1
        with pytest.raises(DataError, match="got noise"):
            next(made)


# ------------------------------------------------------------------------------------------------------- bytes


def one_after_another(shard: Shard, ready: LoadedEncoder, window: int) -> np.ndarray:
    """Pooled embeddings without any overlap: the windows and batches that the protocol says, in a plain loop."""
    samples, rate, rows = list(shards.read_samples(shard)), ready.encoder.sampling_rate, []
    for start in range(0, len(samples), window):
        clips = []
        for sample in samples[start : start + window]:
            audio, native = decode.decode_mono(sample.audio, where=sample.where)
            clips.append(decode.resample(audio, native, rate))
        pooled = np.zeros((len(clips), ready.encoder.output_dim), dtype=np.float32)
        most = round(budget.CPU_BATCH_IN_S * rate)
        for batch in batching.plan_batches([len(clip) for clip in clips], ready.policy, budget=most):
            padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clips[i]) for i in batch], batch_first=True)
            lengths = torch.tensor([len(clips[i]) for i in batch])
            with torch.inference_mode():
                output = ready.encoder(padded, lengths)
            for row, index in enumerate(batch):
                count = max(1, (len(clips[index]) - 400) // 160 + 1)
                pooled[index] = (output[row, :count].double().sum(0) / count).float()
        rows.append(pooled)
    return np.concatenate(rows)


@pytest.mark.parametrize("window", [5, 256])
@pytest.mark.parametrize("threads", [1, 3])
def test_overlap_does_not_change_a_bit(
    window: int, threads: int, shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.extraction.clip_chunks.CHUNK_IN_CLIPS", window)
    monkeypatch.setattr("bench.extraction.clip_chunks.GROUP_IN_BYTES", 1 << 14)
    monkeypatch.setattr("bench.extraction.clip_chunks.MOST_GROUPS", 2)
    torch.set_num_threads(1)
    ready = load_encoder(find_bundled_encoders()["logmel"], device="cpu", precision="fp32", cache=tmp_path / "cache")
    found = encode(shard, ready, crop_in_s=None, threads=threads, progress=ignore_progress)
    assert found.vectors.tobytes() == one_after_another(shard, ready, window).tobytes()


def test_shards_come_back_in_their_order_stored_or_not(tmp_path: Path) -> None:
    folder = toys.write_dataset(tmp_path / "tones", {"train": 24, "test": 12})
    found = [shards.verify_shard(path) for path in sorted(folder.glob("*.tar"))]
    store = Store(tmp_path / "cache")
    how = {"crop_in_s": None, "store": store, "threads": 2, "progress": ignore_progress}
    second = extract_embeddings(found[1:2], frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    every = extract_embeddings(found, frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    again = extract_embeddings(found, frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    assert every.keys[12:24] == second.keys
    assert np.array_equal(every.vectors[12:24], second.vectors)
    assert np.array_equal(every.vectors, again.vectors)
    assert every.sidecars == again.sidecars


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("threads", [1, 3])
def test_a_clip_that_fails_in_a_later_window_ends_all_stages(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.datasets.test_shards import LABEL, SOUND, tar

    monkeypatch.setattr("bench.extraction.clip_chunks.CHUNK_IN_CLIPS", 2)
    members = [(f"{i}.{kind}", what) for i in range(9) for kind, what in (("flac", SOUND), ("json", LABEL))]
    members[14] = ("7.flac", b"junk")
    bad = shards.verify_shard(tar(tmp_path / "x.tar", members))
    with pytest.raises(DataError, match=r"clip does not decode.*x\.tar:7"):
        encode(bad, frozen_mean(Mean()), crop_in_s=None, threads=threads, progress=ignore_progress)


def test_an_encoder_that_fails_later_ends_all_stages(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.extraction.clip_chunks.CHUNK_IN_CLIPS", 3)

    class Fails(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            if len(self.calls) == 2:
                raise RuntimeError("no more")
            return super().forward(audio, lengths)

    with pytest.raises(EncoderError, match="mean fails: got RuntimeError: no more"):
        encode(shard, frozen_mean(Fails()), crop_in_s=None, threads=1, progress=ignore_progress)


# ------------------------------------------------------------------------------------------------------- memory


class Small(Mean):
    """Has memory for so many samples."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        if audio.numel() > self.most:
            raise torch.OutOfMemoryError(f"tried to allocate for {audio.numel()}")
        return super().forward(audio, lengths)


@pytest.mark.filterwarnings("ignore:mean. out of memory")
def test_out_of_memory_halves_the_batch_and_is_remembered(shard: Shard) -> None:
    encoder, recorded = Small(30_000), list[float]()
    ready = replace(frozen_mean(encoder), budget=Budget(record=recorded.append))
    got = encode(shard, ready, crop_in_s=None, threads=1, progress=ignore_progress)
    wanted = encode(shard, frozen_mean(Mean()), crop_in_s=None, threads=1, progress=ignore_progress)
    assert got.vectors.tobytes() == wanted.vectors.tobytes()
    assert recorded == sorted(recorded, reverse=True)
    assert ready.budget.fits_in_s == recorded[-1] <= 30_000 / toys.RATE * 2
    encoder.calls.clear()
    before = len(recorded)
    encode(shard, ready, crop_in_s=None, threads=1, progress=ignore_progress)
    assert len(recorded) == before  # what did not fit is not tried again
    assert max(clips * samples for clips, samples in encoder.calls) <= 30_000


def test_a_clip_that_does_not_fit_alone_is_an_error(shard: Shard) -> None:
    message = r"mean runs out of memory: got tried to allocate.*expected memory for a clip of 0\.\d+ s .*test_0000000"
    with pytest.warns(UserWarning, match="batch halved"), pytest.raises(EncoderError, match=message):
        encode(shard, frozen_mean(Small(100)), crop_in_s=None, threads=1, progress=ignore_progress)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(50, 400))
@settings(max_examples=50)
@pytest.mark.filterwarnings("ignore:x. out of memory")
def test_halves_are_in_order_and_fit(lengths: list[int], most: int) -> None:
    def compute(audio: list[np.ndarray]) -> list[int]:
        if len(audio) * max(map(len, audio)) > most:
            raise torch.OutOfMemoryError("no")
        return [len(one) for one in audio]

    audio = [np.zeros(n, dtype=np.float32) for n in lengths]
    parts = split_on_oom(compute, audio, Budget(), rate=1, name="x", where="y")  # type: ignore[arg-type]
    assert [n for part in parts for n in part] == lengths


def test_what_fits_on_a_gpu_is_found_once_and_lowered_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready, store, timed = replace(frozen_mean(Mean()), device="cuda"), Store(tmp_path), list[float]()

    def wall_in_s(audio_in_s: float) -> float | None:
        timed.append(audio_in_s)
        return 1.0 if audio_in_s < 200 else None

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(freeze_module, "build_timer", lambda loaded: wall_in_s)
    found = freeze_module._find_budget(ready, store)
    assert (found.batch_in_s, found.fits_in_s, timed) == (160, float("inf"), [40, 80, 160, 320])
    found.lower(55.5)
    again = freeze_module._find_budget(ready, store)
    assert (again.batch_in_s, again.fits_in_s, len(timed)) == (160, 55.5, 4)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.sampled_from([torch.float32, torch.bfloat16]))
@settings(max_examples=25)
def test_sums_of_a_batch_at_once_are_those_of_its_rows(counts: list[int], dtype: torch.dtype) -> None:
    output = torch.randn(len(counts), 7, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    for row, count in enumerate(counts):
        output[row, count:] = torch.nan  # of padding
    assert torch.allclose(sum_masked_frames(output, counts), sum_frames(output, counts), rtol=1e-12)


@pytest.mark.parametrize(
    ("walls", "batch_in_s"),
    [
        ({40: 1.0, 80: 1.2, 160: 2.2, 320: 4.4}, 160),  # twice the audio in twice the time: enough
        ({40: 1.0, 80: None}, 40),  # memory
        ({40: None}, 40),
        ({40.0 * 2**k: 1.0 for k in range(7)}, 2560),
    ],
)
def test_a_batch_grows_while_it_pays(walls: dict[float, float | None], batch_in_s: float) -> None:
    assert calibrate_batch(walls.__getitem__) == batch_in_s


# ------------------------------------------------------------------------------------------------- equivalence


def test_half_precision_is_compared_with_fp32(tmp_path: Path) -> None:
    spec = find_bundled_encoders()["random_conv"]
    plain = load_encoder(spec, device="cpu", precision="fp32", cache=tmp_path)
    half = load_encoder(spec, device="cpu", precision="bf16", cache=tmp_path)
    (check,) = half.certificate.checks[len(plain.certificate.checks) :]
    assert check.name == "bf16 as fp32"
    assert check.passed
    assert check.measured.startswith("cosine 0.99") or check.measured == "cosine 1.000"
    assert half.certificate.checks[:-1] == plain.certificate.checks


def test_an_encoder_that_changes_with_precision_is_not_certified() -> None:
    class Torn(Mean):
        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            half = torch.is_autocast_enabled("cpu")
            frames = audio.unfold(1, 160, 160).abs().mean(2, keepdim=True)
            return torch.cat([frames, 1 - frames], 2) if not half else torch.cat([1 - frames, frames], 2)

    plain = frozen_mean(Torn())
    check = check_precision(replace(plain, precision="bf16"), plain)
    assert not check.passed
    assert check.measured == "cosine -1.000"


def test_compiling_needs_a_gpu() -> None:
    from bench.plugin.collection import _check_compile

    assert _check_compile(True, "cuda:0")
    assert not _check_compile(False, "cpu")
    with pytest.raises(ChoiceError, match=r"--compile: got cpu, expected a CUDA device"):
        _check_compile(True, "cpu")


def test_a_compiled_encoder_is_compared_and_stored_apart(
    shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda encoder, dynamic: encoder)
    spec = find_bundled_encoders()["random_conv"]
    plain = load_encoder(spec, device="cpu", precision="fp32", cache=tmp_path)
    compiled = load_encoder(spec, device="cpu", precision="fp32", cache=tmp_path, compiled=True)
    check = compiled.certificate.checks[-1]
    assert (check.name, check.passed, check.measured) == ("fp32, compiled, as fp32", True, "cosine 1.000")
    assert compute_pooled_address(shard, plain, None) != compute_pooled_address(shard, compiled, None)


def test_least_cosine() -> None:
    a = np.random.default_rng(0).standard_normal((5, 8))
    assert compute_least_cosine(a, 3 * (a - a.mean(0)) + a.mean(0)) == pytest.approx(1)
    assert compute_least_cosine(np.ones((3, 4)), np.ones((3, 4))) == 1
    b = a.copy()
    b[2] = 2 * a.mean(0) - a[2]
    assert compute_least_cosine(a, b) == pytest.approx(-1)
