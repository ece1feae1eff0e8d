"""How fast an encoder is on its own: forward passes on audio that is already decoded, batched and on the device.

Figures are audio-seconds per second of wall time and clips per second, with device synchronisation and warm-up; on a
CPU torch uses all cores. They go to ``run.json`` and pytest-benchmark's JSON, never to the leaderboard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from bench.extraction.engine.local import Frozen, autocast
from bench.throughput.paired_timing import Ratio, ratio_of, turns

SECONDS_PER_TEST = 1.5  # of measured time, about
MOST_ROUNDS = 10


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that is used here."""

    extra_info: dict[str, Any]
    stats: Any

    def pedantic(self, target: Callable[[], object], **options: Any) -> object: ...


def measure(frozen: Frozen, *, batch_size: int, seconds: float, threads: int, benchmark: Benchmark) -> dict[str, Any]:
    """Time forward passes of ``batch_size`` clips of ``seconds`` s with ``benchmark``; medians, in plain values."""
    forward = _forward(frozen, batch_size, seconds)
    with _threads(threads):
        once = _once(forward)
        _reset_peak(frozen.device)
        rounds = max(2, min(MOST_ROUNDS, int(SECONDS_PER_TEST / once)))
        benchmark.pedantic(forward, rounds=rounds, warmup_rounds=1)
    median = float(benchmark.stats.stats.median)
    figures = {
        "encoder": frozen.name,
        "batch_size": batch_size,
        "seconds": seconds,
        "median_in_s": median,
        "rounds": rounds,
        "audio_seconds_per_second": batch_size * seconds / median,
        "clips_per_second": batch_size / median,
        "peak_memory_in_mb": _peak_in_mb(frozen.device),
        "device": frozen.device,
        "precision": frozen.precision,
        "threads": threads,
    }
    benchmark.extra_info.update(figures)
    return figures


def against(
    frozen: Frozen, baseline: Frozen, *, batch_size: int, seconds: float, threads: int, max_slowdown: float
) -> Ratio:
    """Time both encoders in turns on the same load; see ``bench.throughput.paired_timing``."""
    with _threads(threads):
        base, own = turns(*(_forward(one, batch_size, seconds) for one in (baseline, frozen)))
    return ratio_of(base, own, max_slowdown)


def _forward(frozen: Frozen, batch_size: int, seconds: float) -> Callable[[], None]:
    import torch

    generator = torch.Generator().manual_seed(0)
    samples = round(seconds * frozen.encoder.sampling_rate)
    audio = (0.1 * torch.randn(batch_size, samples, generator=generator)).to(frozen.device)

    def forward() -> None:
        with torch.inference_mode(), autocast(frozen.device, frozen.precision):
            frozen.encoder(audio)
        _synchronise(frozen.device)

    return forward


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _once(forward: Callable[[], None]) -> float:
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


def _peak_in_mb(device: str) -> float | None:
    """Peak memory since the reset: the device's allocator on a GPU, the process's resident size on Linux."""
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated(device)) / 1e6
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1e3
