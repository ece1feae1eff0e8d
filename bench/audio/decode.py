"""From the bytes of an audio file to mono float32 at the sampling rate of an encoder, and to its crops.

Conventions: amplitudes in [-1, 1]; mono is the mean over channels; resampling is soxr's HQ. ``RECIPE`` names all of it
and is part of every embedding's address, so a change here re-encodes.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from bench.audio import flac_headers, limits, miniaudio_decode
from bench.audio.judge import decode_part, split_parts
from bench.audio.libsndfile_decode import decode_with_libsndfile
from bench.audio.notes import append_notes
from bench.audio.part import Sound
from bench.types import BEYOND_SCALE, BROKEN_FRAMES, CANCELLED, SECOND_DECODER, DataError

RECIPE = "soundfile or miniaudio, every stream to its promised end, mean over channels, soxr HQ"
CANCELLED_BELOW = 0.1
PROBED = 256  # samples that tell most audio of other widths

__all__ = [
    "RECIPE",
    "DecodedFile",
    "ResampledClip",
    "compute_digest",
    "decode_channels",
    "decode_file",
    "decode_mono",
    "decode_resampled",
    "decode_with_libsndfile",
    "list_crops",
    "mix_to_mono",
    "resample",
]


class DecodedFile(NamedTuple):
    """The samples of a sound file, and what to know of them."""

    audio: NDArray[np.float32]  # [N, channels]
    sampling_rate: int  # Hz
    notes: tuple[str, ...] = ()  # of ``bench.types.DECODING_NOTES``


class ResampledClip(NamedTuple):
    """A decoded clip at an encoder's rate, and what is known of it from before it was resampled."""

    audio: NDArray[np.float32]  # [N] mono
    seconds: float
    digest: str  # see ``compute_digest``; notes may follow it


def decode_file(data: bytes, *, where: str) -> DecodedFile:
    """Decode the bytes of a sound file, with notes on it. The streams of a chain and joined files follow one another.

    Raises DataError when the bytes do not decode, hold another number of samples than their headers promise, none at
    all, a value that is not finite or far beyond full scale, more audio than an hour, or have an absurd sampling rate.
    """
    quick = miniaudio_decode.read_quickly(data) if data[:4] == flac_headers.MAGIC else None
    sounds = [Sound(*quick)] if quick is not None else [decode_part(part, where) for part in split_parts(data, where)]
    audio, rate = sounds[0].audio, sounds[0].sampling_rate
    if len(sounds) > 1:
        kinds = {(sound.sampling_rate, sound.audio.shape[1]) for sound in sounds}
        if len(kinds) > 1:
            got = " and ".join(f"{channels} channels at {rate} Hz" for rate, channels in sorted(kinds))
            raise DataError("streams of a clip differ", got=got, expected="equal ones", where=where)
        limits.check_size(sum(len(sound.audio) for sound in sounds), audio.shape[1], rate, where)
        audio = np.concatenate([sound.audio for sound in sounds])
    limits.check_size(len(audio), audio.shape[1], rate, where)
    peak = _measure_peak(audio, where)
    notes = {
        SECOND_DECODER: any(sound.by_second for sound in sounds),
        BROKEN_FRAMES: any(sound.is_broken for sound in sounds),
        BEYOND_SCALE: peak > 1 and any(sound.is_float for sound in sounds),
        CANCELLED: audio.shape[1] > 1 and _cancels(audio, peak),
    }
    return DecodedFile(audio, rate, tuple(note for note, holds in notes.items() if holds))


def decode_mono(data: bytes, *, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode the bytes of a sound file to (mono samples [N], sampling rate in Hz). Raises as ``decode_file``."""
    audio, sampling_rate = decode_channels(data, where=where)
    return mix_to_mono(audio), sampling_rate


def mix_to_mono(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over channels [N] of samples [N, channels]."""
    mono = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1, dtype=np.float32)
    return np.ascontiguousarray(mono)


def decode_resampled(data: bytes, wanted: int, *, where: str) -> ResampledClip:
    """Decode the bytes of a sound file to mono audio at ``wanted`` Hz. Raises as ``decode_file``."""
    decoded = decode_file(data, where=where)
    audio, native = mix_to_mono(decoded.audio), decoded.sampling_rate
    digest = append_notes(compute_digest(audio, native), decoded.notes)
    return ResampledClip(resample(audio, native, wanted), len(audio) / native, digest)


def compute_digest(audio: NDArray[np.float32], sampling_rate: int) -> str:
    """Return a digest, 32 hex digits, of mono samples [N] and their rate; it is that of the audio in any container.

    >>> compute_digest(np.zeros(2, dtype=np.float32), 8000) == compute_digest(np.float32([0.0, -0.0]), 8000)
    True
    """
    digest = hashlib.sha256(sampling_rate.to_bytes(8, "little"))
    short = _convert_to_int16(audio)  # half the bytes
    digest.update((np.ascontiguousarray(audio + np.float32(0.0), dtype="<f4") if short is None else short).data)
    return digest.hexdigest()[:32]  # of floats with 0.0 in place of -0.0


def _convert_to_int16(audio: NDArray[np.float32]) -> NDArray[np.int16] | None:
    """Return samples [N] as integers of 16 bits, or None where they are others."""
    for part in (audio[:PROBED], audio):
        scaled = part * np.float32(32768)
        short = scaled.astype(np.int32).astype("<i2")
        if not np.array_equal(short.astype(np.float32), scaled):
            return None
    return short


def decode_channels(data: bytes, *, where: str) -> tuple[NDArray[np.float32], int]:
    """Decode the bytes of a sound file to (samples [N, channels], sampling rate in Hz). Raises as ``decode_file``."""
    return decode_file(data, where=where)[:2]


def _measure_peak(audio: NDArray[np.float32], where: str) -> float:
    """Return the largest amplitude. Raises DataError for one that is not finite, or of integers."""
    peak = float(max(audio.max(), -audio.min()))
    if peak <= limits.LARGEST_PEAK:
        return peak
    if not np.isfinite(audio).all():
        sample, channel = np.argwhere(~np.isfinite(audio))[0]
        got = f"{audio[sample, channel]} at sample {sample}"
        raise DataError("clip is not finite", got=got, expected="finite", where=where)
    got, expected = f"a peak of {peak:.6g}", f"at most {limits.LARGEST_PEAK:g}, full scale being 1"
    remedy = "scale it; integers written as floats are divided by their full scale, such as 32768"
    raise DataError("clip is out of scale", got=got, expected=expected, where=where, remedy=remedy)


def _cancels(audio: NDArray[np.float32], peak: float) -> bool:
    """Return whether the sum of channels is below a tenth of the loudest one, at their peaks."""
    return peak > 0 and float(np.abs(audio.sum(axis=1)).max()) < CANCELLED_BELOW * peak


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
