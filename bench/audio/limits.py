"""Bounds of what a clip may be, checked before it is decoded: a header of a few bytes can promise hours of audio."""

from __future__ import annotations

from bench.types import DataError

LOWEST_RATE = 1_000  # Hz
HIGHEST_RATE = 1_000_000  # Hz
LONGEST_IN_S = 3_600.0
MOST_VALUES = 1 << 29  # samples times channels: 2 GiB of float32
LARGEST_PEAK = 100.0  # full scale is 1; integers that were written as floats are far above
BLOCK = 1 << 18  # samples that are read at a time where no length is known


def check_rate(sampling_rate: int, where: str) -> None:
    """Raise DataError for a sampling rate that no recording has."""
    if not LOWEST_RATE <= sampling_rate <= HIGHEST_RATE:
        expected = f"{LOWEST_RATE} Hz to {HIGHEST_RATE} Hz"
        raise DataError("sampling rate of a clip", got=f"{sampling_rate} Hz", expected=expected, where=where)


def check_size(n_samples: int, n_channels: int, sampling_rate: int, where: str) -> None:
    """Raise DataError for a clip of more samples than are decoded, or of a sampling rate that no recording has."""
    check_rate(sampling_rate, where)
    if n_samples > LONGEST_IN_S * sampling_rate or n_samples * n_channels > MOST_VALUES:
        got = f"{n_samples / sampling_rate / 3600:.3g} h in {n_channels} channels"
        expected = f"at most {LONGEST_IN_S / 3600:g} h and {MOST_VALUES} samples in all channels"
        remedy = "cut the recording into clips"
        raise DataError("clip is too long", got=got, expected=expected, where=where, remedy=remedy)


def count_most(n_channels: int, sampling_rate: int) -> int:
    """Return the number of samples per channel that a clip may have."""
    return int(min(LONGEST_IN_S * sampling_rate, MOST_VALUES // max(n_channels, 1)))
