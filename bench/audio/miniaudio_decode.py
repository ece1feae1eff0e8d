"""FLAC and WAV as libsndfile decodes them, to the last bit, in half the time and less; MP3 where libsndfile refuses.

soundfile makes a dozen calls for a clip and takes the interpreter's lock after each, so that the threads of the encoder
wait as well. miniaudio's decoders write into our array in three. Whatever is unusual is left to soundfile first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.audio import limits

NAME = "miniaudio"
PCM = 1  # format tags of a WAV file
FLOAT = 3
SUPPORTED = {(PCM, 16), (PCM, 24), (FLOAT, 32), (FLOAT, 64)}  # other widths are scaled otherwise than by libsndfile
FUNCTIONS = (
    "flac_open_memory flac_read_pcm_frames_f32 flac_close wav_init_memory wav_read_pcm_frames_f32 wav_uninit "
    "mp3_init_memory mp3_read_pcm_frames_f32 mp3_uninit"
)

Samples = tuple[NDArray[np.float32], int]


class Opened(NamedTuple):
    """A stream that miniaudio reads, and how it is closed."""

    stream: Any
    read: Any
    close: Any
    ffi: Any
    is_float: bool = False
    promised: int = 0  # 0: it does not say


def decode_with_miniaudio(data: bytes) -> Samples | None:
    """Decode a complete FLAC file, or a WAV file of 16 or 24 bits or floats, to (samples [N, channels], rate in Hz).

    Returns None for everything else: other formats and widths, broken or truncated data, data after what its header
    promises, more than is decoded of a clip, no samples, no miniaudio.
    """
    sound = read_quickly(data)
    return sound and sound[:2]


def read_quickly(data: bytes) -> tuple[NDArray[np.float32], int, bool] | None:
    """Decode as ``decode_with_miniaudio`` does, and say whether the file holds floats."""
    if (opened := _open(data, is_quick=True)) is None:
        return None
    try:
        audio = _read_promised(opened)
        return None if audio is None else (audio, int(opened.stream.sampleRate), opened.is_float)
    finally:
        opened.close(opened.stream)


def read_to_end(data: bytes, where: str) -> tuple[NDArray[np.float32], int, bool] | None:
    """Decode FLAC (in Ogg as well), MP3 or WAV as far as it goes.

    Returns None where nothing decodes. Raises DataError for more samples than are decoded of a clip.
    """
    if (opened := _open(data, is_quick=False)) is None:
        return None
    try:
        rate, channels = int(opened.stream.sampleRate), int(opened.stream.channels)
        if rate == 0 or channels == 0:
            return None
        audio = np.concatenate(list(_read_blocks(opened, limits.count_most(channels, rate))))
    except MemoryError:
        return None
    finally:
        opened.close(opened.stream)
    limits.check_size(len(audio), channels, rate, where)
    return (audio, rate, opened.is_float) if len(audio) else None


def _read_blocks(opened: Opened, most: int) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of samples to the end, or until there are more than ``most``."""
    n_samples = 0
    while n_samples <= most:
        block = np.empty((limits.BLOCK, int(opened.stream.channels)), dtype=np.float32)
        n_read = int(opened.read(opened.stream, limits.BLOCK, opened.ffi.from_buffer("float[]", block)))
        yield block[:n_read]
        n_samples += n_read
        if n_read < limits.BLOCK:
            return


def _open(data: bytes, *, is_quick: bool) -> Opened | None:
    """Open bytes by what they begin with. For a quick look only what has libsndfile's bits."""
    if (library := load_miniaudio()) is None:
        return None
    lib, ffi = library
    if data[:4] == b"fLaC" or (data[:4] == b"OggS" and not is_quick):
        flac = lib.ma_dr_flac_open_memory(data, len(data), ffi.NULL)
        if not flac:
            return None
        return Opened(
            flac, lib.ma_dr_flac_read_pcm_frames_f32, lib.ma_dr_flac_close, ffi, promised=int(flac.totalPCMFrameCount)
        )
    if data[:4] == b"RIFF":
        wav = ffi.new("ma_dr_wav *")
        if not lib.ma_dr_wav_init_memory(wav, data, len(data), ffi.NULL):
            return None
        tag, promised = wav.translatedFormatTag, int(wav.totalPCMFrameCount)
        opened = Opened(wav, lib.ma_dr_wav_read_pcm_frames_f32, lib.ma_dr_wav_uninit, ffi, tag == FLOAT, promised)
        if (tag, wav.bitsPerSample) not in SUPPORTED:
            opened.close(wav)
            return None
        return opened
    mp3 = ffi.new("ma_dr_mp3 *")
    if is_quick or not lib.ma_dr_mp3_init_memory(mp3, data, len(data), ffi.NULL):
        return None
    return Opened(mp3, lib.ma_dr_mp3_read_pcm_frames_f32, lib.ma_dr_mp3_uninit, ffi)


def _read_promised(opened: Opened) -> NDArray[np.float32] | None:
    """Read as many samples as were promised; None where there are fewer, or more."""
    promised, channels = opened.promised, int(opened.stream.channels)
    if promised == 0 or opened.stream.sampleRate == 0:
        return None
    if channels == 0 or promised > limits.count_most(channels, int(opened.stream.sampleRate)):
        return None
    try:
        audio = np.empty((promised + 1, channels), dtype=np.float32)  # a joined file has one more
    except (MemoryError, ValueError):  # no memory for the length in the header
        return None
    if opened.read(opened.stream, promised + 1, opened.ffi.from_buffer("float[]", audio)) != promised:
        return None
    return audio[:promised]


@functools.cache
def load_miniaudio() -> tuple[Any, Any] | None:
    """Return miniaudio's C functions and their cffi object; None where it is not installed or lacks one of them."""
    try:
        from miniaudio import ffi, lib
    except ImportError:
        return None
    return (lib, ffi) if all(hasattr(lib, f"ma_dr_{name}") for name in FUNCTIONS.split()) else None
