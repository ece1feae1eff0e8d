"""Things lying about: a cough, a bunch of keys, a telephone, paper that tears.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.environment.creatures import draw_glide
from tasks.mini.signals import (
    RATE,
    Array,
    compute_phase,
    count_samples,
    draw_curve,
    draw_log_uniform,
    draw_regular_times,
    draw_scattered_times,
    filter_band,
    interpolate,
    make_burst,
    make_grains,
    make_swell,
    mix_into,
    scale_to_unit,
    synthesise_modes,
)


def synthesise_cough(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise two to four explosions of breath, each with a hoarse voiced end."""
    pitch, size, rough = draw_log_uniform(source, 110, 330), source.uniform(0.85, 1.2), source.uniform(0.05, 0.2)
    tract = [draw_log_uniform(source, 500, 850) / size, draw_log_uniform(source, 1200, 1900) / size, 2900 / size]
    voiced, gap = source.uniform(0.2, 0.9), source.uniform(0.25, 0.45)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        for _ in range(int(clip.integers(2, 5))):
            m = count_samples(clip.uniform(0.12, 0.26))
            blast = scale_to_unit(filter_band(make_burst(clip, 0.2, 0.004), 500, draw_log_uniform(clip, 3000, 6500), 1))
            mix_into(out, now, blast, clip.uniform(0.7, 1.0))
            contour = pitch * clip.uniform(0.9, 1.2) * interpolate(m, [(0, 1.2), (1, 0.8)])
            hoarse = draw_glide(clip, contour, (tract, tract), rough=rough, breath=0.8) * make_swell(m, 0.2, 0.6)
            mix_into(out, now + 0.04, hoarse, voiced)
            now += gap * clip.uniform(0.8, 1.3)
        now += clip.uniform(0.4, 1.2)
    return out


def synthesise_keys_jangling(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise small flat pieces of metal that knock against each other in flurries."""
    pieces = [
        synthesise_modes(
            count_samples(0.2),
            source.uniform(2200, 7400, 6),
            source.uniform(0.02, 0.16, 6),
            source.uniform(0.2, 1.0, 6),
        )
        for _ in range(int(source.integers(3, 9)))
    ]
    flurry = draw_curve(clip, n, source.uniform(2.0, 5.0), 0.0, 1.0)
    out = np.zeros(n)
    for now in draw_scattered_times(clip, n / RATE, source.uniform(18, 60)):
        loud = draw_log_uniform(clip, 0.1, 1.0) * flurry[round(now * RATE)]
        mix_into(out, now, pieces[int(clip.integers(len(pieces)))], loud)
    return out


def synthesise_telephone(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise rings with rests between: two small bells and a clapper, or two tones that take turns."""
    ring, rest, rate = source.uniform(0.5, 1.4), source.uniform(0.3, 1.0), source.uniform(12, 26)
    m, tone = count_samples(ring), draw_log_uniform(source, 500, 1800)
    second = tone * source.uniform(1.1, 1.45)
    if source.random() < 0.5:
        partials = np.array([1.0, 2.5, 4.1])
        bells = [
            synthesise_modes(count_samples(0.5), f * partials, [0.5, 0.3, 0.2], [1.0, 0.6, 0.3]) for f in (tone, second)
        ]
        sound = np.zeros(m + count_samples(0.4))
        for index, now in enumerate(np.arange(0.0, ring, 1 / rate)):
            mix_into(sound, float(now), bells[index % 2], 0.8 + 0.2 * (index % 2))
    else:
        turns = (np.arange(m) / RATE * rate).astype(np.int64) % 2
        wave = np.sin(compute_phase(np.where(turns == 0, tone, second)))
        sound = np.tanh(source.uniform(0.5, 4.0) * wave) * make_swell(m, 0.02, 0.02)
    out = np.zeros(n)
    for now in draw_regular_times(clip, n / RATE, ring + rest, 0.0):
        mix_into(out, now, sound)
    return out


def synthesise_tearing(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise fibres that give way one after another, faster while the hands pull harder."""
    dense, low = draw_log_uniform(source, 250, 1500), draw_log_uniform(source, 400, 2000)
    fibre = filter_band(
        make_burst(source, draw_log_uniform(source, 0.002, 0.008), 0.0002), low, draw_log_uniform(source, 4500, 7900), 1
    )
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.3))
    while now < n / RATE:
        m = count_samples(draw_log_uniform(clip, 0.15, 1.2))
        pull = draw_curve(clip, m, 6, 0.2, 1.0) * interpolate(m, [(0, 0.5), (1, 1.0)])
        mix_into(
            out, now, scale_to_unit(make_grains(clip, m, dense * pull, fibre, 0.7)) * pull * make_swell(m, 0.1, 0.05)
        )
        now += m / RATE + clip.uniform(0.1, 0.6)
    return out
