"""Shards in, pooled embeddings out: decode, crop, batch, forward, pool, store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, Protocol, TypeVar

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

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Piece(NamedTuple):
    """A crop of a clip of a window."""

    clip: int
    start: int  # sample of the clip
    audio: NDArray[np.float32]


class Compute(Protocol[T_co]):
    """What to do with the audio of one batch."""

    def __call__(self, audio: Sequence[NDArray[np.float32]], *, where: str) -> T_co: ...


def stored_as(shard: Shard, frozen: Frozen, crop_in_s: float | None, pooling: object = POOLING) -> str:
    """The address of a shard's embeddings: a digest of everything that they depend on."""
    return address(
        shard=shard.sha256,
        encoder=frozen.fingerprint,
        recipe=decode.RECIPE,
        sampling_rate=frozen.encoder.sampling_rate,
        crop_in_s=crop_in_s,
        pooling=pooling,
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
        for index, window in enumerate(windows(shard, running)):
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


def windows(shard: Shard, running: Engine) -> Iterator[list[Clip]]:
    """Decoded clips, in groups whose borders depend on the shard alone."""
    rate = running.frozen.encoder.sampling_rate
    window: list[Clip] = []
    total_in_s = 0.0

    def clip(sample: shards.Sample) -> Clip:
        audio, native = decode.decode(sample.audio, where=sample.where)
        resampled, seconds = decode.resample(audio, native, rate), len(audio) / native
        return Clip(sample.key, resampled, rate, sample.sidecar, sample.where, seconds)

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


def pieces_of(window: Sequence[Clip], crop_in_s: float | None) -> list[Piece]:
    """The crops of all clips of a window, clip by clip."""
    return [
        Piece(index, start, clip.audio[start:stop])
        for index, clip in enumerate(window)
        for start, stop in decode.crops(len(clip.audio), clip.sampling_rate, crop_in_s)
    ]


def in_batches(
    window: Sequence[Clip], pieces: Sequence[Piece], running: Engine, compute: Compute[T], progress: Progress
) -> Iterator[tuple[list[int], T]]:
    """Indices of the pieces of each batch and what ``compute`` makes of their audio, batch by batch."""
    frozen = running.frozen
    budget = round(BATCH_IN_S * frozen.encoder.sampling_rate)
    batches = batching.plan([len(piece.audio) for piece in pieces], frozen.policy, budget=budget)

    def run(batch: list[int]) -> T:
        where = ", ".join(window[pieces[i].clip].where for i in batch[:2]) + (", ..." if len(batch) > 2 else "")
        return compute([pieces[i].audio for i in batch], where=where)

    left = np.bincount([piece.clip for piece in pieces], minlength=len(window))
    for batch, made in zip(batches, running.pool.map(run, batches), strict=True):
        yield batch, made
        owners = [pieces[piece].clip for piece in batch]
        np.subtract.at(left, owners, 1)
        progress(int(np.count_nonzero(left[np.unique(owners)] == 0)), True)


def _pooled(
    window: Sequence[Clip], running: Engine, crop_in_s: float | None, progress: Progress
) -> NDArray[np.float32]:
    """One vector per clip of the window: the mean over the valid frames of all of the clip's crops, [n, D]."""
    pieces = pieces_of(window, crop_in_s)
    sums = np.zeros((len(pieces), running.frozen.encoder.output_dim))
    frames = np.zeros(len(pieces))
    for batch, (batch_sums, batch_frames) in in_batches(window, pieces, running, running.forward, progress):
        sums[batch], frames[batch] = batch_sums, batch_frames
    clip_of = np.array([piece.clip for piece in pieces])
    totals, counts = np.zeros((len(window), sums.shape[1])), np.zeros(len(window))
    np.add.at(totals, clip_of, sums)
    np.add.at(counts, clip_of, frames)
    vectors = (totals / counts[:, None]).astype(np.float32)
    for clip, vector in zip(window, vectors, strict=True):
        check_finite(vector, clip.where, running.frozen.name)
    return vectors


def check_finite(values: NDArray[np.float32], where: str, name: str) -> None:
    """Raises EncoderError, naming the clip, for output of encoder ``name`` that holds NaN or infinity."""
    if not np.isfinite(values).all():
        got = f"{np.count_nonzero(~np.isfinite(values))} of {values.size} values NaN or infinite"
        raise EncoderError(f"output of {name}", got=got, expected="finite embeddings", where=where)
