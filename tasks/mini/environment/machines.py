"""Engines, alarms and vehicles: pulse trains through bodies and pipes, and tones with a pattern in time.

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
    draw_curve,
    draw_log_uniform,
    draw_regular_times,
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
    synthesise_modes,
)


def _synthesise_firing(
    source: Generator, clip: Generator, speed: Array, cylinders: int, low: float, high: float
) -> Array:
    """Synthesise exhaust pulses [n] at ``speed`` turns a second: cylinders of different strength, pipe and body."""
    n = len(speed)
    train = make_pulses(clip, speed * cylinders, 0.02, 0.12)
    uneven = 1.0 + source.uniform(0.05, 0.4) * np.sin(compute_phase(speed) + source.uniform(0, 6.28))
    pipe = np.sort(np.exp(source.uniform(np.log(low), np.log(high), 5)))
    return scale_to_unit(
        resonate(train * uneven + 0.002 * make_noise(clip, n), list(pipe), list(pipe * 0.4), [1, 0.8, 0.7, 0.5, 0.3])
    )


def synthesise_engine(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a car or tractor that idles and is revved now and then."""
    idle, cylinders = draw_log_uniform(source, 9, 22), int(source.choice(np.array([2, 3, 4])))
    revs = 1.0 + source.uniform(0.0, 1.8) * draw_curve(clip, n, 0.8, 0.0, 1.0) ** 2
    speed = idle * revs * draw_curve(clip, n, 6, 0.98, 1.02)
    roar = _synthesise_firing(source, clip, speed / 2, cylinders, 60, 1400)
    fan = filter_band(make_noise(clip, n), 300, draw_log_uniform(source, 1500, 6000), 1)
    return roar + source.uniform(0.05, 0.4) * scale_to_unit(fan) * revs / 2


def synthesise_engine_idling(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a parked truck: slow even firing, rattling panels."""
    idle, cylinders = draw_log_uniform(source, 8, 14), int(source.choice(np.array([3, 4, 6])))
    speed = idle / 2 * draw_curve(clip, n, 3, 0.985, 1.015)
    roar = _synthesise_firing(source, clip, speed, cylinders, 50, 900)
    rattle = filter_band(make_noise(clip, n), draw_log_uniform(source, 800, 2500), 6000, 1)
    rattle *= np.maximum(np.sin(compute_phase(speed * 2)), 0) ** 4
    return (
        roar + source.uniform(0.05, 0.5) * scale_to_unit(rattle) + source.uniform(0.05, 0.4) * make_noise(clip, n, -5)
    )


def synthesise_chainsaw(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a two-stroke that screams in the wood and drops to idle, with a chain's hiss."""
    top, idle = draw_log_uniform(source, 95, 190), draw_log_uniform(source, 28, 55)
    period = source.uniform(0.9, 2.2)
    throttle = np.clip(draw_curve(clip, n, 1 / period, -0.6, 1.8), 0.0, 1.0)
    speed = idle + (top - idle) * throttle * draw_curve(clip, n, 7, 0.94, 1.04)
    roar = _synthesise_firing(source, clip, speed, 1, 250, 3500)
    chain = filter_band(make_noise(clip, n), draw_log_uniform(source, 1500, 3000), 7900, 1)
    return roar + source.uniform(0.1, 0.5) * scale_to_unit(chain) * throttle


def synthesise_helicopter(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise blade slap a dozen times a second over turbine whine and wash."""
    rate, top = source.uniform(9, 24), draw_log_uniform(source, 200, 1500)
    slap = resonate(
        make_pulses(clip, np.full(n, rate), 0.01, 0.15), [60, top], [60, top], [1.0, source.uniform(0.3, 1.2)]
    )
    chop = 0.5 + 0.5 * np.sin(compute_phase(np.full(n, rate)) + 1.0)
    wash = filter_band(make_noise(clip, n, -2), 80, draw_log_uniform(source, 1200, 6000), 1) * chop ** source.uniform(
        1, 3
    )
    whine = synthesise_harmonics(
        draw_log_uniform(source, 700, 2600) * draw_curve(clip, n, 0.5, 0.99, 1.01), [1, 0.4, 0.2]
    )
    distance = draw_curve(clip, n, 0.4, 0.4, 1.0)
    return (
        scale_to_unit(slap) + source.uniform(0.3, 1.0) * scale_to_unit(wash) + source.uniform(0, 0.15) * whine
    ) * distance


def synthesise_airplane(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a jet or propeller that passes: a slow swell of roar whose colour and pitch sink."""
    peak, jet = clip.uniform(0.2, 0.8), source.random() < 0.6
    near = np.exp(-(((np.linspace(0, 1, n) - peak) / source.uniform(0.3, 0.8)) ** 2))
    dark = filter_band(make_noise(clip, n, -5), 40, 600, 1)
    bright = filter_band(make_noise(clip, n, -2), 300, draw_log_uniform(source, 1500, 6000), 1)
    out = scale_to_unit(dark) * (0.3 + near) + source.uniform(0.2, 0.9) * scale_to_unit(bright) * near**2
    tone = draw_log_uniform(source, 900, 2600) if jet else draw_log_uniform(source, 60, 130)
    shift = 1.0 - 0.12 * np.tanh((np.linspace(0, 1, n) - peak) * 4)
    gains = [1, 0.3, 0.2] if jet else list(1 / np.arange(1, 14))
    loud = source.uniform(0.03, 0.3) if jet else source.uniform(0.4, 1.2)
    whole: Array = out + loud * synthesise_harmonics(tone * shift, gains) * near
    return whole


def synthesise_vacuum_cleaner(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a whining universal motor and a steady rush of air that the hand moves about."""
    motor = draw_log_uniform(source, 180, 620)
    drift = draw_curve(clip, n, 1.0, 0.985, 1.015)
    whine = synthesise_harmonics(motor * drift, source.uniform(0.1, 1.0, 10) / np.arange(1, 11) ** 0.5)
    air = filter_band(make_noise(clip, n, source.uniform(-5, 0)), 150, draw_log_uniform(source, 2500, 7900), 1)
    nozzle = draw_curve(clip, n, source.uniform(0.6, 1.5), 0.6, 1.0)
    return source.uniform(0.2, 0.9) * scale_to_unit(whine) + scale_to_unit(air) * nozzle


def synthesise_washing_machine(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a drum that turns a few times a second, sloshes and hums."""
    turn, hum = draw_log_uniform(source, 0.9, 6.0), float(source.choice(np.array([50.0, 100.0, 120.0])))
    spin = compute_phase(np.full(n, turn)) + clip.uniform(0, 6.28)
    slosh = filter_band(make_noise(clip, n, -4), 100, draw_log_uniform(source, 700, 3500), 1) * (
        0.35 + (0.5 + 0.5 * np.sin(spin)) ** 2
    )
    out = scale_to_unit(slosh) + source.uniform(0.2, 0.9) * scale_to_unit(
        synthesise_harmonics(np.full(n, hum), source.uniform(0.1, 1, 9))
    )
    thud = filter_band(make_burst(source, 0.15, 0.005), 40, 300, 1)
    for now in draw_regular_times(clip, n / RATE, 1 / turn, 0.03):
        mix_into(out, now, thud, source.uniform(0.5, 1.5))
    return out


def synthesise_air_conditioner(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a steady fan: broadband air, mains hum, a blade tone and a slow beat."""
    air = make_noise(clip, n, source.uniform(-6, -1))
    mains = float(source.choice(np.array([100.0, 120.0])))
    hum = synthesise_harmonics(np.full(n, mains), source.uniform(0.1, 1.0, 8) / np.arange(1, 9))
    blade = synthesise_harmonics(np.full(n, draw_log_uniform(source, 130, 420)), [1.0, 0.5, 0.3])
    beat = 1.0 + source.uniform(0.02, 0.2) * np.sin(2 * np.pi * source.uniform(0.7, 5) * np.arange(n) / RATE)
    return (
        scale_to_unit(air) * beat
        + source.uniform(0.1, 0.8) * scale_to_unit(hum)
        + source.uniform(0.0, 0.3) * scale_to_unit(blade)
    )


def synthesise_drilling(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise an electric drill: a motor that bogs down as it bites, gears and grinding."""
    motor = draw_log_uniform(source, 90, 320)
    load = np.clip(draw_curve(clip, n, 1.2, -0.3, 1.3), 0, 1)
    gears = synthesise_harmonics(motor * (1.0 - 0.25 * load), source.uniform(0.1, 1.0, 20) / np.arange(1, 21) ** 0.3)
    grind = resonate(
        make_noise(clip, n),
        [draw_log_uniform(source, 900, 2500), draw_log_uniform(source, 2600, 5500)],
        [600, 1500],
        [1, 1],
    )
    hammer = source.random() < 0.4
    ripple = 0.4 + 0.6 * np.maximum(np.sin(compute_phase(np.full(n, source.uniform(30, 60)))), 0) if hammer else 1.0
    on = np.repeat((clip.random(int(n / RATE / 0.9) + 2) < 0.85).astype(float), count_samples(0.9))[:n]
    smooth = np.convolve(on, np.ones(800) / 800, "same")
    return (
        scale_to_unit(gears) * (0.5 + 0.5 * load) + source.uniform(0.3, 1.2) * scale_to_unit(grind) * load * ripple
    ) * smooth


def synthesise_train(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise wheels over rail joints in pairs, rumble, squeal and sometimes a horn."""
    speed, rumble = draw_log_uniform(source, 0.45, 1.3), make_noise(clip, n, source.uniform(-6, -3))
    joint = synthesise_modes(
        count_samples(0.12),
        [draw_log_uniform(source, 80, 300), draw_log_uniform(source, 400, 1200)],
        [0.09, 0.05],
        [1, 0.6],
    )
    out = scale_to_unit(rumble) * draw_curve(clip, n, 1.5, 0.5, 1.0)
    axle, clack = source.uniform(0.13, 0.2), source.uniform(1.0, 3.5)
    for now in draw_regular_times(clip, n / RATE, speed, 0.02):
        for offset in (0.0, axle, 0.5 * speed, 0.5 * speed + axle):
            mix_into(out, now + offset, joint, clack * clip.uniform(0.7, 1.0))
            mix_into(out, now + offset, filter_band(make_burst(clip, 0.05), 500, 4000, 1), 0.25 * clack)
    squeal = synthesise_harmonics(draw_log_uniform(source, 1500, 3800) * draw_curve(clip, n, 2, 0.98, 1.02), [1, 0.3])
    out += source.uniform(0.0, 0.4) * squeal * draw_curve(clip, n, 1.5, 0.0, 1.0) ** 3
    if source.random() < 0.5:
        m = count_samples(clip.uniform(0.8, 1.8))
        chord = sum(
            synthesise_harmonics(np.full(m, 311.0 * r), [1, 0.7, 0.5, 0.3, 0.2]) for r in source.uniform(0.8, 1.9, 3)
        )
        mix_into(
            out,
            clip.uniform(0.0, max(0.1, n / RATE - 1.0)),
            scale_to_unit(np.asarray(chord)) * make_swell(m, 0.1, 0.15),
            1.3,
        )
    return out


def synthesise_siren(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise wail, yelp or two-tone of an emergency vehicle, with Doppler as it passes."""
    kind, low = int(source.integers(0, 3)), draw_log_uniform(source, 380, 800)
    high, period = low * source.uniform(1.35, 2.2), source.uniform(1.8, 4.5)
    turn = (np.arange(n) / RATE + clip.uniform(0, 5)) / (period if kind == 0 else 0.35 if kind == 1 else 1.1)
    saw = turn % 1.0
    ramp = (0.5 - 0.5 * np.cos(2 * np.pi * saw), 1.0 - saw, (saw > 0.5).astype(float))[kind]
    doppler = 1.0 - source.uniform(0.0, 0.08) * np.tanh((np.linspace(-1, 1, n) - clip.uniform(-0.7, 0.7)) * 4)
    gains = source.uniform(0.2, 1.0, 8) / np.arange(1, 9)
    return synthesise_harmonics((low + (high - low) * ramp) * doppler, gains) * draw_curve(clip, n, 0.5, 0.5, 1.0)


def synthesise_car_horn(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise two trumpets a third apart, in honks of any length."""
    low, ratio = draw_log_uniform(source, 290, 480), source.uniform(1.15, 1.32)
    gains = source.uniform(0.3, 1.0, 14) / np.arange(1, 15) ** 0.5
    out, now = np.zeros(n), float(clip.uniform(0.0, 0.8))
    while now < n / RATE:
        m = count_samples(draw_log_uniform(clip, 0.12, 1.6))
        both = synthesise_harmonics(np.full(m, low), gains) + synthesise_harmonics(np.full(m, low * ratio), gains)
        mix_into(out, now, scale_to_unit(both) * make_swell(m, 0.05, 0.05))
        now += m / RATE + clip.uniform(0.12, 1.2)
    return out


def synthesise_clock_alarm(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise beeps in groups, or a hammer on two small bells."""
    tone, count = draw_log_uniform(source, 700, 3400), int(source.integers(1, 5))
    length, group = source.uniform(0.05, 0.13), source.uniform(0.6, 1.1)
    bell = source.random() < 0.4
    gains = source.uniform(0.0, 1.0, 4)
    partials = tone * np.array([1.0, 2.71, 5.2])
    strike = synthesise_modes(count_samples(0.3), partials, [0.3, 0.2, 0.1], [1.0, 0.6, 0.4])
    out, rate = np.zeros(n), source.uniform(12, 24)
    for now in draw_regular_times(clip, n / RATE, 1 / rate if bell else group):
        for k in range(1 if bell else count):
            m = count_samples(length)
            beep = strike if bell else synthesise_harmonics(np.full(m, tone), [1.0, *gains]) * make_swell(m, 0.08, 0.08)
            mix_into(out, now + k * length * 1.8, beep, clip.uniform(0.7, 1.0) if bell else 1.0)
    return out


def synthesise_street_music(source: Generator, clip: Generator, n: int) -> Array:
    """Synthesise a busker: plucked or bowed notes of a scale over a bass and perhaps a drum."""
    root, beat = draw_log_uniform(source, 110, 220), source.uniform(0.22, 0.5)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16]) if source.random() < 0.6 else np.array([0, 3, 5, 7, 10, 12, 15, 17])
    plucked, drum = source.random() < 0.6, source.random() < 0.5
    gains = source.uniform(0.3, 1.0, 10) / np.arange(1, 11) ** source.uniform(0.8, 1.6)
    kick = synthesise_modes(count_samples(0.2), [70.0], [0.18], [1.0])
    out, degree = np.zeros(n), int(clip.integers(0, len(scale)))
    for index, now in enumerate(draw_regular_times(clip, n / RATE, beat, 0.01)):
        degree = int(np.clip(degree + clip.integers(-2, 3), 0, len(scale) - 1))
        m = count_samples(beat * (2.0 if plucked else 0.95))
        note = synthesise_harmonics(2 * root * 2.0 ** (scale[degree] / 12) * np.ones(m), gains)
        shape = np.exp(-4 * np.linspace(0, 1, m)) if plucked else make_swell(m, 0.15, 0.2)
        mix_into(out, now, note * shape, clip.uniform(0.5, 1.0) * (clip.random() < 0.85))
        if index % 4 == 0:
            low = synthesise_harmonics(
                root / 2 * 2.0 ** (scale[int(clip.integers(0, 4))] / 12) * np.ones(3 * m), [1, 0.6, 0.4, 0.2]
            )
            mix_into(out, now, low * interpolate(3 * m, [(0, 1), (1, 0)]), 0.8)
        if drum and index % 2 == 0:
            mix_into(out, now, kick, 2.0)
            mix_into(out, now + beat, filter_band(make_burst(clip, 0.12), 800, 7000, 1), 0.6)
    return out
