"""A part of a sound file: one stream, and what its headers promise of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["wav", "flac", "mp3", "ogg", "ogg flac", "other"]


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one stream, as decoders get them, and its promise.

    A promise of ``promised`` samples per channel is kept by at most ``slack`` fewer: what MP3 decoders cut away of the
    encoder's padding. None: the headers do not say.
    """

    kind: Kind
    data: bytes
    promised: int | None = None
    slack: int = 0
    md5: bytes | None = None  # of the samples as little-endian integers
    bits: int = 0  # of such an integer
    is_broken: bool = False  # bytes between its frames, or at its end, are no whole frame


@dataclass(frozen=True, slots=True)
class Sound:
    """What was decoded of a part."""

    audio: NDArray[np.float32]  # [N, channels]
    sampling_rate: int  # Hz
    is_float: bool = False  # the file holds floats, which may lie beyond [-1, 1]
    decoder: str = ""
    by_second: bool = False  # the decoder that was asked first refused
    is_broken: bool = False
