"""The loop that every extraction shares: shard by shard from the store, or in chunks through the encoder into it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bench.extraction.batched_chunk import BatchedChunk, Compute, Progress
from bench.extraction.clip_chunks import ChunkShape, ClipChunks
from bench.extraction.codecs import Codec
from bench.extraction.engine.local import Engine, LoadedEncoder, start_engine
from bench.extraction.pcm_cache import PcmCache
from bench.store.frame_files import Frames
from bench.types import Clip, DataError, Embeddings, Shard

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V", Embeddings, Frames)


class Chunk(Protocol):
    """Some clips that are encoded, and stored, together."""

    @property
    def number(self) -> int: ...

    @property
    def n_clips(self) -> int: ...


C = TypeVar("C", bound=Chunk)


@dataclass(frozen=True, slots=True)
class ShardRecipe(Generic[T, R, V]):
    """The computation on the clips of a shard, and the place of its results."""

    codec: Codec[R, V]
    shape: ChunkShape
    crop_in_s: float | None
    compute_address: Callable[[Shard], str]
    get_compute: Callable[[Engine], Compute[T]]  # the pass of a batch
    encode: Callable[[BatchedChunk[T], LoadedEncoder, Progress], Iterable[R]]


def extract_shards(
    shards: Sequence[Shard],
    loaded: LoadedEncoder,
    recipe: ShardRecipe[T, R, V],
    *,
    threads: int,
    progress: Progress,
    pcm_cache: PcmCache | None,
    decoders: int,
) -> Iterator[tuple[V, bool]]:
    """Yield the embeddings of each shard and whether they were made now; chunks are read ahead of the encoder."""
    keys = [recipe.compute_address(shard) for shard in shards]
    with start_engine_lazily(loaded, threads, decoders) as get_engine:

        def prepare(index: int, number: int, clips: list[Clip]) -> BatchedChunk[T]:
            engine = get_engine()
            chunk = BatchedChunk(number, clips, recipe.crop_in_s, engine, recipe.get_compute(engine))
            if not recipe.codec.has_part(keys[index], number):
                chunk.begin()
            return chunk

        def encode(chunk: BatchedChunk[T]) -> Iterable[R]:
            return recipe.encode(chunk, loaded, progress)

        def is_stored(index: int) -> bool:
            return recipe.codec.has(keys[index])

        chunks = ClipChunks(shards, get_engine, is_stored, prepare, pcm_cache, recipe.shape)
        for index, key in enumerate(keys):
            empty = DataError("shard is empty", got="0 clips", expected="at least one", where=shards[index].path)
            make_chunks = functools.partial(chunks.iterate_shard, index)
            yield get_or_extract(key, recipe.codec, make_chunks, encode, progress, empty=empty)


@contextlib.contextmanager
def start_engine_lazily(loaded: LoadedEncoder, threads: int, decoders: int = 0) -> Iterator[Callable[[], Engine]]:
    """Give a function that starts the engine when it is first called; it is shut down with the block."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(start_engine(loaded, threads, decoders)))


def get_or_extract(
    key: str,
    codec: Codec[R, V],
    make_chunks: Callable[[], Iterable[C]],
    encode: Callable[[C], Iterable[R]],
    progress: Progress,
    *,
    empty: DataError,
    count_clips: Callable[[Sequence[str]], int] = len,
) -> tuple[V, bool]:
    """Return what is stored under ``key``, encoded now if it is not there, and whether it was made now.

    ``encode`` reports its own progress. ``count_clips`` tells how many clips the stored keys are of. Raises ``empty``
    when there is no chunk.
    """

    def make_parts() -> Iterator[V]:
        is_empty = True
        for chunk in make_chunks():
            part, was_made = codec.get_or_make_part(key, chunk.number, functools.partial(encode, chunk))
            if not was_made:
                progress(chunk.n_clips, False)
            del chunk  # while the next one is waited for, its audio leaves memory
            is_empty = False
            yield part
        if is_empty:
            raise empty

    value, was_made = codec.get_or_make(key, make_parts)
    if not was_made:
        progress(count_clips(value.keys), False)
    return value, was_made
