"""From shard to shard: what is made ahead of what is asked for, on a CPU and with the threads of a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets import shards
from bench.extraction import clip_chunks
from bench.extraction.clip_chunks import ClipChunks
from bench.extraction.engine import local
from bench.extraction.engine.budget import Budget
from bench.extraction.engine.decoder_pool import get_shared_pool
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from bench.types import DataError, Embeddings, Shard
from tests.extraction.test_pooled import Mean, ignore_progress
from tests.extraction.test_pooled import load_toy as frozen_mean
from tests.helpers import toys

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def three(tmp_path: Path) -> list[Shard]:
    folder = toys.write_dataset(tmp_path / "tones", {"train": 24, "test": 12})
    return [shards.verify_shard(path) for path in sorted(folder.glob("*.tar"))]


def reading(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    """Note in ``log`` which shards are read."""
    samples = shards.read_samples

    def noted(shard: Shard) -> Iterator[shards.Sample]:
        log.append(shard.path.name)
        return samples(shard)

    monkeypatch.setattr("bench.datasets.shards.read_samples", noted)


def test_a_shard_that_is_stored_is_not_read_ahead(
    three: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, log = Store(tmp_path), list[str]()
    how = {"crop_in_s": None, "store": store, "threads": 1, "progress": ignore_progress}
    extract_embeddings(three[1:2], frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    reading(monkeypatch, log)
    extract_embeddings(three, frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    assert log == [three[0].path.name, three[2].path.name]


def test_the_encoder_has_the_next_shard_while_the_last_one_is_stored(
    three: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, seen = Mean(), list[int]()
    write = Store._write

    def slow(self: Store, path: Path, made: Embeddings) -> None:
        until = time.monotonic() + 5
        while len(encoder.calls) < 2 and time.monotonic() < until:
            time.sleep(0.001)
        seen.append(len(encoder.calls))
        write(self, path, made)

    monkeypatch.setattr("bench.store.files.Store._write", slow)
    extract_embeddings(
        three[:2], frozen_mean(encoder), crop_in_s=None, store=Store(tmp_path), threads=1, progress=ignore_progress
    )
    assert seen[0] == 2


@given(
    shards=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6),
    stored=st.sets(st.integers(0, 3)),
    ahead=st.integers(1, 3),
)
@settings(max_examples=60)
def test_windows_are_those_of_the_shard_that_is_asked_for(
    shards: list[int], asked: list[tuple[int, bool]], stored: set[int], ahead: int
) -> None:
    """Whatever was asked for before, wholly or not, and whatever is stored."""

    class Running(NamedTuple):
        reader: ThreadPoolExecutor

    def made(shard: int, engine: object, pcm_cache: object, shape: object) -> Iterator[str]:
        return iter("abc"[: shards[shard]])

    with ThreadPoolExecutor(1) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.extraction.clip_chunks.read_chunks", made)
        audio: ClipChunks[Any] = ClipChunks(
            range(len(shards)),  # type: ignore[arg-type]
            lambda: Running(reader),  # type: ignore[arg-type,return-value]
            stored.__contains__,
            lambda shard, number, window: (shard, number, window),
            None,
            clip_chunks.ChunkShape(1, 1, ahead),
        )
        for index, wholly in asked:
            if index < len(shards):
                expected = [(index, number, "abc"[number]) for number in range(shards[index])]
                assert (list(audio.iterate_shard(index)) if wholly else [next(audio.iterate_shard(index))]) == expected[
                    : None if wholly else 1
                ]


def test_large_batches_have_large_windows() -> None:
    assert clip_chunks.shape_for_pooling(Budget())[:2] == clip_chunks.shape_for_frames()[:2] == (600, 256)
    assert clip_chunks.shape_for_pooling(Budget(160))[:2] == (2560, 1092)
    assert clip_chunks.shape_for_pooling(Budget(2560))[:2] == (6400, 2731)


def test_a_broken_shard_does_not_cost_the_one_before_it(three: list[Shard], tmp_path: Path) -> None:
    from tests.datasets.test_shards import tar

    bad = shards.verify_shard(tar(tmp_path / "x.tar", [("0.flac", b"junk"), ("0.json", b"{}")]))
    store, counts = Store(tmp_path / "cache"), list[tuple[int, bool]]()
    how = {"crop_in_s": None, "store": store, "threads": 2, "progress": lambda *what: counts.append(what)}
    with pytest.raises(DataError, match=r"clip does not decode.*x\.tar:0"):
        extract_embeddings([three[0], bad], frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    counts.clear()
    extract_embeddings(three[:1], frozen_mean(Mean()), **how)  # type: ignore[arg-type]
    assert counts == [(12, False)]


@pytest.mark.parametrize("decoders", [0, 1])
def test_as_on_a_gpu_one_pass_at_a_time_and_the_same_bits(
    decoders: int, three: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads and its one encoder, but tensors on the CPU; small batches, that several are underway."""
    at_a_time: list[int] = []

    class Alone(Mean):
        running = 0

        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            self.running += 1
            at_a_time.append(self.running)
            time.sleep(0.002)
            self.running -= 1
            return super().forward(audio, lengths)

    how = {"crop_in_s": None, "threads": 2, "progress": ignore_progress}
    small = Budget(1.0)
    plain = extract_embeddings(three, replace(frozen_mean(Mean()), budget=small), store=Store(tmp_path / "cpu"), **how)  # type: ignore[arg-type]
    fill, count = local.pad_on_device, local.to_tensor
    monkeypatch.setattr(local, "pad_on_device", lambda audio, ready: fill(audio, replace(ready, device="cpu")))
    monkeypatch.setattr(local, "to_tensor", lambda values, device: count(values, "cpu"))
    ready = replace(frozen_mean(Alone()), device="cuda:0", budget=small)
    found = extract_embeddings(three, ready, store=Store(tmp_path / "gpu"), decoders=decoders, **how)  # type: ignore[arg-type]
    get_shared_pool(1).close()
    assert found.vectors.tobytes() == plain.vectors.tobytes()
    assert found.keys == plain.keys
    assert len(at_a_time) > 3
    assert set(at_a_time) == {1}
