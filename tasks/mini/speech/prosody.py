"""How a voice speaks, changed after the fact: pitch movements, tremor, effort, breath, pauses. Speech [N] at ``RATE``.

What each of these does in expressive speech is told by Juslin and Laukka 2003 (doi:10.1037/0033-2909.129.5.770).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.signals import RATE, Array, count_samples, draw_curve

FRAME = RATE // 50


def bend(x: Array, semitones: Array) -> Array:
    """Play ``x`` faster and slower so that its pitch moves by ``semitones`` [N], [~ N]; the formants go along.

    Meant for small movements. Slowed stretches become longer and hurried ones shorter.
    """
    from scipy.ndimage import map_coordinates

    speed = np.exp2(semitones / 12.0)
    when = np.concatenate([[0.0], np.cumsum(1.0 / speed)])  # the time at which each sample of x is reached
    position = np.interp(np.arange(int(when[-1])), when[:-1], np.arange(len(x)))
    out: Array = map_coordinates(x, position[None], order=3, mode="nearest")
    return out


def draw_melody(
    generator: Generator, n: int, *, slope: float, final: float, arch: float, tremor: float, jitter: float
) -> Array:
    """Draw [n] semitones: a line that rises by ``slope``, an ``arch``, a ``final`` turn and random deviations.

    ``tremor`` is the depth of a shake of 5 to 9 Hz, ``jitter`` that of fast irregular movements.
    """
    place = np.linspace(0.0, 1.0, n)
    line = slope * (place - 0.5) + arch * np.sin(np.pi * place) + final * np.clip((place - 0.75) / 0.25, 0.0, 1.0)
    rate = generator.uniform(5.0, 9.0) * (1.0 + 0.1 * draw_curve(generator, n, 2.0, -1.0, 1.0))
    shake = np.sin(2 * np.pi * np.cumsum(rate) / RATE + generator.uniform(0.0, 2 * np.pi))
    depth = draw_curve(generator, n, 1.5, 0.4, 1.0)
    out: Array = line + tremor * shake * depth + jitter * draw_curve(generator, n, 45.0, -1.0, 1.0)
    return out


def compute_envelope(x: Array) -> Array:
    """Compute the local level [N], at most 1: RMS over 20 ms."""
    from scipy.ndimage import uniform_filter1d

    level: Array = np.sqrt(np.maximum(uniform_filter1d(x * x, FRAME, mode="constant"), 0.0))
    return level / max(float(level.max()), 1e-12)


def stress(x: Array, expand: float) -> Array:
    """Make loud parts louder (``expand`` above 1) or level them out (below 1), [N]."""
    return x * (compute_envelope(x) + 0.02) ** (expand - 1.0)


def tilt_spectrum(x: Array, tilt: float) -> Array:
    """Tilt the spectrum of [N] from 300 Hz to 5 kHz by ``tilt`` dB per octave: a pressed or a soft voice."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    size = next_fast_len(len(x) + 256, real=True)
    octaves = np.log2(np.clip(rfftfreq(size, 1 / RATE), 300.0, 5000.0) / 1000.0)
    out: Array = irfft(rfft(x, size) * 10 ** (tilt * octaves / 20), size)[: len(x)]
    return out


def breathe(x: Array, generator: Generator, amount: float) -> Array:
    """Whisper [N] in part: above 800 Hz, ``amount`` (0..1) of the amplitude becomes noise.

    The noise is that part of ``x`` times noise, so it comes and goes with the voice.
    """
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
    from scipy.ndimage import uniform_filter1d

    size = next_fast_len(len(x) + 256, real=True)
    high = 1.0 / (1.0 + (800.0 / np.maximum(rfftfreq(size, 1 / RATE), 1.0)) ** 4)
    upper: Array = irfft(rfft(x, size) * high, size)[: len(x)]
    rough = uniform_filter1d(generator.standard_normal(len(x)), 3) * np.sqrt(3.0)
    out: Array = x - amount * upper + 1.2 * amount * upper * rough
    return out


def insert_gaps(x: Array, generator: Generator, count: int, seconds: tuple[float, float]) -> Array:
    """Insert ``count`` pauses where ``x`` is quietest, 0.2 s or more from one another and from both ends."""
    level = compute_envelope(x)[:: FRAME // 4]
    away = round(0.2 * RATE / (FRAME // 4))
    free = np.zeros(len(level), dtype=bool)
    free[away : max(away, len(level) - away)] = True
    cuts: list[int] = []
    for _ in range(count):
        if not free.any():
            break
        at = int(np.argmin(np.where(free, level, np.inf)))
        cuts.append(at * (FRAME // 4))
        free[max(0, at - away) : at + away] = False
    parts: list[Array] = []
    start = 0
    for cut in sorted(cuts):
        parts += [x[start:cut], np.zeros(count_samples(generator.uniform(*seconds)))]
        start = cut
    return np.concatenate([*parts, x[start:]])
