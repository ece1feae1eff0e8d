"""What is measured of an encoder on its device: whether a faster way is equivalent, and how long a pass takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.extraction.engine.local import LoadedEncoder, pad_on_device, run_batch, sum_frames, use_precision
from bench.loading.certificate import make_signal
from bench.types import Check

if TYPE_CHECKING:
    from torch import Tensor

CLIPS, SHORTEST_IN_S, STEP_IN_S = 8, 1.0, 0.25
LEAST_COSINE = 0.99
CALIBRATION_CLIP_IN_S = 10.0
MOST_MEMORY = 0.5  # of what is free, so that odd batches and a probe still fit


def check_precision(faster: LoadedEncoder, plain: LoadedEncoder) -> Check:
    """Check that embeddings of synthetic clips keep their places in the precision of ``faster``.

    The least cosine, over clips, between the two pooled embeddings, each without the mean of the fp32 ones: what all
    clips have in common says nothing about them.
    """
    rate = plain.encoder.sampling_rate
    clips = [_make_clip(index, rate) for index in range(CLIPS)]
    wanted, got = _embed_clips(plain, clips, "fp32"), _embed_clips(faster, clips, faster.precision)
    least = float(compute_least_cosine(wanted, got))
    what = f"{faster.precision}{', compiled,' if faster.compiled else ''} as fp32"
    measured = f"cosine {np.floor(least * 1000 + 0.01) / 1000:.3f}" if np.isfinite(least) else "NaN or infinity"
    return Check(what, bool(least >= LEAST_COSINE), measured, f"cosine >= {LEAST_COSINE}")


def _make_clip(index: int, rate: int) -> Tensor:
    """Noise, softer from clip to clip, under a tone of its own."""
    import torch

    noise = make_signal(int((SHORTEST_IN_S + STEP_IN_S * index) * rate), seed=index + 1)
    tone = torch.sin(2 * torch.pi * 150 * 1.5**index / rate * torch.arange(len(noise), dtype=torch.float64)).float()
    return noise / (1 + index) + 0.1 * tone


def compute_least_cosine(wanted: NDArray[np.float64], got: NDArray[np.float64]) -> np.float64:
    """Return the least cosine of rows of [N, D], the mean of ``wanted`` taken from both; 1 where nothing varies."""
    mean = wanted.mean(axis=0)
    a, b = wanted - mean, got - mean
    if max(np.abs(a).max(), np.abs(b).max()) <= 1e-4 * np.abs(mean).max():  # the same answer to everything
        return np.float64(1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.float64(((a * b).sum(axis=1) / lengths).min())


def _embed_clips(loaded: LoadedEncoder, clips: list[Tensor], precision: str) -> NDArray[np.float64]:
    import torch

    rows = []
    with torch.inference_mode(), use_precision(loaded.device, precision):
        for clip in clips:
            rows.append(loaded.encoder(clip[None].to(loaded.device))[0].double().mean(0).cpu().numpy())
    return np.stack(rows)


def build_timer(loaded: LoadedEncoder) -> Callable[[float], float | None]:
    """Return a function that times a pass over so many seconds of noise, giving None where memory is short."""
    import torch

    rate = loaded.encoder.sampling_rate
    clip = 0.1 * np.random.default_rng(0).standard_normal(round(CALIBRATION_CLIP_IN_S * rate)).astype(np.float32)

    def wall_in_s(audio_in_s: float) -> float | None:
        if loaded.policy == "single" and audio_in_s > CALIBRATION_CLIP_IN_S:
            return None
        free = torch.cuda.mem_get_info(loaded.device)[0] + torch.cuda.memory_reserved(loaded.device)
        torch.cuda.reset_peak_memory_stats(loaded.device)
        audio = [clip] * max(1, round(audio_in_s / CALIBRATION_CLIP_IN_S))
        sizes, times = [len(one) for one in audio], []
        try:
            for _ in range(3):
                start = time.perf_counter()
                output, counts = run_batch(loaded.encoder, pad_on_device(audio, loaded), sizes, loaded, "calibration")
                sum_frames(output, counts).cpu()
                times.append(time.perf_counter() - start)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return None
        return min(times) if torch.cuda.max_memory_allocated(loaded.device) <= MOST_MEMORY * free else None

    return wall_in_s
