"""Drums, cymbals and bells: one struck instrument each, hit again and again.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.signals import (
    RATE,
    Array,
    compute_phase,
    count_samples,
    draw_log_uniform,
    draw_regular_times,
    draw_scattered_times,
    filter_band,
    interpolate,
    make_burst,
    mix_into,
    resonate,
    scale_to_unit,
    synthesise_modes,
)

BAR = np.array([1.0, 2.756, 5.404, 8.933])
"""Modes of a free bar or tube over its lowest (Fletcher and Rossing, The Physics of Musical Instruments, 2.16)."""
SKIN = np.array([1.0, 1.594, 2.136, 2.296, 2.653])
"""Modes of an ideal round membrane over its lowest: zeros of the Bessel functions."""


def _place_strokes(clip: Generator, n: int, gap: float, strokes: list[Array]) -> Array:
    """Place ``strokes`` in random turn every ``gap`` seconds [n], some harder than others."""
    out = np.zeros(n)
    for now in draw_regular_times(clip, n / RATE, gap, 0.06):
        mix_into(out, now, strokes[int(clip.integers(len(strokes)))], clip.uniform(0.5, 1.0))
    return out


def synthesise_hi_hat(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a pair of small cymbals, closed or open: dense high modes and hiss."""
    decay = draw_log_uniform(source, 0.06, 0.15) if source.random() < 0.5 else draw_log_uniform(source, 0.4, 1.0)
    low = draw_log_uniform(source, 2500, 5500)
    freqs, gains = source.uniform(low, 7500, 14), source.uniform(0.2, 1.0, 14)
    ring = synthesise_modes(count_samples(decay), freqs, decay * source.uniform(0.5, 1.0, 14), gains)
    hiss = source.uniform(0.5, 2.0)
    strokes = [
        scale_to_unit(ring)
        + hiss * scale_to_unit(filter_band(make_burst(clip, decay, 0.0005), low, 7900, 2))[: len(ring)]
        for _ in range(3)
    ]
    return _place_strokes(clip, n, draw_log_uniform(source, 0.15, 0.7), strokes)


def synthesise_snare_drum(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a tight skin over wires that rattle longer than it rings; single strokes or a roll."""
    skin, decay = draw_log_uniform(source, 150, 290), draw_log_uniform(source, 0.08, 0.2)
    rattle, wires = draw_log_uniform(source, 0.1, 0.3), source.uniform(0.3, 1.2)
    m, low = count_samples(max(decay, rattle)), draw_log_uniform(source, 700, 2500)
    head = scale_to_unit(synthesise_modes(m, skin * SKIN, decay / SKIN**0.5, source.uniform(0.3, 1.0, 5)))
    strokes = []
    for _ in range(3):
        stroke = head.copy()
        mix_into(stroke, 0.0, scale_to_unit(filter_band(make_burst(clip, rattle, 0.001), low, 7900, 1)), wires)
        strokes.append(stroke)
    gap = draw_log_uniform(source, 0.06, 0.1) if source.random() < 0.25 else draw_log_uniform(source, 0.25, 0.8)
    return _place_strokes(clip, n, gap, strokes)


def synthesise_bass_drum(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a large skin whose pitch falls as its stretch relaxes, and the beater's click."""
    pitch, decay, drop = draw_log_uniform(source, 42, 85), draw_log_uniform(source, 0.2, 0.6), source.uniform(1.3, 3.5)
    m = count_samples(decay)
    time = np.arange(m) / RATE
    sweep = np.sin(compute_phase(pitch * (1 + (drop - 1) * np.exp(-time / 0.03)))) * np.exp(-6.9 * time / decay)
    mix_into(
        sweep,
        0.0,
        filter_band(make_burst(source, 0.02, 0.001), 200, draw_log_uniform(source, 1200, 5000), 1),
        source.uniform(0.1, 0.7),
    )
    return _place_strokes(clip, n, draw_log_uniform(source, 0.3, 0.9), [sweep])


def synthesise_cowbell(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a clamped metal box: two strong modes about a fifth apart and a few faint ones."""
    low, decay = draw_log_uniform(source, 420, 900), draw_log_uniform(source, 0.12, 0.5)
    ratios = np.array([1.0, source.uniform(1.42, 1.56), 2.3, 3.1, 4.2]) * source.uniform(0.98, 1.02, 5)
    gains = np.array([1.0, 0.9, 0.35, 0.3, 0.2]) * source.uniform(0.6, 1.0, 5)
    body = synthesise_modes(count_samples(decay), low * ratios, decay / ratios**0.6, gains)
    mix_into(body, 0.0, filter_band(make_burst(source, 0.01, 0.0005), 1500, 7900, 1), source.uniform(0.1, 0.5))
    return _place_strokes(clip, n, draw_log_uniform(source, 0.2, 0.8), [body])


def synthesise_tambourine(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise pairs of small plates that clash together at every hit or shake."""
    plates = [
        synthesise_modes(
            count_samples(0.25), source.uniform(3500, 7400, 5), source.uniform(0.05, 0.22, 5), source.uniform(0.3, 1, 5)
        )
        for _ in range(6)
    ]
    shakes, hit = source.random() < 0.5, source.uniform(0.0, 0.8)
    gap = draw_log_uniform(source, 0.09, 0.16) if shakes else draw_log_uniform(source, 0.25, 0.7)
    thump = filter_band(make_burst(source, 0.08, 0.001), 150, 900, 1)
    out = np.zeros(n)
    for now in draw_regular_times(clip, n / RATE, gap, 0.08):
        loud = clip.uniform(0.5, 1.0)
        mix_into(out, now, thump, 0.0 if shakes else hit * loud)
        for plate in plates:
            for _ in range(3):
                mix_into(out, now + float(clip.exponential(0.012)), plate, loud * clip.uniform(0.2, 1.0))
    return out


def synthesise_gong(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a large plate: low modes at once, high ones that bloom after the stroke."""
    low, size = draw_log_uniform(source, 55, 220), int(source.integers(18, 32))
    freqs = low * np.exp(np.sort(source.uniform(0, np.log(18), size)))
    gains = source.uniform(0.2, 1.0, size) * (low / freqs) ** 0.35
    length = source.uniform(2.0, 4.5)
    bright = freqs > 4 * low
    m = count_samples(4.0)
    bloom = 1 - np.exp(-np.arange(m) / RATE / source.uniform(0.05, 0.3))
    dark = synthesise_modes(m, freqs[~bright], length / (freqs[~bright] / low) ** 0.3, gains[~bright])
    tone = dark + bloom * synthesise_modes(m, freqs[bright], length / (freqs[bright] / low) ** 0.3, gains[bright])
    return _place_strokes(clip, n, source.uniform(1.2, 3.0), [tone])


def synthesise_chime(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise metal tubes that the wind knocks together, a few at a time."""
    low, tubes = draw_log_uniform(source, 500, 1600), int(source.integers(4, 8))
    steps = np.sort(source.uniform(0, 14, tubes))
    decay = source.uniform(0.8, 2.5)
    rings = [
        synthesise_modes(
            count_samples(2.5), low * 2 ** (step / 12) * BAR, decay / BAR**0.5, source.uniform(0.3, 1.0, 4) / BAR**0.4
        )
        for step in steps
    ]
    out = np.zeros(n)
    for now in draw_scattered_times(clip, n / RATE, source.uniform(1.5, 5.0)):
        mix_into(out, now, rings[int(clip.integers(tubes))], draw_log_uniform(clip, 0.2, 1.0))
    return out


def synthesise_finger_snapping(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a finger on the ball of the thumb: a click in the cavity of a hand."""
    cavity, width = draw_log_uniform(source, 1100, 3200), source.uniform(0.15, 0.5)
    decay, strokes = draw_log_uniform(source, 0.02, 0.07), []
    for _ in range(3):
        snap = make_burst(clip, decay, 0.0006) * interpolate(count_samples(decay), [(0, 1.0), (1, 0.4)])
        strokes.append(scale_to_unit(resonate(snap, [cavity, 2.1 * cavity], [cavity * width, cavity], [1.0, 0.3])))
    return _place_strokes(clip, n, draw_log_uniform(source, 0.3, 0.9), strokes)
