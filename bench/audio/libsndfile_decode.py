"""What libsndfile makes of the bytes of a sound file."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.audio import limits
from bench.types import DataError

NAME = f"libsndfile {soundfile.__libsndfile_version__}"
FORMATS = "wav, aiff, au, caf, flac, ogg, opus or mp3"
FLOATS = ("FLOAT", "DOUBLE")
UNKNOWN = 1 << 40  # samples: such a length means that there is none in the header
DOES_NOT_DECODE = "clip does not decode"
IS_CUT = "clip is cut short"
IS_EMPTY = "clip is empty"


def decode_with_libsndfile(data: bytes, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode bytes to (samples [N, channels], sampling rate in Hz), without the check that values are finite.

    Raises DataError for what does not decode, is empty, or holds fewer samples than libsndfile expects.
    """
    return read_sound(data, where)[:2]


def read_sound(data: bytes, where: str) -> tuple[NDArray[np.float32], int, bool]:
    """Decode as ``decode_with_libsndfile`` does, and say whether the file holds floats."""
    try:
        with _open_sound_file(data) as file:
            promised, sampling_rate = file.frames, file.samplerate
            is_float = file.subtype in FLOATS
            if promised > limits.count_most(file.channels, sampling_rate) and file.format == "FLAC":
                audio = _read_to_end(file)  # its header alone is no reason to believe in hours of audio
                promised = 0 if promised >= UNKNOWN else promised
                limits.check_size(len(audio), file.channels, sampling_rate, where)
            else:
                limits.check_size(promised, file.channels, sampling_rate, where)
                audio = file.read(dtype="float32", always_2d=True)
    except (
        soundfile.LibsndfileError,
        RuntimeError,
        MemoryError,
        ValueError,
    ) as error:  # or no memory
        got = f"{len(data)} bytes ({NAME}: {error})"
        raise DataError(DOES_NOT_DECODE, got=got, expected=FORMATS, where=where) from error
    if len(audio) == 0:
        raise DataError(IS_EMPTY, got=f"0 samples ({NAME})", expected="audio", where=where)
    if len(audio) < promised:
        got = f"{len(audio)} samples ({NAME})"
        raise DataError(IS_CUT, got=got, expected=f"{promised}", where=where)
    return audio, int(sampling_rate), is_float


def _read_to_end(file: soundfile.SoundFile) -> NDArray[np.float32]:
    """Read all samples, or a block more than are decoded of a clip."""
    most = limits.count_most(file.channels, file.samplerate)
    blocks = [np.empty((0, file.channels), dtype=np.float32)]
    while sum(map(len, blocks)) <= most:
        blocks.append(file.read(limits.BLOCK, dtype="float32", always_2d=True))
        if len(blocks[-1]) < limits.BLOCK:
            break
    return np.concatenate(blocks)


@contextlib.contextmanager
def _open_sound_file(data: bytes) -> Iterator[soundfile.SoundFile]:
    """Open bytes as a sound file, in a memory file where the system has them.

    Reading from a Python object takes the interpreter's lock again and again, and other threads wait for it.
    """
    if not hasattr(os, "memfd_create"):
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            yield file
        return
    descriptor = os.memfd_create("clip")
    try:
        with open(descriptor, "wb", closefd=False) as memory:
            memory.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        with soundfile.SoundFile(descriptor, closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)
