"""FLAC and WAV as libsndfile decodes them, to the last bit, in half the time and less.

soundfile makes a dozen calls for a clip and asks for the interpreter's lock after each, for which the threads of the
encoder then wait as well. miniaudio's decoders write into our array in three. Whatever is unusual here is left to
soundfile, so that there is one judge of what is broken.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

PCM, FLOAT = 1, 3  # format tags of a WAV file
SAME = {(PCM, 16), (PCM, 24), (FLOAT, 32), (FLOAT, 64)}  # other widths are scaled otherwise than by libsndfile
NEEDED = "flac_open_memory flac_read_pcm_frames_f32 flac_close wav_init_memory wav_read_pcm_frames_f32 wav_uninit"

Samples = tuple[NDArray[np.float32], int]


def decode_with_miniaudio(data: bytes) -> Samples | None:
    """(samples [N, channels], sampling rate in Hz) of a complete FLAC file, or a WAV file of 16 or 24 bits or floats.

    None for everything else: other formats and widths, broken or truncated data, no samples, no miniaudio.
    """
    if (library := load_miniaudio()) is None:
        return None
    if data[:4] == b"fLaC":
        return _decode_flac(data, *library)
    return _decode_wav(data, *library) if data[:4] == b"RIFF" else None


def _decode_flac(data: bytes, lib: Any, ffi: Any) -> Samples | None:
    flac = lib.ma_dr_flac_open_memory(data, len(data), ffi.NULL)
    if not flac:
        return None
    try:
        return _read_samples(flac, lib.ma_dr_flac_read_pcm_frames_f32, ffi)
    finally:
        lib.ma_dr_flac_close(flac)


def _decode_wav(data: bytes, lib: Any, ffi: Any) -> Samples | None:
    wav = ffi.new("ma_dr_wav *")
    if not lib.ma_dr_wav_init_memory(wav, data, len(data), ffi.NULL):
        return None
    try:
        if (wav.translatedFormatTag, wav.bitsPerSample) not in SAME:
            return None
        return _read_samples(wav, lib.ma_dr_wav_read_pcm_frames_f32, ffi)
    finally:
        lib.ma_dr_wav_uninit(wav)


def _read_samples(opened: Any, read: Any, ffi: Any) -> Samples | None:
    promised, rate = int(opened.totalPCMFrameCount), int(opened.sampleRate)
    if promised == 0 or rate == 0:
        return None
    try:
        audio = np.empty((promised, int(opened.channels)), dtype=np.float32)
    except (MemoryError, ValueError):  # no room for what the header promises
        return None
    if read(opened, promised, ffi.from_buffer("float[]", audio)) != promised:
        return None
    return audio, rate


@functools.cache
def load_miniaudio() -> tuple[Any, Any] | None:
    """miniaudio's C functions and their cffi object; None where it is not installed, or has them no longer."""
    try:
        from miniaudio import ffi, lib
    except ImportError:
        return None
    return (lib, ffi) if all(hasattr(lib, f"ma_dr_{name}") for name in NEEDED.split()) else None
