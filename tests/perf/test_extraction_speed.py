"""The perf of extraction, on little audio: what they time and what they tell."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.extraction.engine.decoder_pool import get_shared_pool
from perf import device_utilization, extraction_speed, forward_loops

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd_create (Linux)")


@pytest.fixture(autouse=True, scope="module")
def _no_process_is_left() -> Any:
    yield
    get_shared_pool(1).close()


def test_ours_is_timed_against_both_bare_loops(tmp_path: Path) -> None:
    told = ["--encoders", "light", "--lengths", "mixed", "--amount", "0.04", "--copies", "2", "--decoders", "1"]
    more = ["--precision", "bf16", "--threads", "2", "--repeats", "1", "--json", str(tmp_path / "out.json")]
    assert extraction_speed.main([*told, *more]) == 0
    (row,) = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert (row["device"], row["copies"], row["decoders"], row["batch, s"]) == ("cpu bf16", 2, 1, 16)
    assert row["ours"] > 0
    assert 0 < row["to the better"] <= row["ratio to plain"]
    assert {"plain loop, audio-s/s", "a batch for each core, audio-s/s"} <= set(row)


def test_the_loop_of_a_gpu_runs_over_everything_in_the_size_that_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for what needs one."""
    seen, waited = list[tuple[int, ...]](), list[str]()

    class Encoder:
        def __call__(self, audio: torch.Tensor, lengths: torch.Tensor) -> None:
            seen.append(tuple(audio.shape))
            if len(audio) == 32:
                raise torch.OutOfMemoryError

    loaded = replace(extraction_speed.load_model("light", "cpu", "fp32"), encoder=Encoder(), device="cuda")  # type: ignore[arg-type]
    batched = forward_loops.make_batches
    monkeypatch.setattr(forward_loops, "make_batches", lambda audio, size, device: batched(audio, size, "cpu"))
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    audio = [np.ones(n, dtype=np.float32) for n in range(1, 41)]
    best = forward_loops.find_best_loop(forward_loops.run_on_gpu, loaded, audio, 1, 3)
    assert best.size in {8, 16}
    assert (32, 40) in seen
    seen.clear()
    waited.clear()
    assert best.run() > 0
    assert len(seen) == 3 * -(-40 // best.size)
    assert seen[0] == (best.size, 40)
    assert waited == ["cuda"] * 6


def test_what_hides_behind_a_device_is_told(tmp_path: Path) -> None:
    told = ["--speeds", "400", "--decoders", "0", "1", "--seconds", "200", "--copies", "1", "--launches", "3"]
    assert (
        device_utilization.main([*told, "--batch", "40", "--repeats", "1", "--json", str(tmp_path / "out.json")]) == 0
    )
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["decoders"] for row in rows] == ["threads", 1]
    for row in rows:
        assert 0 < row["device busy"] <= 1
        assert 0.5 < row["audio of what it got"] <= 1
        assert row["ours, audio-s/s"] == pytest.approx(400 * row["device busy"] * row["audio of what it got"])
        assert row["queuing a batch, ms"] > 0
