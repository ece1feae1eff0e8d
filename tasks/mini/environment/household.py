"""Sounds of a home that the other modules lack: talk, dishes, kitchen and bathroom machines.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.environment.creatures import glide
from tasks.mini.environment.textures import bubble
from tasks.mini.signals import (
    RATE,
    Array,
    add,
    band,
    burst,
    curve,
    grains,
    harmonics,
    log_uniform,
    modes,
    noise,
    phase,
    pulses,
    resonate,
    samples,
    scattered,
    swell,
    unit,
    wander,
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


def speech(source: Generator, clip: Generator, n: int) -> Array:
    """A talker's babble: syllables of a hiss or a pop and a gliding vowel, in phrases whose pitch falls."""
    pitch, rate = log_uniform(source, 85, 260), source.uniform(3.6, 6.0)
    size = (140 / pitch) ** 0.25 * source.uniform(0.93, 1.07)
    hiss, rough = log_uniform(source, 2500, 5000), source.uniform(0.005, 0.03)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.2))
    while now < n / RATE:
        count = int(clip.integers(4, 11))
        for k in range(count):
            m = samples(clip.uniform(0.55, 1.1) / rate)
            tone = pitch * (1.15 - 0.3 * k / count) * clip.uniform(0.92, 1.12)
            contour = tone * curve(m, [(0, clip.uniform(0.95, 1.05)), (0.4, 1.05), (1, 0.93)])
            first, second = ([f / size for f in VOWELS[int(clip.integers(len(VOWELS)))]] for _ in range(2))
            if clip.random() < 0.7:
                consonant = burst(clip, clip.uniform(0.03, 0.14), float(clip.choice(np.array([0.001, 0.03]))))
                add(out, now - 0.04, band(consonant, hiss * clip.uniform(0.3, 1.0), 7900, 1), clip.uniform(0.1, 0.6))
            add(out, now, glide(clip, contour, (first, second), rough=rough) * swell(m, 0.2, 0.3), clip.uniform(0.5, 1))
            now += clip.uniform(0.85, 1.2) / rate
        now += clip.uniform(0.1, 0.4)
    return out


def dishes(source: Generator, clip: Generator, n: int) -> Array:
    """Plates, glasses and cutlery that touch: small bright bodies, struck in clusters."""
    bodies = []
    for _ in range(int(source.integers(3, 8))):
        ratios = 1.0 + np.concatenate([[0.0], np.cumsum(source.uniform(0.3, 1.3, 6))])
        decays = log_uniform(source, 0.06, 0.5) / ratios**0.4
        bodies.append(modes(samples(0.5), log_uniform(source, 600, 3200) * ratios, decays, source.uniform(0.3, 1.0, 7)))
    rate, contact = source.uniform(1.5, 4.0), source.uniform(0.2, 0.8)
    out = np.zeros(n)
    for start in scattered(clip, n / RATE, rate):
        body, now = bodies[int(clip.integers(len(bodies)))], start
        for _ in range(int(clip.integers(1, 5))):
            gain = log_uniform(clip, 0.2, 1.0)
            add(out, now, body, gain)
            add(out, now, band(burst(clip, 0.02, 0.0003), 1500, 7900, 1), contact * gain)
            now += clip.uniform(0.03, 0.14)
    return out


def blender(source: Generator, clip: Generator, n: int) -> Array:
    """A fast motor that spins up, bogs down on lumps and knocks them against the jar."""
    motor, lumps = log_uniform(source, 190, 420), log_uniform(source, 6, 40)
    spin = np.minimum(np.arange(n) / RATE / source.uniform(0.15, 0.5), 1.0) ** 0.5
    speed = motor * (0.4 + 0.6 * spin) * wander(clip, n, 2.5, 0.88, 1.06)
    whine = harmonics(speed, source.uniform(0.2, 1.0, 16) / np.arange(1, 17) ** 0.3)
    jar = np.sort(np.exp(source.uniform(np.log(500), np.log(4500), 4)))
    knocks = pulses(clip, np.full(n, lumps), 0.4, 0.8) + 0.02 * noise(clip, n)
    churn = resonate(knocks, list(jar), list(jar * 0.25), [1.0, 0.9, 0.8, 0.6])
    air = band(noise(clip, n), 800, log_uniform(source, 3500, 7900), 1) * wander(clip, n, 6, 0.4, 1.0)
    return (unit(whine) + source.uniform(0.4, 1.2) * unit(churn) + source.uniform(0.2, 0.7) * unit(air)) * spin


def shaver(source: Generator, clip: Generator, n: int) -> Array:
    """An electric shaver or toothbrush: a thin even buzz that changes colour on the skin or in the mouth."""
    buzz, teeth = log_uniform(source, 70, 270), source.uniform(2200, 5200)
    tone = harmonics(buzz * wander(clip, n, 1.5, 0.99, 1.01), source.uniform(0.2, 1.0, 24))
    body = np.array([log_uniform(source, 500, 1100), log_uniform(source, 1300, 2600), teeth])
    near, far = (resonate(tone, list(body * shift), list(body * 0.3), [1.0, 0.9, 0.8]) for shift in (1.15, 0.8))
    place = wander(clip, n, 1.8, 0.0, 1.0)
    bristles = band(noise(clip, n), teeth / 1.5, teeth * 1.5, 1) * (0.5 + 0.5 * np.sin(phase(np.full(n, buzz))))
    contact = wander(clip, n, 2.5, 0.1, 1.0)
    return place * unit(near) + (1 - place) * unit(far) + source.uniform(0.1, 0.6) * unit(bristles) * contact


def frying(source: Generator, clip: Generator, n: int) -> Array:
    """Fat that sizzles: a dense bright crackle, a steady hiss and some spits."""
    centre = log_uniform(source, 2200, 5500)
    pop = band(burst(source, log_uniform(source, 0.002, 0.006), 0.0002), centre / 2, centre * 2, 1)
    crackle = grains(clip, n, log_uniform(source, 200, 1500) * wander(clip, n, 1.0, 0.6, 1.4), pop, 1.2)
    hiss = band(noise(clip, n, source.uniform(0, 3)), log_uniform(source, 1500, 3500), 7900, 1)
    out = unit(crackle) + source.uniform(0.3, 1.2) * unit(hiss) * wander(clip, n, 0.7, 0.7, 1.0)
    for now in scattered(clip, n / RATE, source.uniform(1.0, 5.0)):
        add(out, now, band(burst(clip, 0.03, 0.0005), centre / 3, centre, 1), log_uniform(clip, 1.0, 5.0))
    return out


def running_water(source: Generator, clip: Generator, n: int) -> Array:
    """A tap that runs into a sink: rush, bubbles of all sizes, the drone of the basin."""
    low, high = log_uniform(source, 250, 900), log_uniform(source, 2500, 6500)
    rush = band(noise(clip, n, source.uniform(-4, -1)), low, high, 1) * wander(clip, n, 5, 0.7, 1.0)
    drops = [bubble(source, log_uniform(source, 0.0008, 0.005)) for _ in range(12)]
    gurgle = np.zeros(n)
    for now in scattered(clip, n / RATE, log_uniform(source, 40, 180)):
        add(gurgle, now, drops[int(clip.integers(len(drops)))], log_uniform(clip, 0.1, 1.0))
    basin = log_uniform(source, 180, 600)
    drone = resonate(rush, [basin, basin * 1.7], [basin * 0.15, basin * 0.3], [1.0, 0.6])
    return unit(rush) + source.uniform(0.3, 0.9) * unit(gurgle) + source.uniform(0.1, 0.5) * unit(drone)
