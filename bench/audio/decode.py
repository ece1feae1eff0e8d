"""From the bytes of an audio file to mono float32 at the sampling rate of an encoder, and to its crops.

Conventions: amplitudes in [-1, 1]; mono is the mean over channels; resampling is soxr's HQ. ``RECIPE`` names all of it
and is part of every embedding's address, so a change here re-encodes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from bench.audio import miniaudio_decode
from bench.types import DataError

UNKNOWN_IN_BYTES = 0x7FFF0000  # lengths from here on mean a pipe: sox writes 0x7FFFF000 or so, ffmpeg 0xFFFFFFFF
RECIPE = "soundfile, mean over channels, soxr HQ"


def decode_mono(data: bytes, *, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode wav, flac, ogg, opus or mp3 bytes to (mono samples [N], sampling rate in Hz).

    Raises as ``decode_channels``, and for a WAV file that holds fewer samples than its header promises.
    """
    if data[:4] == b"RIFF":
        _check_length(data, where)
    audio, sampling_rate = decode_channels(data, where=where)
    return mix_to_mono(audio), sampling_rate


def mix_to_mono(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over channels [N] of samples [N, channels]."""
    mono = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1, dtype=np.float32)
    return np.ascontiguousarray(mono)


class ResampledClip(NamedTuple):
    """A decoded clip at an encoder's rate, and what is known of it from before it was resampled."""

    audio: NDArray[np.float32]  # [N] mono
    seconds: float
    digest: str  # see ``compute_digest``


def decode_resampled(data: bytes, wanted: int, *, where: str) -> ResampledClip:
    """Decode the bytes of an audio file to mono audio at ``wanted`` Hz. Raises as ``decode_mono``."""
    audio, native = decode_mono(data, where=where)
    return ResampledClip(resample(audio, native, wanted), len(audio) / native, compute_digest(audio, native))


def compute_digest(audio: NDArray[np.float32], sampling_rate: int) -> str:
    """Return a digest, 32 hex digits, of mono samples [N] and their rate; it is that of the audio in any container.

    >>> compute_digest(np.zeros(2, dtype=np.float32), 8000) == compute_digest(np.float32([0.0, -0.0]), 8000)
    True
    """
    digest = hashlib.sha256(sampling_rate.to_bytes(8, "little"))
    digest.update(np.ascontiguousarray(audio + np.float32(0.0), dtype="<f4").data)  # -0.0 is 0.0
    return digest.hexdigest()[:32]


def decode_channels(data: bytes, *, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode wav, flac, ogg, opus or mp3 bytes to (samples [N, channels], sampling rate in Hz).

    Raises DataError when the bytes do not decode, hold fewer samples than their header promises (but for WAV), none at
    all, or a value that is not finite.
    """
    audio, sampling_rate = miniaudio_decode.decode_with_miniaudio(data) or decode_with_libsndfile(data, where)
    if not np.isfinite(audio).all():
        sample, channel = np.argwhere(~np.isfinite(audio))[0]
        got = f"{audio[sample, channel]} at sample {sample}"
        raise DataError("clip is not finite", got=got, expected="finite", where=where)
    return audio, sampling_rate


def _check_length(data: bytes, where: str) -> None:
    """Raise DataError for a WAV file cut short, which decoders read as far as it goes.

    The header of one that was written to a pipe holds no length.
    """
    start = 12  # RIFF, size, WAVE
    while start + 8 <= len(data):
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        start += 8
        if name == b"data":
            if len(data) - start < size < UNKNOWN_IN_BYTES:
                got = f"{len(data) - start} bytes of audio"
                raise DataError("clip is cut short", got=got, expected=f"{size}", where=where)
            return
        start += size + size % 2


def decode_with_libsndfile(data: bytes, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode as ``decode_channels`` does, without the check that values are finite."""
    try:
        with _open_sound_file(data) as file:
            promised, sampling_rate = file.frames, file.samplerate
            audio = file.read(dtype="float32", always_2d=True)
    except (
        soundfile.LibsndfileError,
        RuntimeError,
        MemoryError,
        ValueError,
    ) as error:  # or no memory
        got = f"{len(data)} bytes ({error})"
        raise DataError("clip does not decode", got=got, expected="wav, flac, ogg, opus or mp3", where=where) from error
    if len(audio) == 0:
        raise DataError("clip is empty", got="0 samples", expected="audio", where=where)
    if len(audio) < promised:
        raise DataError("clip is cut short", got=f"{len(audio)} samples", expected=f"{promised}", where=where)
    return audio, int(sampling_rate)


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


def resample(audio: NDArray[np.float32], sampling_rate: int, wanted: int) -> NDArray[np.float32]:
    """Resample mono audio [N] from ``sampling_rate`` to ``wanted`` Hz; at least one sample comes out."""
    if sampling_rate == wanted:
        return audio
    resampled = np.asarray(soxr.resample(audio, sampling_rate, wanted, quality="HQ"), dtype=np.float32)
    return resampled if len(resampled) else audio[:1]


def list_crops(n_samples: int, sampling_rate: int, crop_in_s: float | None) -> list[tuple[int, int]]:
    """Return crops (start, stop) in samples that cover a whole clip, each at most ``crop_in_s`` long.

    Crops follow one another; the last one is aligned to the clip's end, so that every crop has the full length and no
    sample is left out. A clip that fits is one crop.

    >>> list_crops(n_samples=25, sampling_rate=10, crop_in_s=1.0)
    [(0, 10), (10, 20), (15, 25)]
    """
    if crop_in_s is None or n_samples <= (length := round(crop_in_s * sampling_rate)):
        return [(0, n_samples)]
    starts = [index * length for index in range(math.floor(n_samples / length))]
    if starts[-1] + length < n_samples:
        starts.append(n_samples - length)
    return [(start, start + length) for start in starts]
