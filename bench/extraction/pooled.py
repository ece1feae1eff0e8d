"""Shards in, pooled embeddings out: decode, crop, batch, forward, pool, store."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode
from bench.extraction import batching, clip_chunks
from bench.extraction.engine.local import Engine, LoadedEncoder, start_engine
from bench.extraction.pcm_cache import PcmCache
from bench.store.files import Store, compute_address
from bench.types import Clip, DataError, Embeddings, EncoderError, Shard

LAYOUT = 2  # a change of how embeddings are stored bumps it
POOLING = "mean over the valid frames of all crops"

Progress = Callable[[int, bool], None]
"""Called with a number of clips and whether they were encoded now (True) or found in the store (False)."""
Keep = Callable[[int, Callable[[], Embeddings]], Embeddings]
"""Called with a window's index and what makes its embeddings; gives them, made or kept from an earlier run."""
PooledBatch = tuple[NDArray[np.float64], list[int]]
"""Sums over valid frames [B, D] and numbers of valid frames of the pieces of a batch."""

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


def compute_pooled_address(
    shard: Shard,
    loaded: LoadedEncoder,
    crop_in_s: float | None,
    pooling: object = POOLING,
    shape: clip_chunks.ChunkShape | None = None,
) -> str:
    """The address of a shard's embeddings: a digest of everything that they depend on."""
    window = shape or clip_chunks.shape_for_pooling(loaded.budget)
    return compute_address(
        layout=LAYOUT,
        shard=shard.sha256,
        encoder=loaded.fingerprint,
        recipe=decode.RECIPE,
        sampling_rate=loaded.encoder.sampling_rate,
        crop_in_s=crop_in_s,
        pooling=pooling,
        layer="output",
        precision=[loaded.precision, loaded.compiled],
        device=loaded.device.partition(":")[0],
        batching=[
            loaded.policy,
            loaded.budget.batch_in_s,
            window.in_s,
            window.in_clips,
            loaded.certificate.first_frame_in_samples,
        ],
    )


def extract_embeddings(
    found: Sequence[Shard],
    loaded: LoadedEncoder,
    *,
    crop_in_s: float | None,
    store: Store,
    threads: int,
    progress: Progress,
    decoded: PcmCache | None = None,
    decoders: int = 0,
) -> Embeddings:
    """Pooled embeddings of every clip of ``found``, from the store where they are there.

    Audio is taken from ``decoded``, if given, and kept there. ``threads`` batches are computed at a time on a CPU; so
    many other processes as ``decoders`` says decode, this one's threads if it says 0.
    Raises DataError for a shard or clip that cannot be used and EncoderError for output that is not finite or of the
    wrong shape; nothing of that shard is stored then.
    """
    parts: list[Embeddings | None] = []
    with contextlib.ExitStack() as stack:
        running = functools.cache(lambda: stack.enter_context(start_engine(loaded, threads, decoders)))
        keys = [compute_pooled_address(shard, loaded, crop_in_s) for shard in found]

        def prepare(index: int, number: int, window: list[Clip]) -> BatchedChunk[PooledBatch]:
            kept = store.has_part(keys[index], number)
            return start_batches(window, running(), running().forward, crop_in_s, kept=kept)

        def is_stored(index: int) -> bool:
            return store.path(keys[index]).exists()

        audio = clip_chunks.ClipChunks(
            found, running, is_stored, prepare, decoded, clip_chunks.shape_for_pooling(loaded.budget)
        )
        for index, key in enumerate(keys):
            computed: list[bool] = []

            def make(index: int = index, key: str = key, computed: list[bool] = computed) -> Embeddings:
                computed.append(True)
                return _encode_shard(
                    found[index], audio.of(index), loaded, progress, functools.partial(store.part, key)
                )

            part = store.embeddings(key, make)
            parts.append(None if computed else part)  # while others are encoded, what is on the disk stays there
            if not computed:
                progress(len(part.keys), False)
            del part
    return concat_embeddings(
        [store.embeddings(key, _raise_gone) if part is None else part for key, part in zip(keys, parts, strict=True)]
    )


def _raise_gone() -> Embeddings:
    raise DataError("stored embeddings are gone", got="no file", expected="what was just written", where="the cache")


def concat_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """Embeddings of several shards, one after another."""
    if len(parts) == 1:
        return parts[0]
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        tuple(chain.from_iterable(part.keys for part in parts)),
        np.concatenate([part.seconds for part in parts]),
        tuple(chain.from_iterable(part.sidecars for part in parts)),
    )


def _encode_shard(
    shard: Shard, audio: Iterator[BatchedChunk[PooledBatch]], loaded: LoadedEncoder, progress: Progress, keep: Keep
) -> Embeddings:
    """Pooled embeddings of one shard, computed now but for the windows that ``keep`` already has."""
    parts = []
    for index, batched in enumerate(audio):
        computed: list[bool] = []

        def make(batched: BatchedChunk[PooledBatch] = batched, computed: list[bool] = computed) -> Embeddings:
            computed.append(True)
            window = batched.window
            return Embeddings(
                _pool_chunk(batched, loaded, progress),
                tuple(clip.key for clip in window),
                np.array([len(clip.audio) / clip.sampling_rate for clip in window], dtype=np.float64),
                tuple(clip.sidecar for clip in window),
            )

        parts.append(keep(index, make))
        if not computed:
            progress(len(batched.window), False)
        del batched, make  # while the next window is waited for, this one leaves memory
    if not parts:
        raise DataError("shard is empty", got="0 clips", expected="at least one", where=shard.path)
    return concat_embeddings(parts)


def start_batches(
    window: Sequence[Clip], running: Engine, compute: Compute[T], crop_in_s: float | None, *, kept: bool
) -> BatchedChunk[T]:
    """A window with its batches queued; one that is ``kept`` is queued only when asked."""
    batched = BatchedChunk(window, cut_pieces(window, crop_in_s), running, compute)
    if not kept:
        batched.begin()
    return batched


def cut_pieces(window: Sequence[Clip], crop_in_s: float | None) -> list[Piece]:
    """The crops of all clips of a window, clip by clip."""
    return [
        Piece(index, start, clip.audio[start:stop])
        for index, clip in enumerate(window)
        for start, stop in decode.list_crops(len(clip.audio), clip.sampling_rate, crop_in_s)
    ]


class BatchedChunk(Generic[T_co]):
    """A window's pieces in batches, and what ``compute`` makes of each batch's audio."""

    def __init__(
        self, window: Sequence[Clip], pieces: Sequence[Piece], running: Engine, compute: Compute[T_co]
    ) -> None:
        self.window, self.pieces = window, pieces
        self._running, self._compute = running, compute
        loaded, lengths = running.loaded, [len(piece.audio) for piece in pieces]
        most = round(loaded.budget.batch_in_s * loaded.encoder.sampling_rate)
        self._batches = batching.plan_batches(lengths, loaded.policy, budget=most, max_clips=loaded.budget.most_clips)
        self._futures: deque[Future[T_co]] = deque()

    def begin(self) -> None:
        """Queue all batches."""
        self._futures.extend(self._running.passes.submit(self._run, batch) for batch in self._batches)

    def _run(self, batch: list[int]) -> T_co:
        window, pieces = self.window, self.pieces
        where = ", ".join(window[pieces[i].clip].where for i in batch[:2]) + (", ..." if len(batch) > 2 else "")
        return self._compute([pieces[i].audio for i in batch], where=where)

    def results(self, progress: Progress) -> Iterator[tuple[list[int], T_co]]:
        """Indices of the pieces of each batch and what was made of it, batch by batch."""
        if not self._futures:
            self.begin()
        left = Counter(piece.clip for piece in self.pieces)
        for batch in self._batches:
            yield batch, self._futures.popleft().result()
            done = 0
            for piece in batch:
                owner = self.pieces[piece].clip
                left[owner] -= 1
                done += left[owner] == 0
            progress(done, True)


def _pool_chunk(batched: BatchedChunk[PooledBatch], loaded: LoadedEncoder, progress: Progress) -> NDArray[np.float32]:
    """One vector per clip of the window: the mean over the valid frames of all of the clip's crops, [n, D]."""
    window, pieces = batched.window, batched.pieces
    sums = np.zeros((len(pieces), loaded.encoder.output_dim))
    frames = np.zeros(len(pieces))
    for batch, (batch_sums, batch_frames) in batched.results(progress):
        sums[batch], frames[batch] = batch_sums, batch_frames
    clip_of = np.array([piece.clip for piece in pieces])
    totals, counts = np.zeros((len(window), sums.shape[1])), np.zeros(len(window))
    np.add.at(totals, clip_of, sums)
    np.add.at(counts, clip_of, frames)
    vectors = (totals / counts[:, None]).astype(np.float32)
    if not np.isfinite(vectors).all():
        for clip, vector in zip(window, vectors, strict=True):
            check_finite(vector, clip.where, loaded.name)
    return vectors


def check_finite(values: NDArray[np.float32], where: str, name: str) -> None:
    """Raises EncoderError, naming the clip, for output of encoder ``name`` that holds NaN or infinity."""
    if not np.isfinite(values).all():
        got = f"{np.count_nonzero(~np.isfinite(values))} of {values.size} values NaN or infinite"
        raise EncoderError(f"output of {name}", got=got, expected="finite embeddings", where=where)
