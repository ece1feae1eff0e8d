"""The machine and the package versions of a run, and the default cache folder."""

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
    """Return the default folder of embeddings and shards."""
    from platformdirs import user_cache_path

    return user_cache_path("otoscope", appauthor=False)


def collect_versions() -> dict[str, str | None]:
    """Return the versions of Python and the main packages; None for one that is not installed."""
    versions: dict[str, str | None] = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def describe_machine() -> dict[str, Any]:
    """Return system, processor, cores, memory [GB] and GPUs."""
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "processor": _read_processor(),
        "cores": os.cpu_count(),
        "memory_in_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": gpus,
    }


def _read_processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
