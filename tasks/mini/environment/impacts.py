"""Things that hit things: struck bodies, footsteps, keys, bells, shots.

Every sound is a function ``(source, clip, n) -> [n]``: ``source`` is freshly seeded for the object and draws the same
parameters for each of its clips (which door, which shoe), ``clip`` draws what differs between recordings of it.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.signals import (
    RATE,
    Array,
    add,
    band,
    burst,
    curve,
    grains,
    log_uniform,
    modes,
    noise,
    regular,
    samples,
    scattered,
)


def _body(rng: Generator, base: float, count: int, decay: float, *, stretch: float, damping: float) -> Array:
    """One struck body: ``count`` inharmonic modes above ``base``, the higher ones dying sooner."""
    ratios = np.concatenate([[1.0], 1.0 + np.cumsum(rng.uniform(0.4, 1.4, count - 1)) * stretch])
    decays = decay / ratios**damping
    gains = rng.uniform(0.2, 1.0, count) / ratios**0.5
    return modes(samples(1.3 * decay), base * ratios, decays, gains)


def _hit(clip: Generator, body: Array, contact: float, brightness: float) -> Array:
    """``body`` excited by a contact of ``contact`` seconds: the longer, the duller."""
    from scipy import signal

    click = burst(clip, contact, contact / 8)
    dull: Array = band(signal.fftconvolve(body, np.hanning(max(3, samples(contact)))), 30.0, 7900.0)
    return dull + brightness * np.pad(click, (0, max(0, len(dull) - len(click))))[: len(dull)]


def door_knock(source: Generator, clip: Generator, n: int) -> Array:
    """Groups of two to five knocks on one wooden panel."""
    body = _body(source, log_uniform(source, 90, 330), 9, log_uniform(source, 0.08, 0.25), stretch=0.8, damping=0.7)
    contact, gap = log_uniform(source, 0.0012, 0.004), log_uniform(source, 0.13, 0.32)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.5))
    while now < n / RATE:
        for _ in range(int(clip.integers(2, 6))):
            add(out, now, _hit(clip, body, contact * clip.uniform(0.8, 1.3), 0.2), clip.uniform(0.6, 1.0))
            now += gap * clip.uniform(0.9, 1.1)
        now += clip.uniform(0.5, 1.4)
    return out


def footsteps(source: Generator, clip: Generator, n: int) -> Array:
    """Heel and toe of one pair of shoes on one floor, left and right slightly different."""
    floor = log_uniform(source, 70, 420)
    body = _body(source, floor, 7, log_uniform(source, 0.05, 0.16), stretch=1.0, damping=0.9)
    grit, crunch = source.uniform(0.1, 1.2), log_uniform(source, 0.02, 0.12)
    low, pace = log_uniform(source, 300, 2500), log_uniform(source, 0.34, 0.75)
    out = np.zeros(n)
    for index, now in enumerate(regular(clip, n / RATE, pace * clip.uniform(0.9, 1.1), 0.04)):
        gain = clip.uniform(0.6, 1.0) * (1.0 if index % 2 else 0.8)
        add(out, now, _hit(clip, body, 0.004, 0.05), gain)
        scrape = band(burst(clip, crunch * clip.uniform(0.7, 1.5), 0.01), low, low * 4)
        add(out, now, scrape, grit * gain)
        add(out, now + 0.09 * pace / 0.5 * clip.uniform(0.9, 1.3), scrape, 0.6 * grit * gain)
    return out


def mouse_click(source: Generator, clip: Generator, n: int) -> Array:
    """Press and release of one small switch, single and double."""
    down = _body(source, log_uniform(source, 1100, 3600), 6, log_uniform(source, 0.008, 0.03), stretch=0.7, damping=0.4)
    up = _body(source, log_uniform(source, 1500, 4500), 6, log_uniform(source, 0.006, 0.02), stretch=0.7, damping=0.4)
    hold = log_uniform(source, 0.06, 0.14)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        for _ in range(int(clip.integers(1, 3))):
            add(out, now, _hit(clip, down, 0.0008, 0.3), clip.uniform(0.7, 1.0))
            add(out, now + hold * clip.uniform(0.8, 1.2), _hit(clip, up, 0.0006, 0.3), clip.uniform(0.4, 0.8))
            now += clip.uniform(0.18, 0.26)
        now += clip.uniform(0.25, 1.0)
    return out


def keyboard_typing(source: Generator, clip: Generator, n: int) -> Array:
    """Bursts of key strokes; every key rings a little differently, the space bar lower."""
    keys = [
        _body(source, log_uniform(source, 500, 2800), 6, log_uniform(source, 0.015, 0.05), stretch=0.9, damping=0.5)
        for _ in range(9)
    ]
    keys.append(_body(source, log_uniform(source, 180, 500), 6, 0.07, stretch=0.9, damping=0.6))
    speed = log_uniform(source, 0.07, 0.2)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.2))
    while now < n / RATE:
        key = keys[int(clip.integers(0, len(keys)))]
        add(out, now, _hit(clip, key, 0.001, 0.35), clip.uniform(0.3, 1.0))
        add(out, now + clip.uniform(0.05, 0.1), _hit(clip, key, 0.001, 0.2), clip.uniform(0.1, 0.4))
        now += speed * float(np.exp(0.5 * clip.standard_normal())) + (0.5 if clip.random() < 0.06 else 0.0)
    return out


def clock_tick(source: Generator, clip: Generator, n: int) -> Array:
    """A strictly regular escapement, tick and tock, in one case."""
    tick = _body(source, log_uniform(source, 700, 3800), 8, log_uniform(source, 0.01, 0.06), stretch=0.6, damping=0.3)
    tock = _body(source, log_uniform(source, 500, 3400), 8, log_uniform(source, 0.01, 0.06), stretch=0.6, damping=0.3)
    interval = float(source.choice(np.array([0.2, 0.25, 0.5, 0.5, 1.0])))
    out = np.zeros(n)
    for index, now in enumerate(regular(clip, n / RATE, interval)):
        add(out, now, _hit(clip, tick if index % 2 else tock, 0.0008, 0.2), 1.0 if index % 2 else 0.8)
    return out


def clapping(source: Generator, clip: Generator, n: int) -> Array:
    """An audience: each pair of hands has its cavity, tempo and distance."""
    people = int(source.integers(1, 14))
    out = np.zeros(n)
    for _ in range(people):
        cavity, width = log_uniform(source, 500, 2400), source.uniform(1.6, 3.5)
        tempo, near = source.uniform(0.19, 0.36), log_uniform(source, 0.15, 1.0)
        for now in regular(clip, n / RATE, tempo, 0.06):
            clap = band(burst(clip, 0.03 * clip.uniform(0.6, 1.6), 0.0008), cavity / width, cavity * width, 1)
            add(out, now, clap, near * clip.uniform(0.5, 1.0))
    return out


def glass_breaking(source: Generator, clip: Generator, n: int) -> Array:
    """A crack, then shards that fall and ring, ever fewer."""
    base, size = log_uniform(source, 900, 2600), log_uniform(source, 0.25, 1.2)
    shards = [
        _body(source, base * log_uniform(source, 0.8, 4.0), 6, log_uniform(source, 0.05, 0.3), stretch=0.7, damping=0.3)
        for _ in range(10)
    ]
    out = np.zeros(n)
    for start in [clip.uniform(0.0, 0.4), *([clip.uniform(1.3, 3.0)] if clip.random() < 0.4 else [])]:
        add(out, start, band(burst(clip, 0.12, 0.001), base, 7900.0), 2.5)
        for _ in range(int(25 + 50 * size)):
            late = float(clip.exponential(size * 0.45))
            gain = float(np.exp(-late / size)) * log_uniform(clip, 0.1, 1.0)
            add(out, start + late, shards[int(clip.integers(0, len(shards)))], gain)
    return out


def church_bells(source: Generator, clip: Generator, n: int) -> Array:
    """One to three bells with hum, prime, tierce, quint and nominal, rung in turn."""
    strike = log_uniform(source, 180, 620)
    partials = np.array([0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 2.662, 3.011, 4.166, 5.433])
    bells = []
    for step in range(int(source.integers(1, 4))):
        freqs = strike * 2.0 ** (-step * source.integers(2, 5) / 12) * partials * source.uniform(0.992, 1.008, 10)
        gains = source.uniform(0.3, 1.0, 10) * np.array([0.5, 0.8, 1, 0.6, 1, 0.5, 0.5, 0.4, 0.3, 0.2])
        decays = source.uniform(1.5, 5.0) / partials**0.6
        bells.append(modes(samples(5.0), freqs, decays, gains))
    gap = log_uniform(source, 0.35, 1.3)
    out = np.zeros(n)
    for index, now in enumerate(regular(clip, n / RATE, gap, 0.05)):
        add(out, now - 0.3, bells[index % len(bells)], clip.uniform(0.6, 1.0))
    return out


def fireworks(source: Generator, clip: Generator, n: int) -> Array:
    """Distant bangs, some with a whistle before and a crackle after."""
    rate, boom = log_uniform(source, 0.8, 2.5), log_uniform(source, 40, 160)
    crackle, whistle = source.uniform(0.0, 1.0), source.uniform(0.0, 0.6)
    out = np.zeros(n)
    for now in scattered(clip, n / RATE, rate):
        bang = band(burst(clip, clip.uniform(0.25, 0.9), 0.002), boom, boom * log_uniform(clip, 6, 30), 1)
        add(out, now, bang, log_uniform(clip, 0.3, 1.0))
        if clip.random() < crackle:
            m = samples(clip.uniform(0.4, 1.2))
            fizz = grains(clip, m, curve(m, [(0, 120), (1, 5)]), burst(clip, 0.006, 0.0004))
            add(out, now + 0.15, fizz, 0.25)
        if clip.random() < whistle:
            m = samples(0.5)
            tone = np.sin(2 * np.pi * np.cumsum(curve(m, [(0, 1500), (1, 3200)])) / RATE) * np.hanning(m)
            add(out, now - 0.5, tone, 0.15)
    return out


def gun_shots(source: Generator, clip: Generator, n: int) -> Array:
    """Muzzle blasts: an N-wave, a broad burst and the slap back from buildings."""
    blast, low = log_uniform(source, 0.05, 0.3), log_uniform(source, 60, 300)
    slap, automatic = source.uniform(0.05, 0.35), source.random() < 0.35
    gap = source.uniform(0.08, 0.14) if automatic else source.uniform(0.5, 1.8)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.6))
    for _ in range(int(clip.integers(4, 10)) if automatic else int(clip.integers(1, 4))):
        shot = 1.5 * band(burst(clip, 2 * blast, 0.001), low / 2, 700, 1)
        add(shot, 0.0, band(burst(clip, blast, 0.0005), low, 7900.0, 1))
        add(out, now, shot)
        add(out, now + slap, band(shot, 80, 2500, 1), 0.35)
        now += gap * clip.uniform(0.85, 1.2)
    return out


def jackhammer(source: Generator, clip: Generator, n: int) -> Array:
    """A chisel driven a dozen times a second into stone, with the breath of compressed air."""
    rate = log_uniform(source, 9, 26)
    chisel = _body(source, log_uniform(source, 350, 1500), 8, log_uniform(source, 0.02, 0.07), stretch=0.8, damping=0.5)
    ground = band(burst(source, 0.06, 0.002), 60, log_uniform(source, 250, 900))
    air, out = source.uniform(0.1, 0.6), np.zeros(n)
    on = np.repeat(clip.random(int(n / RATE / 0.7) + 2) < 0.85, samples(0.7))[:n]
    for now in regular(clip, n / RATE, 1 / rate, 0.02):
        if on[round(now * RATE)]:
            add(out, now, _hit(clip, chisel, 0.0008, 0.4), clip.uniform(0.7, 1.0))
            add(out, now, ground, clip.uniform(0.5, 1.0))
    return out + air * 0.3 * band(noise(clip, n), 800, 6000, 1) * (0.4 + 0.6 * on)
