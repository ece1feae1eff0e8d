"""Acted emotions: espeak-ng's voices made to speak as people do when they are angry, sad or afraid.

An emotion is a :class:`Style`: what changes against the actor's own habit. Each actor overdoes some of it and leaves
some out, each take is more or less intense, and the habits differ as much as the emotions do, so that none of the
changes tells the emotion by itself. Directions follow Juslin and Laukka 2003 (doi:10.1037/0033-2909.129.5.770).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.random import Generator

from tasks.mini import scene
from tasks.mini.signals import Array
from tasks.mini.speech import prosody
from tasks.mini.speech.synthesis import RATE, Say, Voice
from tasks.mini.speech.voices import draw_resident
from tasks.mini.write import Sample


@dataclass(frozen=True, slots=True)
class Style:
    """Differences from an actor's habit."""

    pitch: float = 0.0  # semitones
    range: float = 0.0  # of the melody, in espeak-ng's 0..100
    pace: float = 0.0  # log of the factor
    slope: float = 0.0  # semitones from the first syllable to the last
    final: float = 0.0  # semitones of the last turn
    arch: float = 0.0  # semitones in the middle
    loud: float = 0.0  # dB
    tilt: float = 0.0  # dB per octave: positive is pressed, negative soft
    breath: float = 0.0  # 0..1
    tremor: float = 0.0  # semitones
    jitter: float = 0.0  # semitones
    pauses: float = 0.0  # how many
    stress: float = 0.0  # 0 is that of the synthesiser, positive punchy, negative level


SCATTER = Style(1.8, 14.0, 0.12, 1.2, 0.8, 0.8, 3.0, 1.2, 0.12, 0.15, 0.12, 0.7, 0.25)  # of an actor, and of a take
STYLES: Mapping[str, Style] = {
    "neutral": Style(),
    "calm": Style(-1.0, -15, -0.14, -0.5, -0.5, 0.0, -4.0, -1.8, 0.15, 0.0, 0.0, 1.0, -0.3),
    "happy": Style(2.5, 30, 0.06, 0.5, 0.8, 2.2, 3.0, 1.2, 0.05, 0.0, 0.05, 0.0, 0.2),
    "sad": Style(-1.5, -25, -0.22, -2.5, -1.0, 0.0, -5.0, -2.5, 0.3, 0.3, 0.1, 2.0, -0.3),
    "angry": Style(1.5, 20, 0.1, -2.5, -1.5, 0.5, 7.0, 3.0, 0.0, 0.0, 0.35, 0.0, 0.7),
    "fearful": Style(3.0, -15, 0.2, 1.0, 0.5, 0.0, -1.0, 0.3, 0.45, 0.8, 0.2, 2.0, -0.1),
    "disgust": Style(-1.8, 10, -0.18, -1.0, -2.5, 1.8, 0.0, 0.5, 0.1, 0.0, 0.5, 1.0, 0.4),
    "surprised": Style(3.0, 35, -0.04, 1.5, 4.0, -0.5, 3.0, 0.0, 0.25, 0.0, 0.0, 0.0, 0.2),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """A voice, how it speaks when nothing is acted, and what it makes of every emotion."""

    voice: Voice
    style: Style


def draw_actor(name: str, variant: str) -> Actor:
    """Draw the one actor who has this variant of espeak-ng's voices in the task ``name``."""
    generator = scene.make_rng(name, "actor", variant)
    return Actor(draw_resident(generator, variant), scatter_style(Style(), generator, 0.5))


def scatter_style(style: Style, generator: Generator, share: float, intensity: float = 1.0) -> Style:
    """Scatter ``intensity`` times ``style`` by normal deviations of ``share`` times :data:`SCATTER`."""
    pairs = zip(astuple(style), astuple(SCATTER), strict=True)
    return Style(*(intensity * mean + share * spread * float(generator.standard_normal()) for mean, spread in pairs))


def add_styles(a: Style, b: Style) -> Style:
    return Style(*(x + y for x, y in zip(astuple(a), astuple(b), strict=True)))


def act(say: Say, text: str, voice: Voice, style: Style, generator: Generator) -> Array:
    """Speak ``text`` in a ``voice`` that is changed by ``style``, [N] at ``RATE``."""
    spoken = Voice(
        name=voice.name,
        rate=round(voice.rate * np.exp(style.pace)),
        pitch=int(np.clip(voice.pitch + 50 / 12 * style.pitch, 0, 100)),  # espeak-ng's 50 steps are an octave
        range=int(np.clip(voice.range + style.range, 0, 100)),
        tract=voice.tract,
    )
    x = say(text, spoken)
    moves = prosody.draw_melody(
        generator,
        len(x),
        slope=style.slope,
        final=style.final,
        arch=style.arch,
        tremor=max(0.0, style.tremor),
        jitter=max(0.0, style.jitter),
    )
    x = prosody.bend(x, moves)
    x = prosody.stress(x, float(np.clip(1.0 + style.stress, 0.4, 2.2)))
    x = prosody.tilt_spectrum(x, style.tilt)
    x = prosody.breathe(x, generator, float(np.clip(style.breath, 0.0, 0.8)))
    return prosody.insert_gaps(x, generator, max(0, round(style.pauses)), (0.08, 0.3))


def record_take(say: Say, text: str, player: Actor, emotion: str, generator: Generator) -> Array:
    """Record an ``emotion`` [N]: more or less intense, over the noise of some room."""
    wanted = scatter_style(STYLES[emotion], generator, 0.6, float(generator.uniform(0.7, 1.3)))
    style = add_styles(player.style, wanted)
    dry = act(say, text, player.voice, style, generator)
    return scene.place_in_scene(
        dry,
        generator,
        RATE,
        rt60_range=(0.1, 0.4),
        snr_range_in_db=(12.0 + style.loud, 26.0 + style.loud),
        level_range_in_dbfs=(-32.0, -18.0),  # the gain is set to whoever speaks: level tells nothing
        lead_range_in_s=(0.05, 0.7),
        tail_range_in_s=(0.05, 0.7),
        microphone_range_in_db=3.0,
    )


def make_takes(
    say: Say,
    task: str,
    key: str,
    emotions: Mapping[str, str],
    variants: Sequence[str],
    statements: Sequence[str],
    per_actor: int,
) -> Iterator[Sample]:
    """Make ``per_actor`` takes of each emotion by the actor of each of ``variants``.

    ``emotions``: label in the task to name in :data:`STYLES`; ``key``: where the sidecar says the label.
    """
    for variant in variants:
        player = draw_actor(task, variant)
        for label, emotion in emotions.items():
            for which in range(per_actor):
                generator = scene.make_rng(task, variant, label, which)
                text = statements[int(generator.integers(len(statements)))]
                wet = record_take(say, text, player, emotion, generator)
                sidecar = {key: label, "speaker": variant, "text": text}
                yield Sample(f"{variant}-{label}-{which}", scene.to_pcm16(wet), RATE, sidecar)
