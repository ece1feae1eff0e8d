"""Two forms of embeddings, pooled and frame by frame, behind one interface for the loop over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.store.files import Store
from bench.store.frame_files import Frames, FrameStore, FrameWriter
from bench.types import Embeddings, Sidecar

V = TypeVar("V", Embeddings, Frames)
R_contra = TypeVar("R_contra", contravariant=True)


class PooledClip(NamedTuple):
    """One vector of a clip."""

    vector: NDArray[np.float32]  # [D]
    key: str
    seconds: float
    sidecar: Sidecar
    digest: str  # of the decoded samples


class FramedClip(NamedTuple):
    """All frames of a clip."""

    frames: NDArray[np.float32]  # [T, D]
    spans: NDArray[np.float64]  # [T, 2] in seconds
    key: str
    seconds: float
    sidecar: Sidecar
    digest: str  # of the decoded samples


class Codec(Protocol[R_contra, V]):
    """A way to store encoded clips, in parts that survive an interruption."""

    def has(self, key: str) -> bool:
        """Return whether something is stored under ``key``, damaged or not."""

    def has_part(self, key: str, index: int) -> bool:
        """Return whether a part is stored, damaged or not."""

    def get_or_make(self, key: str, make_parts: Callable[[], Iterable[V]]) -> tuple[V, bool]:
        """Return what is stored, made of the parts if it is not, and whether it was made now."""

    def get_or_make_part(self, key: str, index: int, make_clips: Callable[[], Iterable[R_contra]]) -> tuple[V, bool]:
        """Return a stored part, made of the clips if it is not there, and whether it was made now."""


@dataclass(frozen=True, slots=True)
class PooledCodec:
    """``Codec`` of one vector per clip."""

    store: Store

    def has(self, key: str) -> bool:
        return self.store.has(key)

    def has_part(self, key: str, index: int) -> bool:
        return self.store.has_part(key, index)

    def get_or_make(self, key: str, make_parts: Callable[[], Iterable[Embeddings]]) -> tuple[Embeddings, bool]:
        return self.store.get_or_make(key, lambda: concat_embeddings(list(make_parts())))

    def get_or_make_part(
        self, key: str, index: int, make_clips: Callable[[], Iterable[PooledClip]]
    ) -> tuple[Embeddings, bool]:
        return self.store.get_or_make_part(key, index, lambda: stack_clips(make_clips()))


@dataclass(frozen=True, slots=True)
class FrameCodec:
    """``Codec`` of all frames; parts are kept in float32, whatever the whole is kept in."""

    frames: FrameStore

    def has(self, key: str) -> bool:
        return self.frames.has(key)

    def has_part(self, key: str, index: int) -> bool:
        return self.frames.has_part(key, index)

    def get_or_make(self, key: str, make_parts: Callable[[], Iterable[Frames]]) -> tuple[Frames, bool]:
        def write(writer: FrameWriter) -> None:
            for part in make_parts():
                for index, (name, seconds, sidecar, digest) in enumerate(
                    zip(part.keys, part.seconds, part.sidecars, part.digests, strict=True)
                ):
                    writer.add(*part.clip(index), name, float(seconds), sidecar, digest)

        return self.frames.get_or_make(key, write)

    def get_or_make_part(
        self, key: str, index: int, make_clips: Callable[[], Iterable[FramedClip]]
    ) -> tuple[Frames, bool]:
        def write(writer: FrameWriter) -> None:
            for clip in make_clips():
                writer.add(*clip)

        return self.frames.get_or_make_part(key, index, write)


def stack_clips(clips: Iterable[PooledClip]) -> Embeddings:
    """Return the vectors of at least one clip as rows."""
    vectors, keys, seconds, sidecars, digests = zip(*clips, strict=True)
    return Embeddings(np.stack(vectors), keys, np.array(seconds, dtype=np.float64), sidecars, digests)


def concat_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """Return the rows of several embeddings, one after another."""
    if len(parts) == 1:
        return parts[0]
    return Embeddings(
        np.concatenate([part.vectors for part in parts]),
        tuple(chain.from_iterable(part.keys for part in parts)),
        np.concatenate([part.seconds for part in parts]),
        tuple(chain.from_iterable(part.sidecars for part in parts)),
        tuple(chain.from_iterable(part.digests for part in parts)),
    )
