"""Whether reading, decoding, batching and storing hide behind a device that does nothing else: a stand-in for a GPU.

Its forward pass queues operations, as Python queues them on a GPU, and is then busy, without using a core, for as long
as a device of that speed is: a batch after the other, three of them underway as on a GPU. What is measured is ours:
which share of the time the device was busy, how much of what it got was audio and not padding, and how long it took
to queue the operations beside everything else.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from bench.extraction.engine.budget import Budget
from bench.extraction.engine.local import PASSES, Engine, LoadedEncoder, pad_on_device, start_engine
from perf import extraction_speed, result_tables, workloads

DIM = 768


@dataclass
class StandInDevice:
    """Busy until some time, with what it did so far."""

    speed: float  # seconds of padded audio per second
    launches: int
    sampling_rate: int = workloads.RATE
    output_dim: int = DIM
    free_at: float = 0.0
    busy: float = 0.0
    padded: float = 0.0
    queued_in: list[float] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def run(self, batch: Any) -> float:
        """Queue a batch; the time when it is done."""
        import torch

        with self.lock:
            start, value = time.perf_counter(), torch.zeros(8)
            for _ in range(self.launches):
                value = value + 1
            now = time.perf_counter()
            self.queued_in.append(now - start)
            seconds = batch.numel() / self.sampling_rate
            self.padded += seconds
            self.busy += seconds / self.speed
            self.free_at = max(now, self.free_at) + seconds / self.speed
            return self.free_at


class StandInEngine(Engine):
    """An engine whose passes are the device's."""

    def forward(self, audio: Sequence[NDArray[np.float32]], *, where: str) -> tuple[NDArray[np.float64], list[int]]:
        device: Any = self.loaded.encoder
        done_at = device.run(pad_on_device(audio, self.loaded))
        time.sleep(max(0.0, done_at - time.perf_counter()))
        return np.ones((len(audio), DIM)), [1] * len(audio)


@contextlib.contextmanager
def open_stand_in(loaded: LoadedEncoder, threads: int, decoders: int) -> Iterator[Engine]:
    with start_engine(loaded, threads, decoders) as own, ThreadPoolExecutor(PASSES) as passes:
        yield StandInEngine(loaded, own.pool, passes, own.reader, own.copies, own.decoders)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m perf hiding", description=__doc__)
    parser.add_argument("--speeds", nargs="+", type=float, default=[2000, 4000, 8000], help="audio-s/s of the device")
    parser.add_argument("--decoders", nargs="+", type=int, default=[0, 1, 2], help="processes; 0: threads")
    parser.add_argument("--batch", type=float, default=160, help="seconds of padded audio (default: 160)")
    parser.add_argument("--launches", type=int, default=400, help="operations of a pass (default: 400)")
    parser.add_argument("--container", choices=("flac", "wav"), default="flac")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=10_000, help="of audio of its own")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    seconds = workloads.draw_durations("mixed", options.seconds)
    rows = []
    with tempfile.TemporaryDirectory() as folder, mock.patch("bench.extraction.shard_loop.start_engine", open_stand_in):
        own = workloads.write_clip_shards(Path(folder) / "shards", seconds, per_shard=1000, container=options.container)
        paths = extraction_speed.copy_shards(own, options.copies)
        for speed in options.speeds:
            for decoders in options.decoders:
                work = extraction_speed.Workload(paths, Path(folder) / "cache", None, options.threads, decoders)
                rows.append(measure_row(speed, work, sum(seconds) * options.copies, options))
                print(rows[-1], flush=True)
    result_tables.print_and_save("hiding", rows, options.json)
    return 0


def measure_row(
    speed: float, work: extraction_speed.Workload, seconds: float, options: argparse.Namespace
) -> dict[str, Any]:
    """One row: a device of one speed; medians."""
    turn = functools.partial(measure_once, speed, work, seconds, options)
    turn()  # warm
    turns = [turn() for _ in range(options.repeats)]
    medians = {name: statistics.median(each[name] for each in turns) for name in turns[0]}
    return {"speed of the device": speed, "decoders": work.decoders or "threads", **medians}


def measure_once(
    speed: float, work: extraction_speed.Workload, seconds: float, options: argparse.Namespace
) -> dict[str, float]:
    """One run from shards to stored embeddings."""
    device: Any = StandInDevice(speed, options.launches)
    certificate = workloads.MODELS["light"].certificate
    loaded = LoadedEncoder("a stand-in", device, "0" * 64, certificate, "cpu", "fp32", budget=Budget(options.batch))
    took = extraction_speed.time_extraction(loaded, work)
    return {
        "ours, audio-s/s": seconds / took,
        "device busy": device.busy / took,
        "audio of what it got": seconds / device.padded,
        "queuing a batch, ms": 1000 * statistics.median(device.queued_in),
    }
