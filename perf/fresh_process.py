"""One measurement in a process of its own, so that its peak memory is its own, too."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a function returned and cost; MiB are of the whole process."""

    result: Any
    seconds: float  # median of the repetitions
    before_mib: float  # resident once everything is imported
    peak_mib: float


def run_alone(function: Callable[..., Any], *arguments: Any, threads: int = 1, repeats: int = 1) -> Measurement:
    """Run ``function(*arguments)`` in a fresh process in which torch and BLAS have ``threads`` threads.

    The function's module is imported, and torch's first use paid, before the clock starts. Both function and
    arguments must be what pickle takes.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(_prepare, threads).result()
        return pool.submit(_measure, function, arguments, repeats).result()


def _prepare(threads: int) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads, "blas")
    x = torch.zeros(64, 64, requires_grad=True)
    torch.autograd.grad((x @ x).sum(), x)
    torch.optim.Adam([x])  # its first use imports torch's compiler, which takes seconds


def _measure(function: Callable[..., Any], arguments: tuple[Any, ...], repeats: int) -> Measurement:
    before = psutil.Process().memory_info().rss / 2**20
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Measurement(result, statistics.median(seconds), before, peak)
