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
    count_samples,
    draw_log_uniform,
    draw_regular_times,
    draw_scattered_times,
    filter_band,
    interpolate,
    make_burst,
    make_grains,
    make_noise,
    mix_into,
    synthesise_modes,
)


def _synthesise_body(rng: Generator, base: float, count: int, decay: float, *, stretch: float, damping: float) -> Array:
    """Synthesise one struck body: ``count`` inharmonic modes above ``base``, the higher ones dying sooner."""
    ratios = np.concatenate([[1.0], 1.0 + np.cumsum(rng.uniform(0.4, 1.4, count - 1)) * stretch])
    decays = decay / ratios**damping
    gains = rng.uniform(0.2, 1.0, count) / ratios**0.5
    return synthesise_modes(count_samples(1.3 * decay), base * ratios, decays, gains)


def _synthesise_hit(clip: Generator, body: Array, contact: float, brightness: float) -> Array:
    """Synthesise ``body`` excited by a contact of ``contact`` seconds: the longer, the duller."""
    from scipy import signal

    click = make_burst(clip, contact, contact / 8)
    dull: Array = filter_band(signal.fftconvolve(body, np.hanning(max(3, count_samples(contact)))), 30.0, 7900.0)
    return dull + brightness * np.pad(click, (0, max(0, len(dull) - len(click))))[: len(dull)]


def synthesise_door_knock(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise groups of two to five knocks on one wooden panel."""
    body = _synthesise_body(
        source, draw_log_uniform(source, 90, 330), 9, draw_log_uniform(source, 0.08, 0.25), stretch=0.8, damping=0.7
    )
    contact, gap = draw_log_uniform(source, 0.0012, 0.004), draw_log_uniform(source, 0.13, 0.32)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.5))
    while now < n / RATE:
        for _ in range(int(clip.integers(2, 6))):
            mix_into(
                out, now, _synthesise_hit(clip, body, contact * clip.uniform(0.8, 1.3), 0.2), clip.uniform(0.6, 1.0)
            )
            now += gap * clip.uniform(0.9, 1.1)
        now += clip.uniform(0.5, 1.4)
    return out


def synthesise_footsteps(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise heel and toe of one pair of shoes on one floor, left and right slightly different."""
    floor = draw_log_uniform(source, 70, 420)
    body = _synthesise_body(source, floor, 7, draw_log_uniform(source, 0.05, 0.16), stretch=1.0, damping=0.9)
    grit, crunch = source.uniform(0.1, 1.2), draw_log_uniform(source, 0.02, 0.12)
    low, pace = draw_log_uniform(source, 300, 2500), draw_log_uniform(source, 0.34, 0.75)
    out = np.zeros(n)
    for index, now in enumerate(draw_regular_times(clip, n / RATE, pace * clip.uniform(0.9, 1.1), 0.04)):
        gain = clip.uniform(0.6, 1.0) * (1.0 if index % 2 else 0.8)
        mix_into(out, now, _synthesise_hit(clip, body, 0.004, 0.05), gain)
        scrape = filter_band(make_burst(clip, crunch * clip.uniform(0.7, 1.5), 0.01), low, low * 4)
        mix_into(out, now, scrape, grit * gain)
        mix_into(out, now + 0.09 * pace / 0.5 * clip.uniform(0.9, 1.3), scrape, 0.6 * grit * gain)
    return out


def synthesise_mouse_click(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise press and release of one small switch, single and double."""
    down = _synthesise_body(
        source, draw_log_uniform(source, 1100, 3600), 6, draw_log_uniform(source, 0.008, 0.03), stretch=0.7, damping=0.4
    )
    up = _synthesise_body(
        source, draw_log_uniform(source, 1500, 4500), 6, draw_log_uniform(source, 0.006, 0.02), stretch=0.7, damping=0.4
    )
    hold = draw_log_uniform(source, 0.06, 0.14)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        for _ in range(int(clip.integers(1, 3))):
            mix_into(out, now, _synthesise_hit(clip, down, 0.0008, 0.3), clip.uniform(0.7, 1.0))
            mix_into(
                out, now + hold * clip.uniform(0.8, 1.2), _synthesise_hit(clip, up, 0.0006, 0.3), clip.uniform(0.4, 0.8)
            )
            now += clip.uniform(0.18, 0.26)
        now += clip.uniform(0.25, 1.0)
    return out


def synthesise_keyboard_typing(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise bursts of key strokes; every key rings a little differently, the space bar lower."""
    keys = [
        _synthesise_body(
            source,
            draw_log_uniform(source, 500, 2800),
            6,
            draw_log_uniform(source, 0.015, 0.05),
            stretch=0.9,
            damping=0.5,
        )
        for _ in range(9)
    ]
    keys.append(_synthesise_body(source, draw_log_uniform(source, 180, 500), 6, 0.07, stretch=0.9, damping=0.6))
    speed = draw_log_uniform(source, 0.07, 0.2)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.2))
    while now < n / RATE:
        key = keys[int(clip.integers(0, len(keys)))]
        mix_into(out, now, _synthesise_hit(clip, key, 0.001, 0.35), clip.uniform(0.3, 1.0))
        mix_into(out, now + clip.uniform(0.05, 0.1), _synthesise_hit(clip, key, 0.001, 0.2), clip.uniform(0.1, 0.4))
        now += speed * float(np.exp(0.5 * clip.standard_normal())) + (0.5 if clip.random() < 0.06 else 0.0)
    return out


def synthesise_clock_tick(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a strictly regular escapement, tick and tock, in one case."""
    tick = _synthesise_body(
        source, draw_log_uniform(source, 700, 3800), 8, draw_log_uniform(source, 0.01, 0.06), stretch=0.6, damping=0.3
    )
    tock = _synthesise_body(
        source, draw_log_uniform(source, 500, 3400), 8, draw_log_uniform(source, 0.01, 0.06), stretch=0.6, damping=0.3
    )
    interval = float(source.choice(np.array([0.2, 0.25, 0.5, 0.5, 1.0])))
    out = np.zeros(n)
    for index, now in enumerate(draw_regular_times(clip, n / RATE, interval)):
        mix_into(out, now, _synthesise_hit(clip, tick if index % 2 else tock, 0.0008, 0.2), 1.0 if index % 2 else 0.8)
    return out


def synthesise_clapping(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise an audience: each pair of hands has its cavity, tempo and distance."""
    people = int(source.integers(1, 14))
    out = np.zeros(n)
    for _ in range(people):
        cavity, width = draw_log_uniform(source, 500, 2400), source.uniform(1.6, 3.5)
        tempo, near = source.uniform(0.19, 0.36), draw_log_uniform(source, 0.15, 1.0)
        for now in draw_regular_times(clip, n / RATE, tempo, 0.06):
            clap = filter_band(
                make_burst(clip, 0.03 * clip.uniform(0.6, 1.6), 0.0008), cavity / width, cavity * width, 1
            )
            mix_into(out, now, clap, near * clip.uniform(0.5, 1.0))
    return out


def synthesise_glass_breaking(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a crack, then shards that fall and ring, ever fewer."""
    base, size = draw_log_uniform(source, 900, 2600), draw_log_uniform(source, 0.25, 1.2)
    shards = [
        _synthesise_body(
            source,
            base * draw_log_uniform(source, 0.8, 4.0),
            6,
            draw_log_uniform(source, 0.05, 0.3),
            stretch=0.7,
            damping=0.3,
        )
        for _ in range(10)
    ]
    out = np.zeros(n)
    for start in [clip.uniform(0.0, 0.4), *([clip.uniform(1.3, 3.0)] if clip.random() < 0.4 else [])]:
        mix_into(out, start, filter_band(make_burst(clip, 0.12, 0.001), base, 7900.0), 2.5)
        for _ in range(int(25 + 50 * size)):
            late = float(clip.exponential(size * 0.45))
            gain = float(np.exp(-late / size)) * draw_log_uniform(clip, 0.1, 1.0)
            mix_into(out, start + late, shards[int(clip.integers(0, len(shards)))], gain)
    return out


def synthesise_church_bells(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise one to three bells with hum, prime, tierce, quint and nominal, rung in turn."""
    strike = draw_log_uniform(source, 180, 620)
    partials = np.array([0.5, 1.0, 1.183, 1.506, 2.0, 2.514, 2.662, 3.011, 4.166, 5.433])
    bells = []
    for step in range(int(source.integers(1, 4))):
        freqs = strike * 2.0 ** (-step * source.integers(2, 5) / 12) * partials * source.uniform(0.992, 1.008, 10)
        gains = source.uniform(0.3, 1.0, 10) * np.array([0.5, 0.8, 1, 0.6, 1, 0.5, 0.5, 0.4, 0.3, 0.2])
        decays = source.uniform(1.5, 5.0) / partials**0.6
        bells.append(synthesise_modes(count_samples(5.0), freqs, decays, gains))
    gap = draw_log_uniform(source, 0.35, 1.3)
    out = np.zeros(n)
    for index, now in enumerate(draw_regular_times(clip, n / RATE, gap, 0.05)):
        mix_into(out, now - 0.3, bells[index % len(bells)], clip.uniform(0.6, 1.0))
    return out


def synthesise_fireworks(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise distant bangs, some with a whistle before and a crackle after."""
    rate, boom = draw_log_uniform(source, 0.8, 2.5), draw_log_uniform(source, 40, 160)
    crackle, whistle = source.uniform(0.0, 1.0), source.uniform(0.0, 0.6)
    out = np.zeros(n)
    for now in draw_scattered_times(clip, n / RATE, rate):
        bang = filter_band(
            make_burst(clip, clip.uniform(0.25, 0.9), 0.002), boom, boom * draw_log_uniform(clip, 6, 30), 1
        )
        mix_into(out, now, bang, draw_log_uniform(clip, 0.3, 1.0))
        if clip.random() < crackle:
            m = count_samples(clip.uniform(0.4, 1.2))
            fizz = make_grains(clip, m, interpolate(m, [(0, 120), (1, 5)]), make_burst(clip, 0.006, 0.0004))
            mix_into(out, now + 0.15, fizz, 0.25)
        if clip.random() < whistle:
            m = count_samples(0.5)
            tone = np.sin(2 * np.pi * np.cumsum(interpolate(m, [(0, 1500), (1, 3200)])) / RATE) * np.hanning(m)
            mix_into(out, now - 0.5, tone, 0.15)
    return out


def synthesise_gun_shots(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise muzzle blasts: an N-wave, a broad burst and the slap back from buildings."""
    blast, low = draw_log_uniform(source, 0.05, 0.3), draw_log_uniform(source, 60, 300)
    slap, automatic = source.uniform(0.05, 0.35), source.random() < 0.35
    gap = source.uniform(0.08, 0.14) if automatic else source.uniform(0.5, 1.8)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.6))
    for _ in range(int(clip.integers(4, 10)) if automatic else int(clip.integers(1, 4))):
        shot = 1.5 * filter_band(make_burst(clip, 2 * blast, 0.001), low / 2, 700, 1)
        mix_into(shot, 0.0, filter_band(make_burst(clip, blast, 0.0005), low, 7900.0, 1))
        mix_into(out, now, shot)
        mix_into(out, now + slap, filter_band(shot, 80, 2500, 1), 0.35)
        now += gap * clip.uniform(0.85, 1.2)
    return out


def synthesise_jackhammer(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a chisel driven a dozen times a second into stone, with the breath of compressed air."""
    rate = draw_log_uniform(source, 9, 26)
    chisel = _synthesise_body(
        source, draw_log_uniform(source, 350, 1500), 8, draw_log_uniform(source, 0.02, 0.07), stretch=0.8, damping=0.5
    )
    ground = filter_band(make_burst(source, 0.06, 0.002), 60, draw_log_uniform(source, 250, 900))
    air, out = source.uniform(0.1, 0.6), np.zeros(n)
    on = np.repeat(clip.random(int(n / RATE / 0.7) + 2) < 0.85, count_samples(0.7))[:n]
    for now in draw_regular_times(clip, n / RATE, 1 / rate, 0.02):
        if on[round(now * RATE)]:
            mix_into(out, now, _synthesise_hit(clip, chisel, 0.0008, 0.4), clip.uniform(0.7, 1.0))
            mix_into(out, now, ground, clip.uniform(0.5, 1.0))
    return out + air * 0.3 * filter_band(make_noise(clip, n), 800, 6000, 1) * (0.4 + 0.6 * on)
