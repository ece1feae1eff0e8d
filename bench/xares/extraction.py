"""Shards in, embeddings out, as X-ARES 0.1.3 does it; ``bench.extraction.pooled`` has our way.

The batches of ``bench.xares.crops`` are filled up with zeros to their longest crop and encoded without telling
lengths. Every frame is kept, those of padding too. A row's key is ``<clip>#<batch>``. A clip that does not decode is
skipped; the row of the leaderboard says how many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.extraction.engine.local import Engine, LoadedEncoder, start_engine
from bench.extraction.engine.prefetch import read_ahead
from bench.extraction.pooled import Progress, check_finite, concat_embeddings
from bench.store import frame_files
from bench.store.files import Store, compute_address
from bench.store.frame_files import Frames, FrameWriter
from bench.types import DataError, Embeddings, Shard, Sidecar
from bench.xares.crops import RECIPE, Batch, CropOptions, find_survivors, iterate_chunks

LAYOUT = 1  # a change of what is stored bumps it
MARK = "#"  # between a clip's key and its batch

P = TypeVar("P", Embeddings, Frames)


class CropFrames(NamedTuple):
    """A crop that survived."""

    key: str
    frames: NDArray[np.float32]  # [T, D], the same T in the whole batch
    seconds: float
    sidecar: Sidecar


def extract(
    found: Sequence[Shard], loaded: LoadedEncoder, how: CropOptions, *, store: Store, threads: int, progress: Progress
) -> Embeddings:
    """Pooled embeddings, the mean over all frames of the batch, of the surviving crops of a split.

    Raises DataError for a shard that cannot be used and a split of which no clip decodes, EncoderError for output that
    is not finite or of the wrong shape, and BenchError where torchaudio is missing.
    """
    key = build_address(found, loaded, how, "mean over all frames")
    computed: list[bool] = []

    def make() -> Embeddings:
        computed.append(True)
        parts = []
        with start_engine(hide_lengths(loaded), threads) as running:
            for index, window in enumerate(read_ahead(iterate_chunks(found, running, how), running.reader)):
                pool = functools.partial(_pool_chunk, window, running, progress)
                parts.append(_load_or_make_part(window, functools.partial(store.part, key, index), pool, progress))
        if not parts:
            raise _build_empty_error(found)
        return concat_embeddings(parts)

    made = store.embeddings(key, make)
    if not computed:
        progress(_count_clips(made.keys), False)
    return made


def extract_frames(
    found: Sequence[Shard], loaded: LoadedEncoder, how: CropOptions, *, store: Store, threads: int, progress: Progress
) -> Frames:
    """All frames of the surviving crops of a split; their spans follow the declared hop. Raises as ``extract``."""
    key = build_address(found, loaded, how, ["every frame", LAYOUT, "float32"])
    computed: list[bool] = []

    def make(writer: FrameWriter) -> None:
        computed.append(True)
        with start_engine(hide_lengths(loaded), threads) as running:
            for index, window in enumerate(read_ahead(iterate_chunks(found, running, how), running.reader)):
                write = functools.partial(_write_chunk, window, running, progress)
                part = _load_or_make_part(
                    window, functools.partial(frame_files.get_or_make_part, store, key, index), write, progress
                )
                for row, (name, seconds, sidecar) in enumerate(
                    zip(part.keys, part.seconds, part.sidecars, strict=True)
                ):
                    writer.add(*part.clip(row), name, float(seconds), sidecar)
        if not writer.keys:
            raise _build_empty_error(found)

    made = frame_files.get_or_make_frames(store, key, make)
    if not computed:
        progress(_count_clips(made.keys), False)
    return made


def build_address(found: Sequence[Shard], loaded: LoadedEncoder, how: CropOptions, kept: object) -> str:
    """The address of a split's embeddings. All shards are part of it, for batches go on from one to the next."""
    return compute_address(
        protocol="xares",
        shards=[shard.sha256 for shard in found],
        encoder=loaded.fingerprint,
        recipe=RECIPE,
        sampling_rate=loaded.encoder.sampling_rate,
        hop_in_ms=float(loaded.encoder.hop_size_in_ms),
        how=how,
        pooling=kept,
        precision=[loaded.precision, loaded.compiled],
        device=loaded.device.partition(":")[0],
    )


def hide_lengths(loaded: LoadedEncoder) -> LoadedEncoder:
    """The encoder as the engine runs it without lengths, so that every frame of a padded batch is a valid one."""
    return replace(loaded, certificate=replace(loaded.certificate, policy="equal_length"))


def _encode_survivors(window: Sequence[Batch], running: Engine, progress: Progress) -> Iterator[CropFrames]:
    """What survives of some batches, encoded now."""
    loaded = running.loaded

    def run(batch: Batch) -> list[NDArray[np.float32]]:
        where = f"{batch.crops[0].where} to {batch.crops[-1].where}"
        return running.frames([crop.audio for crop in batch.crops], where=where)

    for batch, clips in zip(window, running.passes.map(run, window), strict=True):
        for place in find_survivors(batch):
            crop = batch.crops[place]
            check_finite(clips[place], crop.where, loaded.name)
            yield CropFrames(f"{crop.file}{MARK}{batch.number}", clips[place], crop.seconds, crop.sidecar)
        progress(sum(crop.begins for crop in batch.crops), True)


def _pool_chunk(window: Sequence[Batch], running: Engine, progress: Progress) -> Embeddings:
    pooled = [
        (row.frames.mean(axis=0, dtype=np.float64).astype(np.float32), row.key, row.seconds, row.sidecar)
        for row in _encode_survivors(window, running, progress)
    ]
    vectors, keys, seconds, sidecars = zip(*pooled, strict=True)
    return Embeddings(np.stack(vectors), keys, np.array(seconds, dtype=np.float64), sidecars)


def _write_chunk(window: Sequence[Batch], running: Engine, progress: Progress, writer: FrameWriter) -> None:
    hop_in_s = float(running.loaded.encoder.hop_size_in_ms) / 1000
    for row in _encode_survivors(window, running, progress):
        edges = np.arange(len(row.frames) + 1) * hop_in_s
        writer.add(row.frames, np.stack([edges[:-1], edges[1:]], axis=1), row.key, row.seconds, row.sidecar)


def _load_or_make_part(
    window: Sequence[Batch], keep: Callable[[Callable[..., object]], P], make: Callable[..., object], progress: Progress
) -> P:
    """What ``keep`` has of a window, made now by ``make`` if it has nothing."""
    computed: list[bool] = []

    def made(*given: object) -> object:
        computed.append(True)
        return make(*given)

    part = keep(made)
    if not computed:
        progress(sum(crop.begins for batch in window for crop in batch.crops), False)
    return part


def parse_clip_key(key: str) -> str:
    """The clip that a row is of."""
    return key.rpartition(MARK)[0]


def _count_clips(keys: Sequence[str]) -> int:
    return len({parse_clip_key(key) for key in keys})


def _build_empty_error(found: Sequence[Shard]) -> DataError:
    where = ", ".join(shard.path.name for shard in found)
    return DataError("no clip decodes", got="0 clips", expected="at least one", where=where)
