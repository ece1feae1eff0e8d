"""Animals and people: a pulsing source with a pitch contour, shaped by the resonances of a body.

Signature as in ``tasks.mini.environment.impacts``: ``(source, clip, n) -> [n]``.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    interpolate,
    make_burst,
    make_noise,
    make_pulses,
    make_swell,
    mix_into,
    resonate,
    scale_to_unit,
    synthesise_harmonics,
)


def draw_glide(
    clip: Generator,
    pitch: Array,
    tract: tuple[Sequence[float], Sequence[float]],
    *,
    rough: float = 0.02,
    breath: float = 0.05,
) -> Array:
    """Draw a voice on a ``pitch`` contour [n]; the resonances move from the first to the second ``tract``."""
    n = len(pitch)
    excitation = scale_to_unit(make_pulses(clip, pitch, rough, 4 * rough)) + breath * make_noise(clip, n)
    mix = np.linspace(0.0, 1.0, n)
    out = np.zeros(n)
    for weight, centres in ((1.0 - mix, tract[0]), (mix, tract[1])):
        gains = [1.0, 0.7, 0.35][: len(centres)]
        out += weight * resonate(excitation, list(centres), [0.13 * c + 40 for c in centres], gains)
    return scale_to_unit(out)


def synthesise_dog(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise barks: a fast rise and fall of a rough voice with a wide open mouth."""
    pitch, size = draw_log_uniform(source, 170, 750), draw_log_uniform(source, 0.75, 1.5)
    length, gap, rough = source.uniform(0.09, 0.22), draw_log_uniform(source, 0.16, 0.7), source.uniform(0.02, 0.12)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.5))
    while now < n / RATE:
        for _ in range(int(clip.integers(1, 4))):
            m = count_samples(length * clip.uniform(0.8, 1.3))
            contour = pitch * clip.uniform(0.9, 1.1) * interpolate(m, [(0, 0.75), (0.3, 1.2), (1, 0.6)])
            mouth = ([450 / size, 1100 / size, 2500 / size], [900 / size, 1600 / size, 2900 / size])
            bark = draw_glide(clip, contour, mouth, rough=rough, breath=0.25)
            mix_into(out, now, bark * make_swell(m, 0.12, 0.6), clip.uniform(0.6, 1.0))
            now += m / RATE + gap * clip.uniform(0.7, 1.3)
        now += clip.uniform(0.1, 0.9)
    return out


def synthesise_cow(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a long low moo that opens from the nose to the mouth."""
    pitch, size = draw_log_uniform(source, 75, 210), source.uniform(0.85, 1.3)
    length, rough = source.uniform(1.1, 2.2), source.uniform(0.01, 0.06)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.5))
    while now < n / RATE:
        m = count_samples(length * clip.uniform(0.8, 1.2))
        contour = pitch * interpolate(m, [(0, 0.8), (0.3, 1.0), (0.7, clip.uniform(1.0, 1.35)), (1, 0.75)])
        mouth = ([240 / size, 800 / size, 2100 / size], [480 / size, 1050 / size, 2300 / size])
        moo = draw_glide(clip, contour * draw_curve(clip, m, 5, 0.98, 1.02), mouth, rough=rough)
        mix_into(out, now, moo * make_swell(m, 0.15, 0.25))
        now += m / RATE + clip.uniform(0.3, 1.2)
    return out


def synthesise_cat(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a meow: mouth opens and closes while the pitch arches."""
    pitch, size = draw_log_uniform(source, 380, 850), source.uniform(0.8, 1.25)
    length, arch = source.uniform(0.45, 1.1), source.uniform(1.1, 1.6)
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.6))
    while now < n / RATE:
        m = count_samples(length * clip.uniform(0.7, 1.3))
        contour = pitch * clip.uniform(0.92, 1.08) * interpolate(m, [(0, 0.85), (0.35, arch), (1, 0.8)])
        half = m // 2
        opening = ([600 / size, 2200 / size, 3600 / size], [1100 / size, 1700 / size, 3900 / size])
        closing = (opening[1], [650 / size, 1100 / size, 3200 / size])
        meow = np.concatenate([draw_glide(clip, contour[:half], opening), draw_glide(clip, contour[half:], closing)])
        mix_into(out, now, meow * make_swell(m, 0.2, 0.3), clip.uniform(0.6, 1.0))
        now += m / RATE + clip.uniform(0.3, 1.3)
    return out


def synthesise_crow(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise hoarse caws in a row."""
    pitch, size = draw_log_uniform(source, 320, 620), source.uniform(0.8, 1.25)
    length, gap = source.uniform(0.18, 0.42), source.uniform(0.12, 0.4)
    rough, out, now = source.uniform(0.08, 0.22), np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        for _ in range(int(clip.integers(1, 5))):
            m = count_samples(length * clip.uniform(0.9, 1.1))
            contour = pitch * interpolate(m, [(0, 0.9), (0.25, 1.1), (1, 0.85)])
            beak = ([1000 / size, 1700 / size, 2900 / size], [1300 / size, 1800 / size, 3000 / size])
            mix_into(out, now, draw_glide(clip, contour, beak, rough=rough, breath=0.5) * make_swell(m, 0.1, 0.35))
            now += m / RATE + gap * clip.uniform(0.9, 1.1)
        now += clip.uniform(0.3, 1.2)
    return out


def synthesise_frog(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise croaks: a train of quick pulses through an inflated sac."""
    rate, sac = draw_log_uniform(source, 28, 110), draw_log_uniform(source, 420, 2400)
    length, gap = draw_log_uniform(source, 0.12, 0.5), draw_log_uniform(source, 0.15, 0.8)
    out = np.zeros(n)
    for now in draw_regular_times(clip, n / RATE, length + gap, 0.08):
        m = count_samples(length * clip.uniform(0.85, 1.15))
        beat = make_pulses(clip, rate * interpolate(m, [(0, 0.85), (1, 1.15)]), 0.04, 0.15)
        croak = resonate(beat, [sac, 2.1 * sac], [sac * 0.12, sac * 0.3], [1.0, 0.4])
        mix_into(out, now, scale_to_unit(croak) * make_swell(m, 0.3, 0.3), clip.uniform(0.7, 1.0))
    return out


def synthesise_crickets(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise pure-toned chirps of a few wing strokes each, regular, from one to four animals."""
    out = np.zeros(n)
    for _ in range(int(source.integers(1, 5))):
        tone, strokes = draw_log_uniform(source, 2300, 5400), int(source.integers(2, 6))
        stroke, gap = source.uniform(0.012, 0.026), source.uniform(0.16, 0.6)
        loud, m = draw_log_uniform(source, 0.2, 1.0), count_samples(stroke)
        pulse = np.sin(2 * np.pi * tone * np.arange(m) / RATE) * np.hanning(m)
        for now in draw_regular_times(clip, n / RATE, gap + strokes * 0.035, 0.02):
            for k in range(strokes):
                mix_into(out, now + k * 0.035, pulse, loud * (0.6 + 0.4 * k / strokes))
    return out


def synthesise_insects(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a fly or mosquito: a wing beat with many harmonics that comes and goes as it circles."""
    wing = draw_log_uniform(source, 120, 620)
    order = np.arange(1, 16)
    gains = source.uniform(0.3, 1.0, 15) / order ** source.uniform(0.6, 1.6)
    path = draw_curve(clip, n, source.uniform(0.8, 2.5), 0.08, 1.0)
    doppler = 1.0 + source.uniform(0.01, 0.08) * (draw_curve(clip, n, 1.5, -1, 1))
    flutter = 1.0 + 0.02 * draw_curve(clip, n, 18, -1, 1)
    return synthesise_harmonics(wing * doppler * flutter, gains) * path**1.5


def synthesise_chirping_birds(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise songs of short whistled syllables; each bird repeats its own few."""
    out = np.zeros(n)
    for _ in range(int(source.integers(1, 4))):
        base, loud = draw_log_uniform(source, 1900, 4300), draw_log_uniform(source, 0.2, 1.0)
        songs = [
            (source.uniform(0.03, 0.16), source.uniform(0.8, 1.3, 3), source.uniform(0.0, 0.25), source.uniform(15, 60))
            for _ in range(3)
        ]
        for now in draw_scattered_times(clip, n / RATE, source.uniform(0.5, 1.4)):
            length, shape, trill, rate = songs[int(clip.integers(0, 3))]
            m, at = count_samples(length), now
            for _ in range(int(clip.integers(1, 8))):
                time = np.arange(m) / RATE
                contour = base * interpolate(m, [(0, shape[0]), (0.5, shape[1]), (1, shape[2])])
                whistle = synthesise_harmonics(contour * (1 + trill * np.sin(2 * np.pi * rate * time)), [1.0, 0.1])
                mix_into(out, at, whistle * make_swell(m, 0.3, 0.4), loud)
                at += length + clip.uniform(0.02, 0.08)
    return out


def synthesise_laughing(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise bouts of short voiced bursts, about five a second, falling in pitch and strength."""
    pitch, size = draw_log_uniform(source, 130, 420), source.uniform(0.85, 1.2)
    rate, open_part = source.uniform(3.8, 6.2), source.uniform(0.4, 0.65)
    vowel = [draw_log_uniform(source, 450, 850) / size, draw_log_uniform(source, 1100, 2000) / size, 2700 / size]
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        count = int(clip.integers(4, 9))
        for k in range(count):
            m = count_samples(open_part / rate)
            contour = pitch * (1.25 - 0.4 * k / count) * interpolate(m, [(0, 1.0), (0.3, 1.1), (1, 0.85)])
            ha = draw_glide(clip, contour, (vowel, vowel), breath=0.35) * make_swell(m, 0.25, 0.5)
            mix_into(out, now, ha, 1.0 - 0.6 * k / count)
            mix_into(out, now - 0.05, filter_band(make_burst(clip, 0.09, 0.03), 700, 4500, 1), 0.25)
            now += clip.uniform(0.9, 1.1) / rate
        now += clip.uniform(0.25, 0.9)
    return out


def synthesise_crying_baby(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise wails of about a second on a high arching pitch, a gasp between."""
    pitch, length = draw_log_uniform(source, 330, 560), source.uniform(0.6, 1.3)
    vowel, rough = (
        [draw_log_uniform(source, 900, 1300), draw_log_uniform(source, 1700, 2600), 3900],
        source.uniform(0.01, 0.08),
    )
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.4))
    while now < n / RATE:
        m = count_samples(length * clip.uniform(0.7, 1.2))
        contour = pitch * interpolate(m, [(0, 0.85), (0.2, 1.1), (0.6, clip.uniform(1.0, 1.3)), (1, 0.8)])
        wail = draw_glide(clip, contour * draw_curve(clip, m, 9, 0.97, 1.03), (vowel, vowel), rough=rough)
        mix_into(out, now, wail * make_swell(m, 0.15, 0.25))
        gasp = filter_band(make_burst(clip, 0.2, 0.08), 800, 4000, 1)
        mix_into(out, now + m / RATE + 0.05, gasp, 0.3)
        now += m / RATE + clip.uniform(0.2, 0.45)
    return out


def synthesise_children_playing(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise several high voices that shout, squeal and babble at once."""
    out = np.zeros(n)
    for _ in range(int(source.integers(3, 8))):
        pitch, loud = draw_log_uniform(source, 260, 520), draw_log_uniform(source, 0.2, 1.0)
        for now in draw_scattered_times(clip, n / RATE, source.uniform(0.6, 1.8)):
            m = count_samples(draw_log_uniform(clip, 0.12, 0.7))
            rise = draw_log_uniform(clip, 0.7, 1.7)
            contour = pitch * interpolate(m, [(0, 0.9), (0.5, rise), (1, 0.85)]) * draw_curve(clip, m, 6, 0.95, 1.05)
            mouth = (
                [clip.uniform(450, 1100), clip.uniform(1400, 2900), 3700.0],
                [clip.uniform(450, 1100), clip.uniform(1400, 2900), 3700.0],
            )
            mix_into(out, now, draw_glide(clip, contour, mouth) * make_swell(m, 0.2, 0.35), loud)
    return out
