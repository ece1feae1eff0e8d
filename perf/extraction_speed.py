"""Shards on disk to stored embeddings, cold, against the bare forward loop of the same encoder on the same device.

The bare loops have decoded, batched and padded everything before the clock starts. The plain one passes a batch after
the other, on a CPU torch splitting each operation over its threads; there another one has a batch for each core at a
time. Each has the best number of clips in a batch. They and ours take turns, so that what else the machine does falls
on all; figures are medians, ratios are medians of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.audio import decode
from bench.datasets import shards
from bench.extraction.engine.budget import Budget, calibrate_batch
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.engine.measures import build_timer
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from bench.types import PRECISIONS
from perf import forward_loops, result_tables, workloads


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m perf extraction", description=__doc__)
    parser.add_argument("--encoders", nargs="+", choices=workloads.MODELS, default=[*workloads.MODELS])
    parser.add_argument("--lengths", nargs="+", choices=("fixed", "mixed"), default=["fixed", "mixed"])
    parser.add_argument("--rate", type=int, default=workloads.RATE, help="Hz of the clips (default: the encoders')")
    parser.add_argument("--container", choices=("flac", "wav"), default="flac")
    parser.add_argument("--pcm-cache", action="store_true", help="ours has the decoded audio of an earlier run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--decoders", type=int, default=0, help="processes that decode for ours")
    parser.add_argument("--amount", type=float, default=1.0, help="more or less audio than usual, of its own")
    parser.add_argument("--copies", type=int, default=1, help="so many times that audio, under other keys")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    rows = []
    for name in options.encoders:
        loaded = load_model(name, options.device, options.precision)
        for lengths in options.lengths:
            rows.append(measure_row(loaded, lengths, options))
            print(rows[-1], flush=True)
    result_tables.print_and_save("extraction", rows, options.json)
    return 0


def load_model(name: str, device: str, precision: str) -> LoadedEncoder:
    """An encoder on its device with, on a GPU, the batch that is best there."""
    model = workloads.MODELS[name]
    loaded = LoadedEncoder(name, workloads.load_encoder(model, device), "0" * 64, model.certificate, device, precision)
    return loaded if loaded.on_cpu else replace(loaded, budget=Budget(calibrate_batch(build_timer(loaded))))


class Workload(NamedTuple):
    """What is encoded, and how."""

    paths: list[Path]
    cache: Path
    kept: PcmCache | None
    threads: int
    decoders: int


def measure_row(loaded: LoadedEncoder, lengths: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row: an encoder on clips of one kind."""
    model = workloads.MODELS[loaded.name]
    loops = {"plain loop": forward_loops.run_in_torch, "a batch for each core": forward_loops.run_in_threads}
    if not loaded.on_cpu:
        loops = {"plain loop": forward_loops.run_on_gpu}
    with tempfile.TemporaryDirectory() as folder:
        root, seconds = Path(folder), workloads.draw_durations(lengths, model.seconds * options.amount)
        paths = workloads.write_clip_shards(root / "shards", seconds, options.rate, container=options.container)
        audio = [clip for path in paths for clip in decode_shard(path, loaded.encoder.sampling_rate)]
        best = [
            forward_loops.find_best_loop(loop, loaded, audio, options.threads, options.copies)
            for loop in loops.values()
        ]
        del audio
        paths = copy_shards(paths, options.copies)
        kept = PcmCache(root / "audio") if options.pcm_cache else None
        cold = functools.partial(
            time_extraction, loaded, Workload(paths, root / "cache", kept, options.threads, options.decoders)
        )
        cold()
        turns, total = list[tuple[float, ...]](), sum(seconds) * options.copies
        for _ in range(options.repeats):
            turns.append((*(loop.run() for loop in best), cold()))
            print(loaded.name, lengths, *(f"{total / took:.4g}" for took in turns[-1]), flush=True)
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    ratios = [min(others) / ours for *others, ours in turns]
    return {
        "encoder": model.about,
        "device": f"{loaded.device} {loaded.precision}",
        "batch, s": loaded.budget.batch_in_s,
        "lengths": lengths,
        "clips": f"{len(seconds)} {options.container} {options.rate} Hz{', kept' if options.pcm_cache else ''}",
        "copies": options.copies,
        "threads": options.threads,
        "decoders": options.decoders,
        **format_loop_columns(loops, best, [total / median for median in medians[:-1]]),
        "ours": total / medians[-1],
        "ours, clips/s": len(seconds) * options.copies / medians[-1],
        "ratio to plain": statistics.median(turn[0] / turn[-1] for turn in turns),
        "to the better": statistics.median(ratios),
        "ratios": " ".join(f"{ratio:.2f}" for ratio in ratios),
    }


def format_loop_columns(
    names: Iterable[str], best: Sequence[forward_loops.BareLoop], rates: Sequence[float]
) -> dict[str, str]:
    """Seconds of audio per second of each bare loop, and its clips in a batch."""
    return {
        f"{name}, audio-s/s": f"{rate:.4g} ({loop.size} clips)"
        for name, loop, rate in zip(names, best, rates, strict=True)
    }


def copy_shards(paths: list[Path], copies: int) -> list[Path]:
    """These shards and copies of them under other keys."""
    more = [
        workloads.copy_shard(path, path.with_name(f"{copy}-{path.name}"), str(copy))
        for copy in range(1, copies)
        for path in paths
    ]
    return paths + more


def decode_shard(path: Path, rate: int) -> list[np.ndarray[Any, Any]]:
    """The clips of a shard as the encoder gets them."""
    samples = shards.read_samples(shards.verify_shard(path))
    return [decode.decode_resampled(sample.audio, rate, where=sample.where).audio for sample in samples]


def time_extraction(loaded: LoadedEncoder, work: Workload) -> float:
    """Seconds from shards on disk to embeddings, nothing of them being in the store."""
    shutil.rmtree(work.cache, ignore_errors=True)
    start = time.perf_counter()
    found = shards.verify_shards(work.paths, {}, work.threads)
    extract_embeddings(
        found,
        loaded,
        crop_in_s=None,
        store=Store(work.cache),
        threads=work.threads,
        progress=lambda clips, encoded: None,
        pcm_cache=work.kept,
        decoders=work.decoders,
    )
    return time.perf_counter() - start
