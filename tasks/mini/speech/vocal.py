"""What people do with their voice besides speaking: laugh, sigh, clear the throat, cough, sneeze, sniff.

Lungs, glottis, tract: air noise or glottal pulses, or both, through resonances that belong to the :class:`Person`.
Laughter is voiced or not and its pitch varies widely (Bachorowski et al. 2001, doi:10.1121/1.1391244); a cough has a
burst, a noisy middle and at times a voiced end (Korpas et al. 1996, doi:10.1006/pulp.1996.0034).
A sound is ``(person, clip) -> [n]``, of any level and as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tasks.mini.environment.creatures import draw_glide
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import (
    RATE,
    Array,
    count_samples,
    draw_log_uniform,
    interpolate,
    make_burst,
    make_noise,
    make_swell,
    mix_into,
    resonate,
    scale_to_unit,
)
from tasks.mini.write import Sample

LICENCE = "CC0-1.0 (synthetic)"
Tract = tuple[float, float, float]  # resonances in Hz of a body of size 1
OPEN: Tract = (750, 1250, 2600)
MIDDLE: Tract = (520, 1480, 2500)
ROUND: Tract = (380, 900, 2350)
SPREAD: Tract = (430, 1950, 2750)
HUM: Tract = (260, 1050, 2200)
NOSE: Tract = (480, 1500, 3300)
TEETH: Tract = (1900, 3600, 5600)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose sounds these are."""

    pitch: float  # Hz, in speech
    size: float  # of the vocal tract; resonances are divided by it
    breath: float  # how much air goes through the glottis unused
    rough: float  # irregularity of the glottis
    tempo: float  # how quickly everything goes
    voiced: float  # how often the voice takes part where it need not


Sound = Callable[[Person, Generator], Array]


def draw_person(name: str) -> Person:
    """Draw the one person of that name."""
    generator = make_rng("vocalsound", "person", name)
    deep = generator.random() < 0.5
    return Person(
        pitch=draw_log_uniform(generator, 85, 150) if deep else draw_log_uniform(generator, 160, 290),
        size=float(generator.uniform(0.98, 1.22) if deep else generator.uniform(0.8, 1.02)),
        breath=draw_log_uniform(generator, 0.1, 0.5),
        rough=draw_log_uniform(generator, 0.01, 0.06),
        tempo=draw_log_uniform(generator, 0.75, 1.35),
        voiced=float(generator.uniform(0.3, 0.9)),
    )


def draw_length(who: Person, clip: Generator, low: float, high: float) -> int:
    """Draw the number of samples of something that takes ``low`` to ``high`` seconds."""
    return count_samples(draw_log_uniform(clip, low, high) / who.tempo)


def synthesise_air(who: Person, clip: Generator, n: int, first: Tract, last: Tract, slope: float = -2.0) -> Array:
    """Synthesise turbulent air through a tract that moves from ``first`` to ``last`` [n], of unit power."""
    source, mix, out = make_noise(clip, n, slope), np.linspace(0.0, 1.0, n), np.zeros(n)
    bend = clip.uniform(0.9, 1.1, 3) / who.size
    for weight, tract in ((1.0 - mix, first), (mix, last)):
        centres = np.array(tract) * bend
        out += weight * resonate(source, list(centres), list(0.3 * centres + 120), [1.0, 0.8, 0.6])
    return scale_to_unit(out + 0.08 * source)


def synthesise_voice(
    who: Person, clip: Generator, pitch: Array, first: Tract, last: Tract, rough: float, breath: float
) -> Array:
    """Synthesise the glottis on a ``pitch`` contour in multiples of the habit [n], of unit power."""
    bend = clip.uniform(0.92, 1.08, 3) / who.size
    tracts = [list(np.array(tract) * bend) for tract in (first, last)]
    return draw_glide(
        clip, np.maximum(who.pitch * pitch, 30.0), (tracts[0], tracts[1]), rough=rough, breath=breath + who.breath
    )


def join_parts(parts: list[tuple[float, Array]], tail: float = 0.02) -> Array:
    """Join (seconds, sound) pairs to [n], from the first beginning to the last end."""
    first = min(start for start, _ in parts)
    end = max(start + len(sound) / RATE for start, sound in parts)
    out = np.zeros(count_samples(end - first + tail))
    for start, sound in parts:
        mix_into(out, start - first, sound)
    return out


def synthesise_laughter(who: Person, clip: Generator) -> Array:
    """Synthesise three to nine calls, voiced, panted or hummed, that sink; air drawn in at the end now and then."""
    vowel = [OPEN, MIDDLE, SPREAD, ROUND, HUM][int(clip.integers(5))]
    voiced, high = clip.random() < 0.25 + 0.7 * who.voiced, draw_log_uniform(clip, 1.1, 2.3)
    rate, filled, count = who.tempo * clip.uniform(3.8, 6.0), clip.uniform(0.4, 0.7), int(clip.integers(3, 9))
    parts, now = [], 0.0
    for k in range(count):
        n = count_samples(filled / rate)
        puff = synthesise_air(who, clip, n, vowel, vowel) * make_swell(n, 0.25, 0.6)
        sink = 1.0 - 0.4 * k / count
        if voiced:
            pitch = high * sink * interpolate(n, [(0, 0.95), (0.3, clip.uniform(1.0, 1.2)), (1, 0.85)])
            sung = synthesise_voice(who, clip, pitch, vowel, vowel, who.rough, 0.3) * make_swell(n, 0.2, 0.5)
            puff = sung + clip.uniform(0.1, 0.4) * puff
        parts.append((now, puff * sink**1.5 * clip.uniform(0.7, 1.0)))
        now += clip.uniform(0.85, 1.15) / rate
    if clip.random() < 0.4:
        n = draw_length(who, clip, 0.2, 0.5)
        parts.append((now, 0.4 * synthesise_air(who, clip, n, MIDDLE, OPEN) * make_swell(n, 0.6, 0.3)))
    return join_parts(parts)


def synthesise_sigh(who: Person, clip: Generator) -> Array:
    """Synthesise a breath drawn in, as a rule, and a long one let go, with the voice sinking in it or not."""
    parts, now = [], 0.0
    if clip.random() < 0.6:
        n = draw_length(who, clip, 0.35, 0.8)
        parts.append(
            (0.0, clip.uniform(0.15, 0.6) * synthesise_air(who, clip, n, NOSE, MIDDLE) * make_swell(n, 0.7, 0.25))
        )
        now = n / RATE + clip.uniform(0.0, 0.15)
    n = draw_length(who, clip, 0.6, 1.5)
    first = [OPEN, MIDDLE][int(clip.integers(2))]
    shape = make_swell(n, clip.uniform(0.1, 0.3), clip.uniform(0.6, 0.85))
    parts.append((now, synthesise_air(who, clip, n, first, ROUND) * shape))
    if clip.random() < who.voiced:
        pitch = clip.uniform(1.0, 1.7) * interpolate(n, [(0, 1.0), (0.15, 1.1), (1, clip.uniform(0.5, 0.75))])
        parts.append(
            (now, clip.uniform(0.3, 1.5) * synthesise_voice(who, clip, pitch, first, ROUND, who.rough, 0.4) * shape)
        )
    return join_parts(parts)


def synthesise_throatclearing(who: Person, clip: Generator) -> Array:
    """Synthesise one to three rasps of a pressed, irregular glottis, the last one often hummed."""
    parts, now = [], 0.0
    for k in range(count := int(clip.integers(1, 4))):
        n = draw_length(who, clip, 0.14, 0.4 if k < count - 1 else 0.6)
        last = [HUM, MIDDLE][int(clip.integers(2))]
        pitch = clip.uniform(0.45, 1.0) * interpolate(n, [(0, 1.1), (0.4, 1.0), (1, clip.uniform(0.6, 0.9))])
        rasp = synthesise_voice(who, clip, pitch, MIDDLE, last, clip.uniform(0.12, 0.3), 0.5)
        hiss = clip.uniform(0.3, 1.2) * synthesise_air(who, clip, n, MIDDLE, last)
        parts.append((now, (rasp + hiss) * make_swell(n, clip.uniform(0.05, 0.3), clip.uniform(0.3, 0.6))))
        now += n / RATE + clip.uniform(0.02, 0.2)
    return join_parts(parts)


def synthesise_cough(who: Person, clip: Generator) -> Array:
    """Synthesise one to four explosions, each with a noisy middle and sometimes a voiced end."""
    voiced, parts, now = clip.random() < who.voiced, [], 0.0
    if clip.random() < 0.3:
        n = draw_length(who, clip, 0.2, 0.4)
        parts.append((now, clip.uniform(0.1, 0.3) * synthesise_air(who, clip, n, NOSE, OPEN) * make_swell(n, 0.7, 0.2)))
        now += n / RATE + 0.05
    for k in range(int(clip.integers(1, 4))):
        n, loud = draw_length(who, clip, 0.18, 0.4), clip.uniform(0.6, 1.0) * 0.85**k
        blast = make_burst(clip, clip.uniform(0.04, 0.12), 0.002)
        parts.append((now, 0.8 * loud * resonate(blast, list(np.array(OPEN) / who.size), [400, 600, 900], [2, 2, 2])))
        decay = np.exp(-np.arange(n) / RATE * clip.uniform(6.0, 14.0)) * make_swell(n, 0.03, 0.3)
        parts.append((now, 2 * loud * synthesise_air(who, clip, n, OPEN, MIDDLE, clip.uniform(-3.0, 0.0)) * decay))
        if voiced:
            m = count_samples(n / RATE * clip.uniform(0.4, 0.9))
            pitch = clip.uniform(0.9, 1.8) * interpolate(m, [(0, 1.1), (1, 0.7)])
            bark = synthesise_voice(who, clip, pitch, OPEN, MIDDLE, 3 * who.rough + 0.03, 0.6) * make_swell(m, 0.2, 0.6)
            parts.append((now + clip.uniform(0.02, 0.1), loud * clip.uniform(0.3, 1.0) * bark))
        now += n / RATE + clip.uniform(0.03, 0.25)
    return join_parts(parts)


def synthesise_sneeze(who: Person, clip: Generator) -> Array:
    """Synthesise air gasped in, up to twice, a moment of nothing, and all of it out through the teeth."""
    parts, now = [], 0.0
    for k in range(int(clip.integers(0, 3))):
        n = draw_length(who, clip, 0.2, 0.5)
        gasp = synthesise_air(who, clip, n, MIDDLE, OPEN)
        if clip.random() < 0.5 * who.voiced:
            pitch = clip.uniform(1.2, 2.0) * interpolate(n, [(0, 0.9), (1, 1.3)])
            gasp = 0.5 * gasp + synthesise_voice(who, clip, pitch, MIDDLE, OPEN, who.rough, 0.5)
        parts.append((now, clip.uniform(0.15, 0.45) * (1 + 0.4 * k) * gasp * make_swell(n, 0.8, 0.15)))
        now += n / RATE + clip.uniform(0.03, 0.3)
    if clip.random() < who.voiced:
        n = draw_length(who, clip, 0.06, 0.18)
        pitch = clip.uniform(1.3, 2.3) * interpolate(n, [(0, 1.1), (1, 0.9)])
        parts.append(
            (now, synthesise_voice(who, clip, pitch, OPEN, SPREAD, 2 * who.rough, 0.6) * make_swell(n, 0.1, 0.3))
        )
        now += 0.8 * n / RATE
    n, teeth = draw_length(who, clip, 0.15, 0.45), [TEETH, SPREAD][int(clip.random() < 0.3)]
    decay = np.exp(-np.arange(n) / RATE * clip.uniform(4.0, 12.0)) * make_swell(n, 0.04, 0.4)
    parts.append(
        (now, 1.6 * synthesise_air(who, clip, n, teeth, [ROUND, MIDDLE, teeth][int(clip.integers(3))], 0.0) * decay)
    )
    if clip.random() < 0.6 * who.voiced:
        m = draw_length(who, clip, 0.12, 0.35)
        pitch = clip.uniform(1.0, 1.7) * interpolate(m, [(0, 1.1), (1, 0.6)])
        parts.append(
            (
                now + 0.5 * n / RATE,
                0.7 * synthesise_voice(who, clip, pitch, ROUND, ROUND, who.rough, 0.5) * make_swell(m, 0.2, 0.6),
            )
        )
    return join_parts(parts)


def synthesise_sniff(who: Person, clip: Generator) -> Array:
    """Synthesise one to four short breaths drawn in through a nose that is more or less free."""
    blocked, parts, now = clip.uniform(0.7, 1.4), [], 0.0
    for _ in range(int(clip.integers(1, 5))):
        n = draw_length(who, clip, 0.12, 0.45)
        start = (NOSE[0] * blocked, NOSE[1] * blocked, NOSE[2] * blocked)
        rise = clip.uniform(1.0, 1.35)
        stop = (start[0] * rise, start[1] * rise, start[2] * rise)
        puff = synthesise_air(who, clip, n, start, stop, clip.uniform(-2.0, 1.0))
        parts.append(
            (now, clip.uniform(0.5, 1.0) * puff * make_swell(n, clip.uniform(0.4, 0.8), clip.uniform(0.1, 0.4)))
        )
        now += n / RATE + clip.uniform(0.05, 0.45)
    return join_parts(parts)


SOUNDS: Mapping[str, Sound] = {
    "laughter": synthesise_laughter,
    "sigh": synthesise_sigh,
    "throatclearing": synthesise_throatclearing,
    "cough": synthesise_cough,
    "sneeze": synthesise_sneeze,
    "sniff": synthesise_sniff,
}


def make_recordings(split: str, people: int, per_sound: int) -> Iterator[Sample]:
    """Make ``per_sound`` recordings of every sound by each of ``people``, who are of one split, in any place."""
    for number in range(people):
        name = f"{split}{number:03d}"
        for label, sound in SOUNDS.items():
            for take in range(per_sound):
                clip = make_rng("vocalsound", name, label, take)
                wet = place_in_scene(
                    scale_to_unit(sound(draw_person(name), clip)),
                    clip,
                    RATE,
                    rt60_range=(0.1, 0.6),
                    snr_range_in_db=(3.0, 24.0),
                    level_range_in_dbfs=(-36.0, -16.0),
                    microphone_range_in_db=8.0,
                )
                yield Sample(f"{name}-{take}-{label}", to_pcm16(wet), RATE, {"label": label, "speaker": name})
