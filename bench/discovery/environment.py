"""The machine and the versions that a run was made with, and where it keeps what others need again."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch", "torchaudio", "numpy", "scipy", "soundfile", "soxr", "scikit-learn", "webdataset", "transformers",
    "safetensors", "jiwer", "pytest", "pytest-xdist", "pytest-benchmark",
)  # fmt: skip


def get_cache_folder() -> Path:
    """Where embeddings and shards are kept unless the user says otherwise."""
    from platformdirs import user_cache_path

    return user_cache_path("otoscope", appauthor=False)


def collect_versions() -> dict[str, str | None]:
    """Python's and the main packages' versions; None for one that is not installed."""
    found: dict[str, str | None] = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory in GB and GPUs."""
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_in_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": gpus,
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
