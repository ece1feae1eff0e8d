"""What encoding costs as clips become many: shards of the same tiny clips under new keys, log-mel, the store cold.

Each size runs in a process of its own. Memory is that process's peak while it encodes, and once all embeddings are
loaded; in both torch and the encoder are the greater part. Bytes are those of the store.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.datasets import shards
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from perf import result_tables, workloads

CLIP_IN_S = 0.2
PER_SHARD = 1000
SIDE_IN_BYTES = 200  # of a clip, beside its vector, that are allowed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m perf growth", description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[len(os.sched_getaffinity(0))])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--one", nargs=3, metavar=("CLIPS", "THREADS", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        clips, threads, folder = options.one
        print(json.dumps(measure_extraction(int(clips), int(threads), Path(folder))))
        return 0
    rows = [measure_alone(clips, threads) for clips in options.clips for threads in options.threads]
    result_tables.print_and_save("growth", rows, options.json)
    return 0


def measure_alone(clips: int, threads: int) -> dict[str, Any]:
    """One size in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        write_repeated_shards(Path(folder) / "shards", clips)
        command = [sys.executable, "-m", "perf", "growth", "--one", str(clips), str(threads), folder]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(out.stdout)
    print(row, flush=True)
    return row


def write_repeated_shards(folder: Path, clips: int) -> None:
    """Shards of ``PER_SHARD`` clips, the same audio in each."""
    (first,) = workloads.write_clip_shards(folder / "first", [CLIP_IN_S] * PER_SHARD, per_shard=PER_SHARD)
    for index in range(clips // PER_SHARD):
        workloads.copy_shard(first, folder / f"test_{index:07d}.tar", f"{index:04d}")


def measure_extraction(clips: int, threads: int, folder: Path) -> dict[str, Any]:
    """Time, peak memory and stored bytes of encoding all shards of ``folder``."""
    import torch

    torch.set_num_threads(1)
    model = workloads.MODELS["light"]
    loaded = LoadedEncoder("light", workloads.load_encoder(model), "0" * 64, model.certificate, "cpu", "fp32")
    store = Store(folder / "cache")
    start = time.perf_counter()
    found = shards.verify_shards(sorted((folder / "shards").glob("*.tar")), {}, threads)
    encoded_at, while_encoding = start, 0.0

    def progress(clips: int, encoded: bool) -> None:
        nonlocal encoded_at, while_encoding
        encoded_at, while_encoding = time.perf_counter(), read_peak_in_mb()

    embeddings = extract_embeddings(found, loaded, crop_in_s=None, store=store, threads=threads, progress=progress)
    end = time.perf_counter()
    size = sum(path.stat().st_size for path in (store.root / "embeddings").rglob("*.safetensors"))
    assert len(embeddings.keys) == clips
    return {
        "clips": clips,
        "threads": threads,
        "encoding s": encoded_at - start,
        "ms/clip": 1000 * (encoded_at - start) / clips,
        "peak MB encoding": while_encoding,
        "loading s": end - encoded_at,
        "peak MB loaded": read_peak_in_mb(),
        "bytes/clip": size / clips,
        "bytes / (4 D + 200)": size / clips / (4 * embeddings.vectors.shape[1] + SIDE_IN_BYTES),
    }


def read_peak_in_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
