"""FLAC and WAV as libsndfile decodes them, to the last bit, in half the time and less.

soundfile makes a dozen calls for a clip and takes the interpreter's lock after each, so that the threads of the encoder
wait as well. miniaudio's decoders write into our array in three. Whatever is unusual is left to soundfile, which alone
decides whether a file is broken.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

PCM = 1  # format tags of a WAV file
FLOAT = 3
SUPPORTED = {(PCM, 16), (PCM, 24), (FLOAT, 32), (FLOAT, 64)}  # other widths are scaled otherwise than by libsndfile
FUNCTIONS = "flac_open_memory flac_read_pcm_frames_f32 flac_close wav_init_memory wav_read_pcm_frames_f32 wav_uninit"

Samples = tuple[NDArray[np.float32], int]


def decode_with_miniaudio(data: bytes) -> Samples | None:
    """Decode a complete FLAC file, or a WAV file of 16 or 24 bits or floats, to (samples [N, channels], rate in Hz).

    Returns None for everything else: other formats and widths, broken or truncated data, no samples, no miniaudio.
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
        if (wav.translatedFormatTag, wav.bitsPerSample) not in SUPPORTED:
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
    except (MemoryError, ValueError):  # no memory for the length in the header
        return None
    if read(opened, promised, ffi.from_buffer("float[]", audio)) != promised:
        return None
    return audio, rate


@functools.cache
def load_miniaudio() -> tuple[Any, Any] | None:
    """Return miniaudio's C functions and their cffi object; None where it is not installed or lacks one of them."""
    try:
        from miniaudio import ffi, lib
    except ImportError:
        return None
    return (lib, ffi) if all(hasattr(lib, f"ma_dr_{name}") for name in FUNCTIONS.split()) else None
