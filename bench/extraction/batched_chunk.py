"""The clips of a chunk cut into crops, and the crops in batches that are queued for the encoder."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode
from bench.extraction import batching
from bench.extraction.engine.local import Engine
from bench.types import Clip, EncoderError

Progress = Callable[[int, bool], None]
"""Called with a number of clips and whether they were encoded now (True) or found in the store (False)."""

T_co = TypeVar("T_co", covariant=True)


class Piece(NamedTuple):
    """A crop of a clip of a chunk."""

    clip: int  # index in the chunk
    start: int  # sample of the clip
    audio: NDArray[np.float32]


class Compute(Protocol[T_co]):
    """A computation on the audio of one batch."""

    def __call__(self, audio: Sequence[NDArray[np.float32]], *, where: str) -> T_co: ...


class BatchedChunk(Generic[T_co]):
    """A chunk's pieces in batches, and what ``compute`` makes of each batch's audio."""

    def __init__(
        self, number: int, clips: Sequence[Clip], crop_in_s: float | None, engine: Engine, compute: Compute[T_co]
    ) -> None:
        self.number, self.clips, self.pieces = number, clips, cut_pieces(clips, crop_in_s)
        self._engine, self._compute = engine, compute
        loaded, lengths = engine.loaded, [len(piece.audio) for piece in self.pieces]
        budget = round(loaded.budget.batch_in_s * loaded.encoder.sampling_rate)
        self._batches = batching.plan_batches(lengths, loaded.policy, budget=budget, max_clips=loaded.budget.most_clips)
        self._futures: deque[Future[T_co]] = deque()

    @property
    def n_clips(self) -> int:
        return len(self.clips)

    def begin(self) -> None:
        """Queue all batches."""
        self._futures.extend(self._engine.passes.submit(self._run, batch) for batch in self._batches)

    def _run(self, batch: list[int]) -> T_co:
        clips, pieces = self.clips, self.pieces
        where = ", ".join(clips[pieces[i].clip].where for i in batch[:2]) + (", ..." if len(batch) > 2 else "")
        return self._compute([pieces[i].audio for i in batch], where=where)

    def iterate_results(self, progress: Progress) -> Iterator[tuple[list[int], T_co]]:
        """Yield the indices of the pieces of each batch and what was made of it; queue the batches if need be."""
        if not self._futures:
            self.begin()
        n_left = Counter(piece.clip for piece in self.pieces)
        for batch in self._batches:
            yield batch, self._futures.popleft().result()
            n_done = 0
            for index in batch:
                clip = self.pieces[index].clip
                n_left[clip] -= 1
                n_done += n_left[clip] == 0
            progress(n_done, True)


def cut_pieces(clips: Sequence[Clip], crop_in_s: float | None) -> list[Piece]:
    """Return the crops of all clips of a chunk, clip by clip."""
    return [
        Piece(index, start, clip.audio[start:stop])
        for index, clip in enumerate(clips)
        for start, stop in decode.list_crops(len(clip.audio), clip.sampling_rate, crop_in_s)
    ]


def check_finite(values: NDArray[np.float32], where: str, name: str) -> None:
    """Raise EncoderError, naming the clip, for output of encoder ``name`` that holds NaN or infinity."""
    if not np.isfinite(values).all():
        got = f"{np.count_nonzero(~np.isfinite(values))} of {values.size} values NaN or infinite"
        raise EncoderError(f"output of {name}", got=got, expected="finite embeddings", where=where)
