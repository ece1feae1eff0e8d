"""Acoustic scenes: a dry sound put into a random room, at a random place, level and signal-to-noise ratio.

Everything is float64 until :func:`to_pcm16` rounds once, so that differences in the last bits between machines
(vector units, FFT plans) do not reach the stored samples. All randomness comes from the generator handed in.
The room is the usual statistical model: a direct path, a few early reflections and noise that decays by 60 dB in
``rt60_in_s`` (Polack 1988), faster at high frequencies, as air and walls absorb those more.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from bench.types import DataError

Float = NDArray[np.float64]
Range = tuple[float, float]
Colour = Literal["white", "pink", "brown", "babble", "hum"]
COLOURS: tuple[Colour, ...] = ("white", "pink", "brown", "babble", "hum")


def make_rng(*names: str | int) -> Generator:
    """Make a generator that depends on ``names`` alone: equal names, equal stream, on every machine."""
    digest = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
    return Generator(PCG64(int.from_bytes(digest[:16], "big")))


def _scale_to_unit(x: Float) -> Float:
    level = float(np.sqrt(np.mean(x * x)))
    return x / level if level > 0 else x


def _make_coloured_noise(generator: Generator, n: int, sampling_rate: int, slope: float) -> Float:
    """Make noise whose amplitude falls as f**-slope (0 white, 0.5 pink, 1 brown), flat below 40 Hz."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    size = next_fast_len(n, real=True)
    spectrum = rfft(generator.standard_normal(size))
    spectrum *= np.maximum(rfftfreq(size, 1 / sampling_rate), 40.0) ** -slope
    spectrum[0] = 0
    return np.asarray(irfft(spectrum, size)[:n], dtype=np.float64)


def _make_babble(generator: Generator, n: int, sampling_rate: int) -> Float:
    """Make speech-coloured noise in the syllable rhythms of several talkers at once."""
    steps = np.arange(2 + n * 50 // sampling_rate) / 50  # an envelope below 6 Hz needs no more than 50 values a second
    envelope = np.zeros(len(steps))
    for _ in range(3):
        rate, phase = generator.uniform(2.5, 6.0), generator.uniform(0, 2 * np.pi)
        envelope += (0.5 + 0.5 * np.sin(2 * np.pi * rate * steps + phase)) ** 2
    slope = generator.uniform(0.5, 0.9)
    return np.interp(np.arange(n) / sampling_rate, steps, envelope) * _make_coloured_noise(
        generator, n, sampling_rate, slope
    )


def _make_hum(generator: Generator, n: int, sampling_rate: int) -> Float:
    """Make mains hum: harmonics of 50 or 60 Hz over faint white noise."""
    mains = float(generator.choice([50.0, 60.0]))
    coefficients = generator.uniform(0.2, 1.0, 12) * np.exp(1j * generator.uniform(0, 2 * np.pi, 12))
    total = 0.02 * generator.standard_normal(n)
    period = round(sampling_rate / mains)  # one period, repeated
    angle = 2j * np.pi * np.arange(period) / period
    wave = sum(np.imag(coefficients[k - 1] * np.exp(k * angle)) / k for k in range(1, 13))
    return np.asarray(total + np.resize(wave, n), dtype=np.float64)


def make_noise(generator: Generator, n: int, sampling_rate: int, colour: Colour | None = None) -> Float:
    """Make background noise [n] of unit RMS; a random colour when none is named."""
    name = COLOURS[int(generator.integers(len(COLOURS)))] if colour is None else colour
    match name:
        case "white":
            return _scale_to_unit(generator.standard_normal(n))
        case "pink":
            return _scale_to_unit(_make_coloured_noise(generator, n, sampling_rate, 0.5))
        case "brown":
            return _scale_to_unit(_make_coloured_noise(generator, n, sampling_rate, 1.0))
        case "babble":
            return _scale_to_unit(_make_babble(generator, n, sampling_rate))
        case "hum":
            return _scale_to_unit(_make_hum(generator, n, sampling_rate))


def make_room(generator: Generator, sampling_rate: int, rt60_in_s: float) -> Float:
    """Make the impulse response [K] of a random room, K = ceil(rt60 * rate): 1 at sample 0, then reflections.

    The energy of everything after the direct path lies 2 to 14 dB below it.
    """
    from scipy.signal import lfilter

    size = max(1, int(np.ceil(rt60_in_s * sampling_rate)))
    time = np.arange(size) / sampling_rate
    bright = generator.standard_normal(size) * 10 ** (-3 * time / (0.5 * max(rt60_in_s, 1e-3)))
    dark = lfilter([0.25], [1, -0.75], generator.standard_normal(size)) * 10 ** (-3 * time / max(rt60_in_s, 1e-3))
    tail = np.asarray(0.5 * bright + dark, dtype=np.float64)
    tail *= 1 - np.exp(-time / 0.008)  # the diffuse field builds up; it does not start with the direct sound
    for delay in generator.uniform(0.001, 0.04, int(generator.integers(5, 11))):
        sign, at = float(generator.choice([-1.0, 1.0])), int(delay * sampling_rate)
        if at < size:
            tail[at] += 0.6 * sign / (1 + 150 * delay)
    tail[0] = 0
    energy = float(np.sum(tail * tail))
    if energy > 0:
        tail *= np.sqrt(10 ** (-generator.uniform(2, 14) / 10) / energy)
    tail[0] = 1
    return tail


def apply_microphone(dry: Float, generator: Generator, sampling_rate: int, range_in_db: float = 6.0) -> Float:
    """Filter ``dry`` [N] with a smooth random response within +-``range_in_db`` (knots an octave apart)."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    size = next_fast_len(len(dry) + sampling_rate // 20, real=True)
    frequency = np.maximum(rfftfreq(size, 1 / sampling_rate), 20.0)
    knots = 62.5 * 2.0 ** np.arange(9)
    gain = generator.uniform(-range_in_db, range_in_db, len(knots))
    response = 10 ** (np.interp(np.log2(frequency), np.log2(knots), gain) / 20)
    return np.asarray(irfft(rfft(dry, size) * response, size)[: len(dry)], dtype=np.float64)


def _compute_active_rms(x: Float, sampling_rate: int) -> float:
    """Compute the RMS over the 20 ms frames within 30 dB of the loudest one: pauses do not count."""
    size = max(1, sampling_rate // 50)
    padded = np.pad(x, (0, -len(x) % size)).reshape(-1, size)
    power = np.mean(padded * padded, axis=1)
    return float(np.sqrt(np.mean(power[power >= 1e-3 * power.max()]))) if power.max() > 0 else 0.0


def place_in_scene(
    dry: Float,
    generator: Generator,
    sampling_rate: int,
    *,
    rt60_range: Range = (0.1, 0.5),
    snr_range_in_db: Range = (8.0, 30.0),
    level_range_in_dbfs: Range = (-34.0, -16.0),
    lead_range_in_s: Range = (0.05, 0.5),
    tail_range_in_s: Range = (0.05, 0.5),
    microphone_range_in_db: float = 4.0,
) -> Float:
    """Record the dry sound [N] as [M]: room, microphone, background noise throughout, random level and position.

    M = lead + N + tail; the room rings on into the tail. The level is the RMS of the sounding part, lowered where
    the peak would pass 0.98. Raises DataError when ``dry`` is empty, not one-dimensional or not finite.
    """
    from scipy.signal import fftconvolve

    if dry.ndim != 1 or len(dry) == 0 or not np.isfinite(dry).all():
        raise DataError("dry sound", got=f"shape {dry.shape}", expected="finite samples [N >= 1]", where="place")
    lead, tail = (int(generator.uniform(*span) * sampling_rate) for span in (lead_range_in_s, tail_range_in_s))
    response = make_room(generator, sampling_rate, generator.uniform(*rt60_range))
    size = lead + len(dry) + tail
    sound = np.zeros(size)
    reverberant = fftconvolve(np.asarray(dry, dtype=np.float64), response)[: len(dry) + tail]
    sound[lead : lead + len(reverberant)] = reverberant
    sound = apply_microphone(sound, generator, sampling_rate, microphone_range_in_db)
    level = _compute_active_rms(sound, sampling_rate)
    background = make_noise(generator, size, sampling_rate)
    snr = 10 ** (generator.uniform(*snr_range_in_db) / 20)
    mixed = (sound / level if level > 0 else sound) + background / snr
    target = 10 ** (generator.uniform(*level_range_in_dbfs) / 20)
    wet = mixed * target / max(_compute_active_rms(mixed, sampling_rate), 1e-12)
    peak = float(np.max(np.abs(wet)))
    return wet * (0.98 / peak) if peak > 0.98 else wet


def to_pcm16(x: Float) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to int16 [N]: the one place where float64 is rounded."""
    return np.rint(np.clip(x, -1.0, 1.0) * 32767.0).astype(np.int16)
