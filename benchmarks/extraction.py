"""Shards on disk to stored embeddings, cold, against the bare forward loop of the same encoder on the same cores.

The bare loops have decoded, batched and padded everything before the clock starts. The plain one passes a batch after
the other, torch splitting each operation over its threads; the other one has a batch for each core at a time. Each has
the best number of clips in a batch. They and ours take turns, so that what else the machine does falls on all; figures
are medians, ratios are medians of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.audio import decode, shards
from bench.engine.local import Frozen, replicas, single_threaded
from bench.extract import extract
from bench.kept_audio import KeptAudio
from bench.store import Store
from bench.types import Encoder
from benchmarks import material, report

Loop = Callable[[Encoder, list[tuple[Any, Any]], int], float]
"""Seconds that an encoder takes for batches on so many threads."""
SIZES = (1, 2, 4, 8, 16, 32, 64)
TRIED = 8  # one clip in so many is used to find the best batch size, but no fewer than 8


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks extraction", description=__doc__)
    parser.add_argument("--encoders", nargs="+", choices=material.MODELS, default=[*material.MODELS])
    parser.add_argument("--lengths", nargs="+", choices=("fixed", "mixed"), default=["fixed", "mixed"])
    parser.add_argument("--rate", type=int, default=material.RATE, help="Hz of the clips (default: the encoders')")
    parser.add_argument("--container", choices=("flac", "wav"), default="flac")
    parser.add_argument("--pcm-cache", action="store_true", help="ours has the decoded audio of an earlier run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--amount", type=float, default=1.0, help="more or less audio than usual")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    rows = []
    for name in options.encoders:
        encoder = material.encoder(material.MODELS[name])
        for lengths in options.lengths:
            rows.append(measured(name, encoder, lengths, options))
            print(rows[-1], flush=True)
    report.finish("extraction", rows, options.json)
    return 0


def measured(name: str, encoder: Encoder, lengths: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: an encoder on clips of one kind."""
    model = material.MODELS[name]
    frozen = Frozen(name, encoder, "0" * 64, model.certificate, "cpu", "fp32")
    with tempfile.TemporaryDirectory() as folder:
        seconds = material.durations(lengths, model.seconds * options.amount)
        paths = material.shards(Path(folder) / "shards", seconds, options.rate, container=options.container)
        audio = [clip for path in paths for clip in decoded(path, encoder.sampling_rate)]
        plain, each = (best_loop(loop, encoder, audio, options.threads) for loop in (in_torch, in_threads))
        del audio
        kept = KeptAudio(Path(folder) / "audio") if options.pcm_cache else None
        cold = functools.partial(pipeline, paths, frozen, Path(folder) / "cache", options.threads, kept)
        cold()
        turns = []
        for _ in range(options.repeats):
            turns.append((plain.run(), each.run(), cold()))
            print(name, lengths, *(f"{sum(seconds) / took:.4g}" for took in turns[-1]), flush=True)
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    ratios = [min(one, other) / ours for one, other, ours in turns]
    return {
        "encoder": model.about,
        "lengths": lengths,
        "clips": f"{len(seconds)} {options.container} {options.rate} Hz{', kept' if options.pcm_cache else ''}",
        "threads": options.threads,
        "plain loop, audio-s/s": f"{sum(seconds) / medians[0]:.4g} ({plain.size} clips)",
        "a batch for each core": f"{sum(seconds) / medians[1]:.4g} ({each.size} clips)",
        "ours": sum(seconds) / medians[2],
        "ours, clips/s": len(seconds) / medians[2],
        "ratio to plain": statistics.median(one / ours for one, _, ours in turns),
        "to the better": statistics.median(ratios),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in ratios),
    }


def decoded(path: Path, rate: int) -> list[np.ndarray[Any, Any]]:
    """The clips of a shard as the encoder gets them."""
    clips = [decode.decode(sample.audio, where=sample.where) for sample in shards.samples(shards.verified(path))]
    return [decode.resample(audio, native, rate) for audio, native in clips]


def pipeline(paths: list[Path], frozen: Frozen, cache: Path, threads: int, decoded: KeptAudio | None = None) -> float:
    """Seconds from shards on disk to embeddings, nothing of them being in the store."""
    shutil.rmtree(cache, ignore_errors=True)
    start = time.perf_counter()
    found = shards.all_verified(paths, {}, threads)
    extract(
        found,
        frozen,
        crop_in_s=None,
        store=Store(cache),
        threads=threads,
        progress=lambda clips, encoded: None,
        decoded=decoded,
    )
    return time.perf_counter() - start


class Bare(NamedTuple):
    """A bare loop at its best."""

    size: int  # clips in a batch
    run: Callable[[], float]


def best_loop(loop: Loop, encoder: Encoder, audio: list[np.ndarray[Any, Any]], threads: int) -> Bare:
    """The loop with the batch size that is fastest on some of the audio, ready to run over everything."""
    few = audio[: max(len(audio) // TRIED, 8)]
    loop(encoder, batched(few[:2], 1), threads)  # warm
    sizes = [size for size in SIZES if size * 2 * threads <= len(few)]  # else cores have nothing to do
    times = {size: loop(encoder, batched(few, size), threads) for size in sizes}
    size = min(times, key=lambda size: times[size])
    batches = batched(audio, size)
    return Bare(size, lambda: loop(encoder, batches, threads))


def batched(audio: list[np.ndarray[Any, Any]], size: int) -> list[tuple[Any, Any]]:
    """Padded batches [B, N] and lengths [B], sorted by length so that little is padding."""
    import torch

    ordered = sorted((torch.from_numpy(clip) for clip in audio), key=len, reverse=True)
    groups = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    lengths = [torch.tensor([len(clip) for clip in group]) for group in groups]
    return list(zip([torch.nn.utils.rnn.pad_sequence(g, batch_first=True) for g in groups], lengths, strict=True))


def in_torch(encoder: Encoder, batches: list[tuple[Any, Any]], threads: int) -> float:
    """Seconds of one batch after another, torch splitting each operation over its threads."""
    import torch

    torch.set_num_threads(threads)
    try:
        start = time.perf_counter()
        with torch.inference_mode():
            for batch, lengths in batches:
                encoder(batch, lengths)
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(1)


def in_threads(encoder: Encoder, batches: list[tuple[Any, Any]], threads: int) -> float:
    """Seconds of as many batches at a time as there are threads, one thread for each operation."""
    import torch

    copies = replicas(encoder, threads)

    def run(item: tuple[Any, Any]) -> None:
        own = copies.get()
        with torch.inference_mode():
            own(*item)
        copies.put(own)

    with single_threaded(), ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        list(pool.map(run, batches))
        return time.perf_counter() - start
