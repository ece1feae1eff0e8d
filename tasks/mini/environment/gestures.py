"""What a mouth does to imitate a sound: gestures as data, and an imitator who performs them.

A gesture is a glide of pitch and vowel with a share of voice, breath and hiss, cut by a trill or repeated. An imitator
is a vocal tract and pitch, and habits: how far glides go, how fast, how hoarse, how precise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from tasks.mini.environment.creatures import draw_glide
from tasks.mini.signals import (
    RATE,
    Array,
    count_samples,
    draw_curve,
    draw_log_uniform,
    filter_band,
    interpolate,
    make_burst,
    make_noise,
    make_swell,
    mix_into,
    scale_to_unit,
)

MOUTHS: Mapping[
    str, tuple[float, float, float]
] = {  # formants of an adult in Hz (Peterson and Barney 1952), and others
    "a": (730, 1090, 2440),
    "i": (270, 2290, 3010),
    "u": (300, 870, 2240),
    "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
    "r": (490, 1350, 1690),
    "m": (250, 1000, 2200),  # lips closed
    "w": (900, 1900, 3000),  # lips in a ring: whistled
}
LONGEST = 4.0  # s: an imitation is broken off
EDGE = count_samples(0.03)


@dataclass(frozen=True, slots=True)
class Gesture:
    """One sound of a mouth. Pitches are relative to the imitator's; times in seconds, hiss bands in Hz."""

    seconds: float
    pitch: tuple[float, ...] = (1.0,)  # evenly spaced contour
    mouth: str = "aa"  # from, to
    voice: float = 1.0
    rough: float = 0.02
    hiss: float = 0.0
    hiss_band: tuple[float, float] = (2500.0, 7000.0)
    trill: float = 0.0  # cuts a second (tongue, lips)
    vibrato: float = 0.0  # turns a second of the pitch
    pop: float = 0.0  # a burst at the start
    attack: float = 0.15  # fractions of the length
    release: float = 0.4
    times: tuple[int, int] = (1, 1)  # repeated how often in a row
    gap: float = 0.1


@dataclass(frozen=True, slots=True)
class Imitator:
    """A person with a mouth."""

    pitch: float  # Hz
    size: float  # of the vocal tract, 1 is the adult of ``MOUTHS``
    reach: float  # exponent of every glide: 1 goes as far as the sound does
    pace: float
    rough: float
    breath: float
    care: float  # how far repetitions differ, as a standard deviation
    hiss: float  # factor on the hiss bands


def draw_imitator(draw: Generator) -> Imitator:
    """Draw a random imitator: the same for equal generators."""
    pitch = draw_log_uniform(draw, 95, 260)
    return Imitator(
        pitch=pitch,
        size=(150 / pitch) ** 0.25 * draw.uniform(0.93, 1.08),
        reach=draw.uniform(0.6, 1.2),
        pace=draw_log_uniform(draw, 0.75, 1.35),
        rough=draw.uniform(0.0, 0.05),
        breath=draw.uniform(0.03, 0.3),
        care=draw.uniform(0.04, 0.15),
        hiss=draw_log_uniform(draw, 0.75, 1.3),
    )


def _modulate_pitch(clip: Generator, who: Imitator) -> float:
    return float(np.exp(who.care * clip.standard_normal()))


def _apply_trill(sound: Array, clip: Generator, rate: float) -> Array:
    """Open and shut ``sound`` [n] ``rate`` times a second, not quite evenly."""
    n = len(sound)
    turn = np.cumsum(rate * draw_curve(clip, n, 4.0, 0.85, 1.15)) / RATE
    cut: Array = sound * (0.08 + 0.92 * (0.5 - 0.5 * np.cos(2 * np.pi * turn)) ** 1.5)
    return cut


def perform(who: Imitator, gesture: Gesture, clip: Generator) -> Array:
    """Perform one gesture [n], once: n varies with pace and care."""
    n = count_samples(gesture.seconds / who.pace * _modulate_pitch(clip, who))
    points = np.asarray(gesture.pitch if len(gesture.pitch) > 1 else gesture.pitch * 2) ** who.reach
    contour = who.pitch * interpolate(n, list(zip(np.linspace(0, 1, len(points)), points, strict=True)))
    contour = np.clip(contour * _modulate_pitch(clip, who) * draw_curve(clip, n, 5.0, 0.97, 1.03), 45.0, 2400.0)
    if gesture.vibrato:
        contour *= 1 + 0.06 * np.sin(2 * np.pi * gesture.vibrato * np.arange(n) / RATE)
    start, end = ([f * _modulate_pitch(clip, who) / who.size for f in MOUTHS[mouth]] for mouth in gesture.mouth)
    out = np.zeros(n)
    if gesture.voice:
        rough = gesture.rough + who.rough
        out += gesture.voice * draw_glide(clip, contour, (start, end), rough=rough, breath=who.breath)
    if gesture.hiss:
        low, high = (edge * who.hiss * _modulate_pitch(clip, who) for edge in gesture.hiss_band)
        out += gesture.hiss * scale_to_unit(filter_band(make_noise(clip, n), low, min(high, 7900.0), 1))
    if gesture.trill:
        out = _apply_trill(out, clip, gesture.trill * who.pace)
    out *= make_swell(n, gesture.attack, gesture.release)
    if gesture.pop:
        click = make_burst(clip, 0.05 * _modulate_pitch(clip, who), 0.0008)
        mix_into(out, 0.0, scale_to_unit(filter_band(click, 0.5 * start[0], start[1] * 1.5, 1)), gesture.pop)
    return out


def imitate(who: Imitator, score: tuple[Gesture, ...], clip: Generator) -> Array:
    """Imitate float64 [N]: the gestures of a score one after another, each as often as this imitator feels like.

    Some take their time, some are brief, and some begin again: how long it takes says little about the sound.
    """
    parts: list[tuple[float, Array]] = []
    now, enough, hurry = 0.0, draw_log_uniform(clip, 0.5, 3.0), draw_log_uniform(clip, 0.7, 1.4)
    hasty = replace(who, pace=who.pace * hurry)
    while not parts or now < enough:
        for gesture in score:
            for _ in range(int(clip.integers(gesture.times[0], gesture.times[1] + 1))):
                sound = perform(hasty, gesture, clip) * clip.uniform(0.7, 1.0)
                parts.append((now, sound))
                now += len(sound) / RATE + gesture.gap / hasty.pace * _modulate_pitch(clip, who)
        now += clip.uniform(0.05, 0.4)
    out = np.zeros(count_samples(min(now, LONGEST)))
    for start, sound in parts:
        mix_into(out, start, sound)
    out[-EDGE:] *= np.linspace(1.0, 0.0, len(out[-EDGE:]))
    return out
