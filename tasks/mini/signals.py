"""Building blocks of the synthetic sounds: noises, resonances, control curves and ways to place events in time.

Everything is float64 at 16 kHz and draws only from the generator it is given. Frequencies in Hz, times in seconds,
``n`` in samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE = 16_000  # Hz


def count_samples(seconds: float) -> int:
    """Convert seconds to a whole number of samples, at least one."""
    return max(1, round(seconds * RATE))


def draw_log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform: frequencies, rates and decays have no natural linear scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def make_noise(rng: Generator, n: int, slope: float = 0.0) -> Array:
    """Make Gaussian noise [n] of unit power with a spectral ``slope`` in dB per octave (-3 pink, -6 brown)."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    white = rng.standard_normal(n)
    if slope == 0.0 or n < 2:
        return white
    size = next_fast_len(n, real=True)
    frequency = np.maximum(rfftfreq(size, 1 / RATE), 20.0)
    coloured: Array = irfft(rfft(white, size) * (frequency / 1000.0) ** (slope / 6.0206), size)[:n]
    return scale_to_unit(coloured)


def scale_to_unit(x: Array) -> Array:
    """Scale to unit power; silence stays silence."""
    power = float(np.sqrt(np.mean(x * x)))
    return x / power if power > 0 else x


def filter_band(x: Array, low: float, high: float, order: int = 2) -> Array:
    """Apply a Butterworth band-pass; an edge at or beyond 0 Hz or 7.9 kHz is left open."""
    from scipy import signal

    top = 7900.0
    if low <= 0 and high >= top:
        return x
    if low <= 0:
        sos = signal.butter(order, high, "lowpass", fs=RATE, output="sos")
    elif high >= top:
        sos = signal.butter(order, low, "highpass", fs=RATE, output="sos")
    else:
        sos = signal.butter(order, [low, high], "bandpass", fs=RATE, output="sos")
    out: Array = signal.sosfilt(sos, x)
    return out


def resonate(x: Array, centres: Sequence[float], widths: Sequence[float], gains: Sequence[float]) -> Array:
    """Apply parallel two-pole resonators (formants, pipes, bodies), each of unit peak gain times its ``gain``."""
    from scipy import signal

    out = np.zeros_like(x)
    for centre, width, gain in zip(centres, widths, gains, strict=True):
        if centre < 0.47 * RATE:
            b, a = signal.iirpeak(centre, centre / width, fs=RATE)
            out += gain * signal.lfilter(b, a, x)
    return out


def synthesise_modes(
    n: int, freqs: Sequence[float] | Array, decays: Sequence[float] | Array, gains: Sequence[float] | Array
) -> Array:
    """Synthesise a struck body [n]: damped sines, ``decays`` being the time to fall by 60 dB."""
    time = np.arange(n) / RATE
    out = np.zeros(n)
    for freq, decay, gain in zip(freqs, decays, gains, strict=True):
        if freq < 0.47 * RATE:
            m = min(n, count_samples(1.3 * decay))
            out[:m] += gain * np.exp(-6.9 * time[:m] / decay) * np.sin(2 * np.pi * freq * time[:m])
    return out


def make_burst(rng: Generator, seconds: float, attack: float = 0.001) -> Array:
    """Make a noise burst that rises in ``attack`` and has fallen by 60 dB after ``seconds``."""
    n = count_samples(seconds)
    time = np.arange(n) / RATE
    return rng.standard_normal(n) * np.minimum(time / attack, 1.0) * np.exp(-6.9 * time / seconds)


def draw_curve(rng: Generator, n: int, rate: float, low: float, high: float) -> Array:
    """Draw a smooth random curve [n] between ``low`` and ``high`` that turns about ``rate`` times a second."""
    knots = max(4, int(np.ceil(n / RATE * rate)) + 4)
    values = rng.uniform(low, high, knots)
    offset = rng.uniform(0.0, 1.0)
    position = offset + np.arange(n) / RATE * rate
    index = np.minimum(position.astype(np.int64), knots - 2)
    step = position - index
    step = step * step * (3.0 - 2.0 * step)
    curve: Array = values[index] * (1.0 - step) + values[index + 1] * step
    return curve


def interpolate(n: int, points: Sequence[tuple[float, float]]) -> Array:
    """Interpolate straight lines [n] through (position in 0..1, value) points."""
    out: Array = np.interp(np.linspace(0.0, 1.0, n), [p for p, _ in points], [v for _, v in points])
    return out


def compute_phase(frequency: Array) -> Array:
    """Compute the radians [n] of an oscillator that follows ``frequency`` [n]."""
    out: Array = 2 * np.pi * np.cumsum(frequency) / RATE
    return out


def synthesise_harmonics(frequency: Array, gains: Sequence[float] | Array) -> Array:
    """Synthesise a harmonic tone [n]; partials that would pass 7.5 kHz are silent while they do."""
    turn = np.exp(1j * compute_phase(frequency))
    out, partial = np.zeros_like(frequency), np.ones(len(frequency), dtype=np.complex128)
    low, high = float(frequency.min()), float(frequency.max())
    for order, gain in enumerate(gains, start=1):
        partial *= turn
        if order * low >= 7500.0:
            break
        out += gain * (
            partial.imag if order * high < 7500.0 else np.where(order * frequency < 7500.0, partial.imag, 0.0)
        )
    return out


def make_pulses(rng: Generator, frequency: Array, jitter: float = 0.0, shimmer: float = 0.0) -> Array:
    """Make one impulse per turn of ``frequency`` [n], with random timing (fraction of a period) and strength."""
    n = len(frequency)
    turns = np.cumsum(frequency) / RATE
    count = int(turns[-1])
    out = np.zeros(n)
    if count < 1:
        return out
    wanted = np.arange(1, count + 1) + jitter * rng.standard_normal(count)
    index = np.clip(np.searchsorted(turns, wanted), 0, n - 1)
    np.add.at(out, index, np.maximum(0.05, 1.0 + shimmer * rng.standard_normal(count)))
    return out


def mix_into(out: Array, start: float, event: Array, gain: float = 1.0) -> None:
    """Mix ``event`` into ``out`` from ``start`` seconds on; what falls outside is cut."""
    at = round(start * RATE)
    skip = max(0, -at)
    stop = min(len(out), at + len(event))
    if at + skip < stop:
        out[at + skip : stop] += gain * event[skip : stop - at]


def draw_regular_times(rng: Generator, seconds: float, interval: float, jitter: float = 0.0) -> list[float]:
    """Draw the onset times of a repeating event: a random phase, then ``interval`` with relative ``jitter``."""
    times, now = [], float(rng.uniform(0.0, min(interval, 0.6 * seconds)))
    while now < seconds:
        times.append(now)
        now += max(0.02, interval * (1.0 + jitter * float(rng.standard_normal())))
    return times


def draw_scattered_times(rng: Generator, seconds: float, rate: float) -> list[float]:
    """Draw the onset times of a Poisson process of ``rate`` events a second, never none."""
    count = max(1, int(rng.poisson(rate * seconds)))
    return sorted(float(t) for t in rng.uniform(0.0, seconds * 0.97, count))


def make_grains(rng: Generator, n: int, rate: Array | float, kernel: Array, spread: float = 1.0) -> Array:
    """Filter random impulses [n] (``rate`` a second, log-normal strengths of ``spread``) with one ``kernel``."""
    from scipy import signal

    hits = rng.random(n) < np.asarray(rate) / RATE
    train = np.where(hits, np.exp(spread * rng.standard_normal(n)) * rng.choice(np.array([-1.0, 1.0]), n), 0.0)
    out: Array = signal.fftconvolve(train, kernel)[:n]
    return out


def make_swell(n: int, rise: float, fall: float) -> Array:
    """Make an envelope [n] that rises and falls as raised cosines over the given fractions of its length."""
    position = np.linspace(0.0, 1.0, n)
    up = np.minimum(position / max(rise, 1e-6), 1.0)
    down = np.minimum((1.0 - position) / max(fall, 1e-6), 1.0)
    return 0.25 * (1.0 - np.cos(np.pi * up)) * (1.0 - np.cos(np.pi * down))
