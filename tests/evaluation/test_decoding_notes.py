"""What is odd about how clips were decoded is a rate of the row and one of its flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.audio import torchaudio_safe
from bench.datasets.dataset import prepare_dataset
from bench.evaluation.pipelines import choose_pipeline
from bench.extraction.loaded import load_encoder
from bench.leaderboard.terminal.tables import list_flags
from bench.probes import KNN
from bench.types import BEYOND_SCALE, CANCELLED, Score, Settings
from bench.xares.protocol import apply_protocol
from tests.datasets.test_shards import tar
from tests.extraction.test_pooled import Mean
from tests.helpers import sounds, toys

N_CLIPS = 8  # of each split


def score(folder: Path, odd: Sequence[bytes], protocol: str) -> Score:
    """A row of three splits, in the test split of which the first clips are ``odd``."""
    for place, split in enumerate(("train", "valid", "test")):
        members = []
        for index in range(N_CLIPS):
            content = sounds.encode(toys.tone(index % 3, 100 * place + index, 0.3) / 32768, toys.RATE, "WAV")
            if split == "test" and index < len(odd):
                content = odd[index]
            label = ("low", "middle", "high")[index % 3]
            members += [(f"{index}.wav", content), (f"{index}.json", f'{{"label": "{label}"}}'.encode())]
        (folder / "tones").mkdir(parents=True, exist_ok=True)
        tar(folder / "tones" / f"{split}_0.tar", members)
    task = apply_protocol(toys.task(probes=(KNN(k=3),), cluster=None), protocol)
    settings = Settings("full", protocol, "cpu", "fp32", (0,), folder / "cache", folder, threads=1)
    loaded = load_encoder(toys.spec("mean", Mean()), device="cpu", precision="fp32", cache=folder / "cache")
    data = prepare_dataset(task, "full", cache=folder / "cache", data=folder)
    embedded = choose_pipeline(task).embed(task, data, loaded, settings, lambda n, now: None)
    return embedded.evaluate(loaded, task.probes[0], settings).score


@pytest.mark.parametrize("protocol", ["strict", "xares"])
def test_rates_and_flags(tmp_path: Path, protocol: str) -> None:
    if protocol == "xares" and torchaudio_safe.load() is None:
        pytest.skip("no torchaudio")
    tone = sounds.make_tone(4_000)
    odd = [
        sounds.encode(np.hstack([tone, -tone]), toys.RATE, "WAV"),
        sounds.encode(tone * 4, toys.RATE, "WAV", "FLOAT"),
        sounds.encode(np.hstack([tone * 4, tone * -4]), toys.RATE, "WAV", "FLOAT"),
    ]
    row = score(tmp_path, odd, protocol)
    assert row.rates[CANCELLED] == row.rates[BEYOND_SCALE] == pytest.approx(2 / (3 * N_CLIPS))
    assert {f"8.3% {CANCELLED}", f"8.3% {BEYOND_SCALE}"} <= set(list_flags(row))
    assert not [flag for flag in list_flags(row) if "lost" in flag]


def test_none_where_nothing_is_odd(tmp_path: Path) -> None:
    assert not set(score(tmp_path, [], "strict").rates) - {"missing"}
