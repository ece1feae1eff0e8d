"""The settings of a run, and embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.types.targets import Sidecar

if TYPE_CHECKING:
    from pathlib import Path

SUITES = ("mini", "full")
PROTOCOLS = ("strict", "xares")
PRECISIONS = ("fp32", "bf16", "fp16")
WIDE = "fp32 frames"  # a rate: clips whose frames fit no smaller format; nothing is lost
FRAMES = {"fp16": "float16", "fp32": "float32"}  # number formats in which frames may be stored


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's choices for a run."""

    suite: str
    protocol: str  # one of PROTOCOLS, or "both"; a score has that of its task
    device: str
    precision: str
    seeds: tuple[int, ...]  # of the probes
    cache: Path
    data: Path | None
    threads: int  # batches computed at a time on a CPU
    offline: bool = False
    compiled: bool = False  # encoders go through torch.compile
    mirror: str = ""  # fetch from Hugging Face: "hf" from where tasks say, or OWNER/REPO[@REVISION]
    pcm_cache: bool = False  # decoded audio is kept for the next encoder of the same rate
    decoders: int = 0  # other processes that decode; 0: this one's threads do
    frames: str = "fp16"  # how frames are stored, a key of FRAMES; in protocol xares fp32, as published


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Pooled embeddings of the clips of some shards, in shard order."""

    vectors: NDArray[np.float32]  # [N, D]
    keys: tuple[str, ...]
    seconds: NDArray[np.float64]  # [N] clip durations
    sidecars: tuple[Sidecar, ...]
    digests: tuple[str, ...] = ()  # [N] of the decoded samples of each clip; notes may follow: ``bench.audio.notes``
