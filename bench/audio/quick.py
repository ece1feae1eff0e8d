"""FLAC and WAV as libsndfile decodes them, to the last bit, in half the time and less.

miniaudio decodes a whole clip in one call. soundfile makes a dozen, and asks for the interpreter's lock after each, for
which the threads of the encoder then wait as well. Whatever is unusual here is left to soundfile, so that there is one
judge of what is broken.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray


def channels(data: bytes) -> tuple[NDArray[np.float32], int] | None:
    """(samples [N, channels], sampling rate in Hz) of a complete FLAC file, or a WAV file of 16 or 24 bits or float32.

    None for everything else: other formats and widths, broken or truncated data, no samples, no miniaudio.
    """
    miniaudio = library()
    if miniaudio is None:
        return None
    formats = miniaudio.SampleFormat
    try:
        if data[:4] == b"fLaC":
            info, read = miniaudio.flac_get_info(data), miniaudio.flac_read_f32
        elif data[:4] == b"RIFF":
            info, read = miniaudio.wav_get_info(data), miniaudio.wav_read_f32
            if info.sample_format not in (formats.SIGNED16, formats.SIGNED24, formats.FLOAT32):
                return None
        else:
            return None
        made = read(data)
    except (miniaudio.MiniaudioError, ValueError, ZeroDivisionError):  # its own, odd widths, a rate of 0 Hz
        return None
    if not 0 < info.num_frames == made.num_frames:
        return None
    return np.frombuffer(made.samples, dtype=np.float32).reshape(-1, made.nchannels), int(made.sample_rate)


@functools.cache
def library() -> Any:
    """miniaudio, or None where it is not installed, as on platforms without a wheel."""
    try:
        import miniaudio
    except ImportError:
        return None
    return miniaudio
