"""Bare forward loops: everything is decoded, batched, padded and on the device before the clock starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bench.extraction.engine.local import LoadedEncoder, copy_encoder, use_one_thread, use_precision

Batches = list[tuple[Any, Any]]
"""Padded audio [B, N] and lengths [B] of each."""
Loop = Callable[[LoadedEncoder, Batches, int], float]
"""Seconds that an encoder takes for batches on so many threads."""
SIZES = (1, 2, 4, 8, 16, 32, 64)
SIZES_ON_GPU = (8, 16, 32, 64, 128, 256, 512)
ENOUGH_IN_S = 1.0  # of passes, to choose a size
MOST_PASSES = 7
TRIED = 8  # one clip in so many is used to find the best batch size, but no fewer than 8; on a GPU all are


class BareLoop(NamedTuple):
    """A bare loop at its best."""

    size: int  # clips in a batch
    run: Callable[[], float]


def find_best_loop(
    loop: Loop, loaded: LoadedEncoder, audio: list[np.ndarray[Any, Any]], threads: int, copies: int
) -> BareLoop:
    """The loop with the batch size that is fastest on some audio, ready to run over all of it ``copies`` times."""
    import torch

    few = audio[: max(len(audio) // TRIED, 8)] if loaded.on_cpu else audio
    loop(loaded, make_batches(few[:2], 1, loaded.device), threads)  # warm
    # with fewer batches than that, cores would be without work
    sizes = [size for size in SIZES if size * 2 * threads <= len(few)] if loaded.on_cpu else SIZES_ON_GPU
    times: dict[int, float] = {}
    for size in sizes:
        batches = make_batches(few, size, loaded.device)
        try:
            times[size] = measure_least(loop, loaded, batches, threads)
        except torch.OutOfMemoryError:
            break
    size = min(times, key=lambda size: times[size])
    batches = make_batches(audio, size, loaded.device)
    return BareLoop(size, lambda: sum(loop(loaded, batches, threads) for _ in range(copies)))


def measure_least(loop: Loop, loaded: LoadedEncoder, batches: Batches, threads: int) -> float:
    """The least seconds of several passes where one is short, so that chance does not choose the size."""
    times: list[float] = []
    while len(times) < MOST_PASSES and sum(times) < ENOUGH_IN_S:
        times.append(loop(loaded, batches, threads))
    return min(times)


def make_batches(audio: list[np.ndarray[Any, Any]], size: int, device: str) -> Batches:
    """Batches on the device, sorted by length so that little is padding."""
    import torch

    ordered = sorted((torch.from_numpy(clip) for clip in audio), key=len, reverse=True)
    groups = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    lengths = [torch.tensor([len(clip) for clip in group], device=device) for group in groups]
    padded = [torch.nn.utils.rnn.pad_sequence(group, batch_first=True).to(device) for group in groups]
    return list(zip(padded, lengths, strict=True))


def run_in_torch(loaded: LoadedEncoder, batches: Batches, threads: int) -> float:
    """Seconds of one batch after another, torch splitting each operation over its threads."""
    import torch

    torch.set_num_threads(threads)
    try:
        start = time.perf_counter()
        with torch.inference_mode(), use_precision(loaded.device, loaded.precision):
            for batch, lengths in batches:
                loaded.encoder(batch, lengths)
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(1)


def run_in_threads(loaded: LoadedEncoder, batches: Batches, threads: int) -> float:
    """Seconds of as many batches at a time as there are threads, one thread for each operation."""
    import torch

    copies = copy_encoder(loaded.encoder, threads)

    def run(item: tuple[Any, Any]) -> None:
        own = copies.get()
        with torch.inference_mode(), use_precision(loaded.device, loaded.precision):
            own(*item)
        copies.put(own)

    with use_one_thread(), ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        list(pool.map(run, batches))
        return time.perf_counter() - start


def run_on_gpu(loaded: LoadedEncoder, batches: Batches, threads: int) -> float:
    """Seconds of one batch after another, none waited for but the last."""
    import torch

    torch.cuda.synchronize(loaded.device)
    start = time.perf_counter()
    with torch.inference_mode(), use_precision(loaded.device, loaded.precision):
        for batch, lengths in batches:
            loaded.encoder(batch, lengths)
    torch.cuda.synchronize(loaded.device)
    return time.perf_counter() - start
