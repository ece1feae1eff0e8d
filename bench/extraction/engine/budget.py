"""How much audio goes through an encoder at a time: enough to keep the device busy, no more than its memory holds.

``Budget.batch_in_s`` decides which clips share a batch, so it is part of the address of stored embeddings and must be
the same for every process: on a CPU it is fixed, on a GPU it is found once and kept in the store. When memory runs out
all the same, a batch is split in two and so are the ones after it; the batches, and the address, stay what they were.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.types import EncoderError

CPU_BATCH_IN_S = 16.0  # padded audio; more does not fit into a core's caches (docs/performance.md)
MOST_CLIPS_PER_S = 1.6  # and at least 64 in a batch
FIRST_IN_S, LAST_IN_S = 40.0, 2560.0  # tried on a GPU, doubling
WORTHWHILE = 1.05  # so much more audio a second for twice the batch

T = TypeVar("T")
Audio = Sequence[NDArray[np.float32]]


@dataclass(slots=True)
class Budget:
    """Seconds of padded audio, of batches as they are planned and of passes that fit."""

    batch_in_s: float = CPU_BATCH_IN_S
    fits_in_s: float = math.inf  # lowered when memory runs out
    record: Callable[[float], object] = lambda fits_in_s: None

    @property
    def most_clips(self) -> int:
        return max(64, round(MOST_CLIPS_PER_S * self.batch_in_s))

    def lower(self, fits_in_s: float) -> None:
        if fits_in_s < self.fits_in_s:
            self.fits_in_s = fits_in_s
            self.record(fits_in_s)


def split_on_oom(
    compute: Callable[[Audio], T], audio: Audio, budget: Budget, *, rate: int, name: str, where: str
) -> list[T]:
    """``compute`` of a batch, or of its halves, or of theirs: of what fits into memory, in the order of the clips.

    Raises EncoderError when one clip alone does not fit.
    """
    import torch

    padded_in_s = len(audio) * max(len(one) for one in audio) / rate
    if len(audio) == 1 or padded_in_s <= budget.fits_in_s:
        try:
            return [compute(audio)]
        except torch.OutOfMemoryError as error:
            if len(audio) == 1:
                got, expected = str(error).splitlines()[0], f"memory for a clip of {padded_in_s:.3g} s"
                raise EncoderError(f"{name} runs out of memory", got=got, expected=expected, where=where) from error
        warnings.warn(f"{name}: out of memory with {padded_in_s:.3g} s of audio at a time; batch halved", stacklevel=2)
        budget.lower(padded_in_s / 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    half = (len(audio) + 1) // 2
    parts = (audio[:half], audio[half:])
    return [made for part in parts for made in split_on_oom(compute, part, budget, rate=rate, name=name, where=where)]


def calibrate_batch(wall_in_s: Callable[[float], float | None]) -> float:
    """Return the batch, in seconds of audio, from which doubling it no longer pays.

    ``wall_in_s`` times a pass over so many seconds of audio; None when it takes more memory than it should.
    """
    batch_in_s, best = FIRST_IN_S, 0.0
    tried = FIRST_IN_S
    while tried <= LAST_IN_S and (wall := wall_in_s(tried)) is not None and tried / wall > WORTHWHILE * best:
        batch_in_s, best = tried, tried / wall
        tried *= 2
    return batch_in_s
