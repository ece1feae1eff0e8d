"""Sounds of a home that the other modules lack: talk, dishes, kitchen and bathroom machines.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.environment.creatures import draw_glide
from tasks.mini.environment.textures import synthesise_bubble
from tasks.mini.signals import (
    RATE,
    Array,
    compute_phase,
    count_samples,
    draw_curve,
    draw_log_uniform,
    draw_scattered_times,
    filter_band,
    interpolate,
    make_burst,
    make_grains,
    make_noise,
    make_pulses,
    make_swell,
    mix_into,
    resonate,
    scale_to_unit,
    synthesise_harmonics,
    synthesise_modes,
)

VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (490, 1350, 1690),
)
"""Formants in Hz of an adult's a, i, u, e, o and r-coloured vowel (Peterson and Barney 1952)."""


def synthesise_speech(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a talker's babble: syllables of a hiss or a pop and a gliding vowel, in phrases whose pitch falls."""
    pitch, rate = draw_log_uniform(source, 85, 260), source.uniform(3.6, 6.0)
    size = (140 / pitch) ** 0.25 * source.uniform(0.93, 1.07)
    hiss, rough = draw_log_uniform(source, 2500, 5000), source.uniform(0.005, 0.03)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.2))
    while now < n / RATE:
        count = int(clip.integers(4, 11))
        for k in range(count):
            m = count_samples(clip.uniform(0.55, 1.1) / rate)
            tone = pitch * (1.15 - 0.3 * k / count) * clip.uniform(0.92, 1.12)
            contour = tone * interpolate(m, [(0, clip.uniform(0.95, 1.05)), (0.4, 1.05), (1, 0.93)])
            first, second = ([f / size for f in VOWELS[int(clip.integers(len(VOWELS)))]] for _ in range(2))
            if clip.random() < 0.7:
                consonant = make_burst(clip, clip.uniform(0.03, 0.14), float(clip.choice(np.array([0.001, 0.03]))))
                mix_into(
                    out,
                    now - 0.04,
                    filter_band(consonant, hiss * clip.uniform(0.3, 1.0), 7900, 1),
                    clip.uniform(0.1, 0.6),
                )
            mix_into(
                out,
                now,
                draw_glide(clip, contour, (first, second), rough=rough) * make_swell(m, 0.2, 0.3),
                clip.uniform(0.5, 1),
            )
            now += clip.uniform(0.85, 1.2) / rate
        now += clip.uniform(0.1, 0.4)
    return out


def synthesise_dishes(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise plates, glasses and cutlery that touch: small bright bodies, struck in clusters."""
    bodies = []
    for _ in range(int(source.integers(3, 8))):
        ratios = 1.0 + np.concatenate([[0.0], np.cumsum(source.uniform(0.3, 1.3, 6))])
        decays = draw_log_uniform(source, 0.06, 0.5) / ratios**0.4
        bodies.append(
            synthesise_modes(
                count_samples(0.5), draw_log_uniform(source, 600, 3200) * ratios, decays, source.uniform(0.3, 1.0, 7)
            )
        )
    rate, contact = source.uniform(1.5, 4.0), source.uniform(0.2, 0.8)
    out = np.zeros(n)
    for start in draw_scattered_times(clip, n / RATE, rate):
        body, now = bodies[int(clip.integers(len(bodies)))], start
        for _ in range(int(clip.integers(1, 5))):
            gain = draw_log_uniform(clip, 0.2, 1.0)
            mix_into(out, now, body, gain)
            mix_into(out, now, filter_band(make_burst(clip, 0.02, 0.0003), 1500, 7900, 1), contact * gain)
            now += clip.uniform(0.03, 0.14)
    return out


def synthesise_blender(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a fast motor that spins up, bogs down on lumps and knocks them against the jar."""
    motor, lumps = draw_log_uniform(source, 190, 420), draw_log_uniform(source, 6, 40)
    spin = np.minimum(np.arange(n) / RATE / source.uniform(0.15, 0.5), 1.0) ** 0.5
    speed = motor * (0.4 + 0.6 * spin) * draw_curve(clip, n, 2.5, 0.88, 1.06)
    whine = synthesise_harmonics(speed, source.uniform(0.2, 1.0, 16) / np.arange(1, 17) ** 0.3)
    jar = np.sort(np.exp(source.uniform(np.log(500), np.log(4500), 4)))
    knocks = make_pulses(clip, np.full(n, lumps), 0.4, 0.8) + 0.02 * make_noise(clip, n)
    churn = resonate(knocks, list(jar), list(jar * 0.25), [1.0, 0.9, 0.8, 0.6])
    air = filter_band(make_noise(clip, n), 800, draw_log_uniform(source, 3500, 7900), 1) * draw_curve(
        clip, n, 6, 0.4, 1.0
    )
    return (
        scale_to_unit(whine)
        + source.uniform(0.4, 1.2) * scale_to_unit(churn)
        + source.uniform(0.2, 0.7) * scale_to_unit(air)
    ) * spin


def synthesise_shaver(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise an electric shaver or toothbrush: a thin even buzz that changes colour on the skin or in the mouth."""
    buzz, teeth = draw_log_uniform(source, 70, 270), source.uniform(2200, 5200)
    tone = synthesise_harmonics(buzz * draw_curve(clip, n, 1.5, 0.99, 1.01), source.uniform(0.2, 1.0, 24))
    body = np.array([draw_log_uniform(source, 500, 1100), draw_log_uniform(source, 1300, 2600), teeth])
    near, far = (resonate(tone, list(body * shift), list(body * 0.3), [1.0, 0.9, 0.8]) for shift in (1.15, 0.8))
    place = draw_curve(clip, n, 1.8, 0.0, 1.0)
    bristles = filter_band(make_noise(clip, n), teeth / 1.5, teeth * 1.5, 1) * (
        0.5 + 0.5 * np.sin(compute_phase(np.full(n, buzz)))
    )
    contact = draw_curve(clip, n, 2.5, 0.1, 1.0)
    return (
        place * scale_to_unit(near)
        + (1 - place) * scale_to_unit(far)
        + source.uniform(0.1, 0.6) * scale_to_unit(bristles) * contact
    )


def synthesise_frying(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise fat that sizzles: a dense bright crackle, a steady hiss and some spits."""
    centre = draw_log_uniform(source, 2200, 5500)
    pop = filter_band(make_burst(source, draw_log_uniform(source, 0.002, 0.006), 0.0002), centre / 2, centre * 2, 1)
    crackle = make_grains(clip, n, draw_log_uniform(source, 200, 1500) * draw_curve(clip, n, 1.0, 0.6, 1.4), pop, 1.2)
    hiss = filter_band(make_noise(clip, n, source.uniform(0, 3)), draw_log_uniform(source, 1500, 3500), 7900, 1)
    out = scale_to_unit(crackle) + source.uniform(0.3, 1.2) * scale_to_unit(hiss) * draw_curve(clip, n, 0.7, 0.7, 1.0)
    for now in draw_scattered_times(clip, n / RATE, source.uniform(1.0, 5.0)):
        mix_into(
            out,
            now,
            filter_band(make_burst(clip, 0.03, 0.0005), centre / 3, centre, 1),
            draw_log_uniform(clip, 1.0, 5.0),
        )
    return out


def synthesise_running_water(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a tap that runs into a sink: rush, bubbles of all sizes, the drone of the basin."""
    low, high = draw_log_uniform(source, 250, 900), draw_log_uniform(source, 2500, 6500)
    rush = filter_band(make_noise(clip, n, source.uniform(-4, -1)), low, high, 1) * draw_curve(clip, n, 5, 0.7, 1.0)
    drops = [synthesise_bubble(source, draw_log_uniform(source, 0.0008, 0.005)) for _ in range(12)]
    gurgle = np.zeros(n)
    for now in draw_scattered_times(clip, n / RATE, draw_log_uniform(source, 40, 180)):
        mix_into(gurgle, now, drops[int(clip.integers(len(drops)))], draw_log_uniform(clip, 0.1, 1.0))
    basin = draw_log_uniform(source, 180, 600)
    drone = resonate(rush, [basin, basin * 1.7], [basin * 0.15, basin * 0.3], [1.0, 0.6])
    return (
        scale_to_unit(rush)
        + source.uniform(0.3, 0.9) * scale_to_unit(gurgle)
        + source.uniform(0.1, 0.5) * scale_to_unit(drone)
    )
