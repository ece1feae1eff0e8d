"""How fast an encoder is on its own: forward passes on audio that is already decoded, batched and on the device.

Figures are audio-seconds per second of wall time and clips per second, with device synchronisation and warm-up; on a
CPU torch uses all cores. They go to ``run.json`` and pytest-benchmark's JSON, never to the leaderboard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from bench.extraction.engine.local import LoadedEncoder, use_precision
from bench.throughput.paired_timing import TimeRatio, compute_ratio, time_in_turns

SECONDS_PER_TEST = 1.5  # of measured time, about
MOST_ROUNDS = 10


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that is used here."""

    extra_info: dict[str, Any]
    stats: Any

    def pedantic(self, target: Callable[[], object], **options: Any) -> object: ...


def measure_throughput(
    loaded: LoadedEncoder, *, batch_size: int, seconds: float, threads: int, benchmark: Benchmark
) -> dict[str, Any]:
    """Time forward passes of ``batch_size`` clips of ``seconds`` s with ``benchmark``; medians, in plain values."""
    forward = _build_forward(loaded, batch_size, seconds)
    with _use_threads(threads):
        once = _time_once(forward)
        _reset_peak(loaded.device)
        rounds = max(2, min(MOST_ROUNDS, int(SECONDS_PER_TEST / once)))
        benchmark.pedantic(forward, rounds=rounds, warmup_rounds=1)
    median = float(benchmark.stats.stats.median)
    figures = {
        "encoder": loaded.name,
        "batch_size": batch_size,
        "seconds": seconds,
        "median_in_s": median,
        "rounds": rounds,
        "audio_seconds_per_second": batch_size * seconds / median,
        "clips_per_second": batch_size / median,
        "peak_memory_in_mb": _read_peak_in_mb(loaded.device),
        "device": loaded.device,
        "precision": loaded.precision,
        "threads": threads,
    }
    benchmark.extra_info.update(figures)
    return figures


def compare_speed(
    loaded: LoadedEncoder,
    baseline: LoadedEncoder,
    *,
    batch_size: int,
    seconds: float,
    threads: int,
    max_slowdown: float,
) -> TimeRatio:
    """Time both encoders in turns on the same load; see ``bench.throughput.paired_timing``."""
    with _use_threads(threads):
        base, own = time_in_turns(*(_build_forward(one, batch_size, seconds) for one in (baseline, loaded)))
    return compute_ratio(base, own, max_slowdown)


def _build_forward(loaded: LoadedEncoder, batch_size: int, seconds: float) -> Callable[[], None]:
    import torch

    generator = torch.Generator().manual_seed(0)
    samples = round(seconds * loaded.encoder.sampling_rate)
    audio = (0.1 * torch.randn(batch_size, samples, generator=generator)).to(loaded.device)

    def forward() -> None:
        with torch.inference_mode(), use_precision(loaded.device, loaded.precision):
            loaded.encoder(audio)
        _synchronise(loaded.device)

    return forward


@contextlib.contextmanager
def _use_threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _time_once(forward: Callable[[], None]) -> float:
    import time

    forward()
    start = time.perf_counter()
    forward()
    return time.perf_counter() - start


def _synchronise(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _reset_peak(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif (clear := Path("/proc/self/clear_refs")).exists():
        clear.write_text("5")  # Linux: the peak resident size starts again from here


def _read_peak_in_mb(device: str) -> float | None:
    """Peak memory since the reset: the device's allocator on a GPU, the process's resident size on Linux."""
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated(device)) / 1e6
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1e3
