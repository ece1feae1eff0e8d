"""Weather, water, fire and friction: noises whose grain and slow movement tell what they are.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tasks.mini.signals import (
    RATE,
    Array,
    count_samples,
    draw_curve,
    draw_log_uniform,
    draw_regular_times,
    draw_scattered_times,
    filter_band,
    make_burst,
    make_grains,
    make_noise,
    make_pulses,
    make_swell,
    mix_into,
    resonate,
    scale_to_unit,
    synthesise_modes,
)


def synthesise_bubble(rng: Generator, radius: float, gain: float = 1.0) -> Array:
    """Synthesise a Minnaert bubble of ``radius`` metres: a damped sine of 3.26 / radius Hz that rises in the end."""
    freq = 3.26 / radius
    damping = 0.13 / radius + 0.0072 * radius**-1.5
    n = count_samples(min(0.25, 7.0 / damping))
    time = np.arange(n) / RATE
    rise = 1.0 + rng.uniform(0.0, 0.4) * time * damping * 0.3
    angle = 2 * np.pi * np.cumsum(np.minimum(freq * rise, 7500.0)) / RATE
    wave: Array = gain * np.exp(-damping * time) * np.sin(angle) * np.minimum(time / 0.001, 1.0)
    return wave


def synthesise_rain(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise drops on one surface, from separate taps to a hiss."""
    rate, surface = draw_log_uniform(source, 60, 2500), draw_log_uniform(source, 600, 4500)
    drop = filter_band(make_burst(source, draw_log_uniform(source, 0.003, 0.02), 0.0003), surface / 2, surface * 2, 1)
    hiss = filter_band(make_noise(clip, n, source.uniform(-3, 1)), draw_log_uniform(source, 200, 1500), 7900.0, 1)
    density = draw_curve(clip, n, 0.7, 0.7, 1.3) * rate
    return scale_to_unit(make_grains(clip, n, density, drop, source.uniform(0.5, 1.1))) + source.uniform(
        0.1, 0.8
    ) * scale_to_unit(hiss)


def synthesise_sea_waves(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise breakers that build, fall and draw back over a steady far roar."""
    period, steep = source.uniform(2.2, 5.0), source.uniform(0.15, 0.5)
    slope, top = source.uniform(-7, -2), draw_log_uniform(source, 1500, 7000)
    out = 0.2 * make_noise(clip, n, -6.0)
    for now in draw_regular_times(clip, n / RATE + period, period, 0.15):
        m = count_samples(period * clip.uniform(0.9, 1.4))
        foam = filter_band(make_noise(clip, m, slope), 100, top, 1)
        mix_into(
            out, now - period, scale_to_unit(foam) * make_swell(m, steep, 1 - steep) ** 1.5, clip.uniform(0.6, 1.2)
        )
    return out


def synthesise_wind(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise turbulence with gusts, and the whistle of an edge that follows them."""
    gust = draw_curve(clip, n, source.uniform(0.3, 1.2), 0.1, 1.0) ** 2
    rumble = make_noise(clip, n, source.uniform(-8, -4)) * (0.2 + gust)
    centre, narrow = draw_log_uniform(source, 250, 1300), source.uniform(0.05, 0.35)
    howl = np.zeros(n)
    block = count_samples(0.05)
    source_noise = make_noise(clip, n + 4 * block)
    bank = np.array([centre * r for r in (0.7, 0.85, 1.0, 1.2, 1.45)])
    for index, freq in enumerate(bank):
        tone = resonate(source_noise, [freq], [freq * narrow], [1.0])[:n]
        howl += scale_to_unit(tone) * np.exp(-(((gust * 4.2 - index) / 0.9) ** 2))
    return rumble + source.uniform(0.3, 1.6) * howl * (0.2 + gust)


def synthesise_crackling_fire(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise snaps of all sizes over a low, fluttering roar."""
    roar = filter_band(make_noise(clip, n, -5.0), 30, draw_log_uniform(source, 200, 900)) * draw_curve(
        clip, n, 6.0, 0.4, 1.0
    )
    out = source.uniform(0.1, 0.6) * scale_to_unit(roar) + source.uniform(0.02, 0.12) * make_noise(clip, n, -2)
    rate, centre = draw_log_uniform(source, 5, 40), draw_log_uniform(source, 900, 4000)
    for now in draw_scattered_times(clip, n / RATE, rate):
        freq = centre * draw_log_uniform(clip, 0.5, 2.0)
        snap = filter_band(make_burst(clip, draw_log_uniform(clip, 0.003, 0.03), 0.0004), freq * 0.6, freq * 1.7, 1)
        mix_into(out, now, snap, float(np.exp(0.9 * clip.standard_normal())))
    return out


def synthesise_water_drops(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a leaking tap: a plink and its bubble, one after another, into a vessel that rings."""
    radius, interval = draw_log_uniform(source, 0.0011, 0.005), draw_log_uniform(source, 0.25, 0.9)
    vessel = source.uniform(200, 900) * np.array([1.0, 1.62, 2.41])
    ring, out = source.uniform(0.0, 0.4), np.zeros(n)
    for now in draw_regular_times(clip, n / RATE, interval, source.uniform(0.02, 0.25)):
        mix_into(out, now, filter_band(make_burst(clip, 0.004, 0.0003), 2500, 7900, 1), 0.15)
        mix_into(out, now + 0.012, synthesise_bubble(clip, radius * clip.uniform(0.85, 1.2)), clip.uniform(0.6, 1.0))
        if clip.random() < 0.4:
            mix_into(out, now + clip.uniform(0.05, 0.12), synthesise_bubble(clip, radius * clip.uniform(0.5, 0.8)), 0.4)
        mix_into(out, now + 0.012, synthesise_modes(count_samples(0.3), vessel, [0.25, 0.2, 0.15], [1, 0.6, 0.4]), ring)
    return out


def synthesise_pouring_water(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a stream of bubbles in a vessel whose air column shortens as it fills."""
    start, speed = draw_log_uniform(source, 250, 800), source.uniform(1.5, 4.0)
    rate, small = draw_log_uniform(source, 60, 300), draw_log_uniform(source, 0.0008, 0.0022)
    out = np.zeros(n)
    for now in draw_scattered_times(clip, n / RATE, rate):
        mix_into(
            out,
            now,
            synthesise_bubble(clip, small * draw_log_uniform(clip, 0.6, 3.0)),
            draw_log_uniform(clip, 0.1, 1.0),
        )
    splash = filter_band(make_noise(clip, n), 1200, draw_log_uniform(source, 3000, 7900), 1) * draw_curve(
        clip, n, 8, 0.5, 1.0
    )
    pitch = start * speed ** np.linspace(0, 1, n)
    column = np.zeros(n)
    for freq in start * speed ** np.linspace(0, 1, 6):
        near = np.exp(-((np.log(pitch / freq) / np.log(speed) * 5) ** 2))
        column += near * scale_to_unit(resonate(splash, [freq], [freq * 0.12], [1.0]))
    return scale_to_unit(out) + source.uniform(0.1, 0.5) * scale_to_unit(splash) + source.uniform(0.3, 1.0) * column


def synthesise_thunderstorm(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a crack that rolls away through many delayed, ever duller echoes, and rain."""
    near, top = source.uniform(0.0, 1.0), draw_log_uniform(source, 150, 900)
    out = source.uniform(0.02, 0.25) * scale_to_unit(synthesise_rain(source, clip, n))
    for start in [clip.uniform(0.0, 0.9), *([clip.uniform(1.5, 4.0)] if clip.random() < 0.5 else [])]:
        for _ in range(30):
            late = float(clip.exponential(0.7))
            roll = filter_band(
                make_burst(clip, clip.uniform(0.3, 1.1), 0.03), 25, top * float(np.exp(-0.5 * late)) + 60, 1
            )
            mix_into(out, start + late, scale_to_unit(roll), 0.5 * float(np.exp(-late / 1.1)))
        mix_into(out, start, scale_to_unit(filter_band(make_burst(clip, 0.25, 0.002), 200, 6000, 1)), near)
    return out


def synthesise_breathing(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise in and out through one vocal tract, the two halves shaped differently."""
    period, split = draw_log_uniform(source, 1.1, 3.2), source.uniform(0.35, 0.5)
    tract = np.array(
        [draw_log_uniform(source, 400, 900), draw_log_uniform(source, 1000, 2000), draw_log_uniform(source, 2300, 4200)]
    )
    gains = source.uniform(0.4, 1.0, 3)
    out = np.zeros(n)
    for now in draw_regular_times(clip, n / RATE + period, period, 0.06):
        for at, part, shift, loud in ((0.0, split, 1.15, 0.7), (split + 0.05, 0.9 - split, 0.9, 1.0)):
            m = count_samples(part * period)
            air = resonate(make_noise(clip, m), list(tract * shift), list(tract * 0.35), list(gains))
            mix_into(out, now - period + at * period, scale_to_unit(air) * make_swell(m, 0.35, 0.6), loud)
    return out


def synthesise_snoring(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a soft palate that flutters on every breath in, and a quiet breath out."""
    period, flutter = source.uniform(1.8, 3.4), draw_log_uniform(source, 22, 75)
    tract = [
        draw_log_uniform(source, 180, 450),
        draw_log_uniform(source, 700, 1400),
        draw_log_uniform(source, 1800, 3000),
    ]
    breath, out = source.uniform(0.05, 0.3), np.zeros(n)
    for now in draw_regular_times(clip, n / RATE + period, period, 0.06):
        m = count_samples(period * 0.48)
        beat = make_pulses(clip, flutter * draw_curve(clip, m, 3, 0.85, 1.15), 0.12, 0.3)
        excitation = scale_to_unit(beat) + 0.15 * make_noise(clip, m)
        snore = resonate(excitation, tract, [90, 180, 350], [1.0, 0.6, 0.3])
        mix_into(out, now - period, scale_to_unit(snore) * make_swell(m, 0.3, 0.25))
        air = filter_band(make_noise(clip, m), 400, 3000, 1)
        mix_into(out, now - period * 0.45, scale_to_unit(air) * make_swell(m, 0.3, 0.6), breath)
    return out


def synthesise_hand_saw(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise strokes of teeth over wood: pitch rises and falls with the speed of the blade."""
    period, teeth = draw_log_uniform(source, 0.35, 0.9), draw_log_uniform(source, 90, 320)
    board = [
        draw_log_uniform(source, 300, 900),
        draw_log_uniform(source, 1000, 2400),
        draw_log_uniform(source, 2600, 5500),
    ]
    back, out = source.uniform(0.2, 0.8), np.zeros(n)
    for index, now in enumerate(draw_regular_times(clip, n / RATE, period / 2, 0.04)):
        m = count_samples(period * 0.46)
        speed = 0.35 + make_swell(m, 0.5, 0.5) * clip.uniform(0.8, 1.1)
        rasp = scale_to_unit(make_pulses(clip, teeth * speed, 0.25, 0.5)) + 0.7 * make_noise(clip, m)
        stroke = resonate(rasp, board, [200, 500, 1500], [0.6, 1.0, 0.8])
        mix_into(out, now, scale_to_unit(stroke) * speed * make_swell(m, 0.15, 0.15), 1.0 if index % 2 else back)
    return out


def synthesise_door_creak(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise stick and slip of a hinge: a pulse rate that drifts through the modes of the door."""
    panel = np.array(
        [draw_log_uniform(source, 250, 700), draw_log_uniform(source, 800, 1700), draw_log_uniform(source, 1900, 4200)]
    )
    low, high = draw_log_uniform(source, 15, 60), draw_log_uniform(source, 90, 420)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.3))
    while now < n / RATE:
        m = count_samples(clip.uniform(0.4, 1.5))
        rate = low * (high / low) ** draw_curve(clip, m, 2.5, 0.0, 1.0)
        slip = resonate(make_pulses(clip, rate, 0.08, 0.3), list(panel), list(panel * 0.06), [1.0, 0.8, 0.5])
        mix_into(out, now, scale_to_unit(slip) * make_swell(m, 0.15, 0.2), clip.uniform(0.5, 1.0))
        now += m / RATE + clip.uniform(0.0, 0.7)
    return out


def synthesise_toothbrush(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise bristles back and forth, about four strokes a second, in a mouth that changes shape."""
    rate, centre = source.uniform(2.6, 5.5), draw_log_uniform(source, 1500, 4500)
    stroke = np.abs(np.sin(np.pi * np.cumsum(rate * draw_curve(clip, n, 1.0, 0.9, 1.1)) / RATE)) ** source.uniform(
        0.6, 2
    )
    mouth = draw_curve(clip, n, 1.5, 0.0, 1.0)
    dark = scale_to_unit(filter_band(make_noise(clip, n), centre * 0.3, centre, 1))
    bright = scale_to_unit(filter_band(make_noise(clip, n), centre, centre * 2.5, 1))
    return stroke * (mouth * dark + (1 - mouth) * bright) * draw_curve(clip, n, 0.8, 0.4, 1.0)


def synthesise_street_murmur(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise background of a town: pink rumble, passing tyres and a babble of unintelligible voices."""
    out = source.uniform(0.4, 1.0) * make_noise(clip, n, source.uniform(-6, -3)) * draw_curve(clip, n, 0.6, 0.5, 1.0)
    tyres = filter_band(make_noise(clip, n), 500, draw_log_uniform(source, 1500, 4000), 1)
    out += source.uniform(0.1, 0.6) * scale_to_unit(tyres) * draw_curve(clip, n, 0.5, 0.05, 1.0) ** 2
    level = source.uniform(0.0, 0.5)
    for _ in range(3):
        pitch = draw_log_uniform(clip, 95, 240) * draw_curve(clip, n, 3.0, 0.85, 1.15)
        voice = make_pulses(clip, pitch, 0.02) * draw_curve(clip, n, 4.5, 0.0, 1.0)
        vowel = draw_curve(clip, n, 4.0, 0.0, 1.0)
        front, back = clip.uniform(350, 800), clip.uniform(1000, 2200)
        shaped = vowel * resonate(voice, [front], [120.0], [1.0]) + (1 - vowel) * resonate(
            voice, [back], [180.0], [1.0]
        )
        out += 0.4 * level * scale_to_unit(shaped)
    return scale_to_unit(out)
