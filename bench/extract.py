"""Shards in, pooled embeddings out: decode, crop, batch, forward, pool, store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from bench.audio import batching, decode, shards
from bench.engine.local import Engine, Frozen, engine
from bench.store import Store, address
from bench.types import Clip, DataError, Embeddings, EncoderError, Shard

WINDOW_IN_S = 1200.0  # audio held in memory at a time, at most
WINDOW_IN_CLIPS = 256  # at most; a killed run loses no more than one window
BATCH_IN_S = 40.0  # padded audio of one batch
POOLING = "mean over the valid frames of all crops"

Progress = Callable[[int, bool], None]
"""Called with a number of clips and whether they were encoded now (True) or found in the store (False)."""
Keep = Callable[[int, Callable[[], Embeddings]], Embeddings]
"""Called with a window's index and what makes its embeddings; gives them, made or kept from an earlier run."""


def stored_as(shard: Shard, frozen: Frozen, crop_in_s: float | None) -> str:
    """The address of a shard's pooled embeddings: a digest of everything that they depend on."""
    return address(
        shard=shard.sha256,
        encoder=frozen.fingerprint,
        recipe=decode.RECIPE,
        sampling_rate=frozen.encoder.sampling_rate,
        crop_in_s=crop_in_s,
        pooling=POOLING,
        layer="output",
        precision=frozen.precision,
        device=frozen.device.partition(":")[0],
        batching=[frozen.policy, BATCH_IN_S, WINDOW_IN_S, WINDOW_IN_CLIPS, frozen.certificate.first_frame_in_samples],
    )


def extract(
    found: Iterable[Shard], frozen: Frozen, *, crop_in_s: float | None, store: Store, threads: int, progress: Progress
) -> Embeddings:
    """Pooled embeddings of every clip of ``found``, from the store where they are there.

    ``threads`` batches are computed at a time on a CPU. Raises DataError for a shard or clip that cannot be used and
    EncoderError for output that is not finite or of the wrong shape; nothing of that shard is stored then.
    """
    parts = []
    for shard in found:
        key = stored_as(shard, frozen, crop_in_s)
        computed: list[Embeddings] = []

        def make(shard: Shard = shard, key: str = key, computed: list[Embeddings] = computed) -> Embeddings:
            keep = functools.partial(store.part, key)
            made = encode(shard, frozen, crop_in_s=crop_in_s, threads=threads, progress=progress, keep=keep)
            computed.append(made)
            return made

        parts.append(store.embeddings(key, make))
        if not computed:
            progress(len(parts[-1].keys), False)
    return joined(parts)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Embeddings of several shards, one after another."""
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        tuple(chain.from_iterable(part.keys for part in parts)),
        np.concatenate([part.seconds for part in parts]),
        tuple(chain.from_iterable(part.sidecars for part in parts)),
    )


def encode(
    shard: Shard,
    frozen: Frozen,
    *,
    crop_in_s: float | None,
    threads: int,
    progress: Progress,
    keep: Keep = lambda index, make: make(),
) -> Embeddings:
    """Pooled embeddings of one shard, computed now but for the windows that ``keep`` already has."""
    parts = []
    with engine(frozen, threads) as running:
        for index, window in enumerate(_windows(shard, running)):
            computed: list[int] = []

            def make(window: Sequence[Clip] = window, computed: list[int] = computed) -> Embeddings:
                computed.append(len(window))
                return Embeddings(
                    _pooled(window, running, crop_in_s, progress),
                    tuple(clip.key for clip in window),
                    np.array([len(clip.audio) / clip.sampling_rate for clip in window], dtype=np.float64),
                    tuple(clip.sidecar for clip in window),
                )

            parts.append(keep(index, make))
            if not computed:
                progress(len(window), False)
    if not parts:
        raise DataError("shard is empty", got="0 clips", expected="at least one", where=shard.path)
    return joined(parts)


def _windows(shard: Shard, running: Engine) -> Iterator[list[Clip]]:
    """Decoded clips, in groups whose borders depend on the shard alone."""
    rate = running.frozen.encoder.sampling_rate
    window: list[Clip] = []
    total_in_s = 0.0

    def clip(sample: shards.Sample) -> Clip:
        audio, native = decode.decode(sample.audio, where=sample.where)
        return Clip(sample.key, decode.resample(audio, native, rate), rate, sample.sidecar, sample.where)

    samples = shards.samples(shard)
    while group := list(islice(samples, 64)):
        for decoded in running.pool.map(clip, group):
            window.append(decoded)
            total_in_s += len(decoded.audio) / rate
            if total_in_s >= WINDOW_IN_S or len(window) == WINDOW_IN_CLIPS:
                yield window
                window, total_in_s = [], 0.0
    if window:
        yield window


def _pooled(
    window: Sequence[Clip], running: Engine, crop_in_s: float | None, progress: Progress
) -> NDArray[np.float32]:
    """One vector per clip of the window: the mean over the valid frames of all of the clip's crops, [n, D]."""
    frozen = running.frozen
    rate = frozen.encoder.sampling_rate
    pieces = [
        (index, clip.audio[start:stop])
        for index, clip in enumerate(window)
        for start, stop in decode.crops(len(clip.audio), rate, crop_in_s)
    ]
    batches = batching.plan([len(audio) for _, audio in pieces], frozen.policy, budget=round(BATCH_IN_S * rate))

    def run(batch: list[int]) -> tuple[NDArray[np.float64], list[int]]:
        where = ", ".join(window[pieces[i][0]].where for i in batch[:2]) + (", ..." if len(batch) > 2 else "")
        return running.forward([pieces[i][1] for i in batch], where=where)

    sums = np.zeros((len(pieces), frozen.encoder.output_dim))
    frames = np.zeros(len(pieces))
    left = np.bincount([index for index, _ in pieces], minlength=len(window))
    for batch, (batch_sums, batch_frames) in zip(batches, running.pool.map(run, batches), strict=True):
        sums[batch], frames[batch] = batch_sums, batch_frames
        owners = [pieces[piece][0] for piece in batch]
        np.subtract.at(left, owners, 1)
        progress(int(np.count_nonzero(left[np.unique(owners)] == 0)), True)
    clip_of = np.array([index for index, _ in pieces])
    totals, counts = np.zeros((len(window), sums.shape[1])), np.zeros(len(window))
    np.add.at(totals, clip_of, sums)
    np.add.at(counts, clip_of, frames)
    vectors = (totals / counts[:, None]).astype(np.float32)
    _check_finite(vectors, window, frozen.name)
    return vectors


def _check_finite(vectors: NDArray[np.float32], window: Sequence[Clip], name: str) -> None:
    for clip, vector in zip(window, vectors, strict=True):
        if not np.isfinite(vector).all():
            got = f"{np.count_nonzero(~np.isfinite(vector))} of {len(vector)} values NaN or infinite"
            raise EncoderError(f"output of {name}", got=got, expected="finite embeddings", where=clip.where)
