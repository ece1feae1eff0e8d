"""The small Clotho: scenes of one to three sounds, each described in five captions of different wording.

A scene has up to two events, one after the other, each sounding once or more, near or far, over a background or not, in
a room, a hall or outdoors. Every sounding is a source of its own: no two clips share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tasks.mini.environment import creatures, household, impacts, machines, textures
from tasks.mini.environment.events import deal, trim_silence
from tasks.mini.environment.recordings import Sound, record_sound
from tasks.mini.environment.wording import BACKGROUNDS, EVENTS, Scene, SceneSound, write_captions
from tasks.mini.scene import Range, make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import RATE, Array, count_samples, filter_band, mix_into
from tasks.mini.write import Sample, write_shards

NAME = "clotho"
SOUNDS: Mapping[str, Sound] = {
    "baby": creatures.synthesise_crying_baby,
    "bell": impacts.synthesise_church_bells,
    "cat": creatures.synthesise_cat,
    "clapping": impacts.synthesise_clapping,
    "cricket": creatures.synthesise_crickets,
    "crow": creatures.synthesise_crow,
    "dog": creatures.synthesise_dog,
    "engine": machines.synthesise_engine_idling,
    "fire": textures.synthesise_crackling_fire,
    "footsteps": impacts.synthesise_footsteps,
    "frog": creatures.synthesise_frog,
    "glass": impacts.synthesise_glass_breaking,
    "gun": impacts.synthesise_gun_shots,
    "helicopter": machines.synthesise_helicopter,
    "horn": machines.synthesise_car_horn,
    "knock": impacts.synthesise_door_knock,
    "laughing": creatures.synthesise_laughing,
    "rain": textures.synthesise_rain,
    "siren": machines.synthesise_siren,
    "speech": household.synthesise_speech,
    "tap": household.synthesise_running_water,
    "vacuum": machines.synthesise_vacuum_cleaner,
    "waves": textures.synthesise_sea_waves,
    "wind": textures.synthesise_wind,
}
CLIPS = {"development": 300, "evaluation": 60, "validation": 100}  # Clotho's names; the last is the test split
CAPTIONS = 5
SECONDS = (2.0, 4.0)
LONGER = 1.6  # a clip in ten lasts that much longer
PART = 0.8  # seconds at least between the beginnings of two soundings
SHORTEST = 1.2  # seconds
FADE = count_samples(0.01)
REVERBERATION: Mapping[str, Range] = {"room": (0.15, 0.4), "hall": (1.0, 1.8), "open": (0.02, 0.06)}
LEVELS_IN_DBFS: Mapping[bool, Range] = {True: (-20.0, -14.0), False: (-40.0, -32.0)}
FAR_IN_HZ = (1200.0, 2500.0)  # air and walls keep what is above


def draw_scenes(split: str) -> Iterator[Scene]:
    """Draw the scenes of a split; events and backgrounds are dealt so that all come equally often."""
    shape = make_rng(NAME, split, "shapes")
    events = deal(make_rng(NAME, split, "events"), tuple(EVENTS), CLIPS[split], 2)
    backgrounds = deal(make_rng(NAME, split, "backgrounds"), tuple(BACKGROUNDS), CLIPS[split], 1)
    for names, (behind,) in zip(events, backgrounds, strict=True):
        with_events, with_background = ((True, False), (True, True), (False, True))[int(shape.integers(3))]
        most = 4 - len(names)
        sounds = tuple(SceneSound(name, bool(shape.random() < 0.4), int(shape.integers(1, most + 1))) for name in names)
        yield Scene(
            sounds if with_events else (),
            SceneSound(behind, bool(shape.random() < 0.4)) if with_background else None,
            ("room", "hall", "open")[int(shape.integers(3))],
            bool(shape.random() < 0.5),
        )


def synthesise_source(sound: SceneSound, source: str, take: int, seconds: float) -> Array:
    """Synthesise at most ``seconds`` of a source at unit level, or lower and duller where it is far away."""
    rendered = max(SHORTEST, seconds)  # shorter, some sources would still be silent
    dry = trim_silence(record_sound(SOUNDS[sound.sound], NAME, source, take, rendered, rendered))[
        : count_samples(seconds)
    ]
    dry[-FADE:] *= np.linspace(1.0, 0.0, len(dry[-FADE:]))
    distance = make_rng(NAME, source, "distance")
    return (
        10 ** (-distance.uniform(6.0, 10.0) / 20) * filter_band(dry, 0.0, distance.uniform(*FAR_IN_HZ))
        if sound.far
        else dry
    )


def synthesise_scene(scene: Scene, name: str, clip: Generator) -> Array:
    """Synthesise a scene [n] without the room that it sounds in: every event in its part of the clip, in order.

    What sounds more than once is one source: the same dog barks twice.
    """
    turns = [(event, time) for event in scene.events for time in range(event.times)]
    seconds = max(clip.uniform(*SECONDS), PART * len(turns)) * (LONGER if clip.random() < 0.1 else 1.0)
    dry, part = np.zeros(count_samples(seconds)), seconds / max(1, len(turns))
    for turn, (event, time) in enumerate(turns):
        length = clip.uniform(0.5, 0.8) * part
        mix_into(
            dry,
            turn * part + clip.uniform(0.0, part - length),
            synthesise_source(event, f"{name}-{event.sound}", time, length),
        )
    if scene.background is not None:
        behind = synthesise_source(scene.background, f"{name}-{scene.background.sound}", 0, seconds)
        dry[: len(behind)] += behind * (10 ** (-clip.uniform(3.0, 9.0) / 20) if turns else 1.0)
    return dry


def make_clips(split: str) -> Iterator[Sample]:
    """Make the clips of one split."""
    for index, scene in enumerate(draw_scenes(split)):
        name = f"{split}{index:04d}"
        wet = place_in_scene(
            synthesise_scene(scene, name, make_rng(NAME, name)),
            make_rng(NAME, name, "place"),
            RATE,
            rt60_range=REVERBERATION[scene.place],
            snr_range_in_db=(15.0, 35.0),
            level_range_in_dbfs=LEVELS_IN_DBFS[scene.loud],
            lead_range_in_s=(0.0, 0.0),
            tail_range_in_s=(0.0, 0.2),
            microphone_range_in_db=4.0,
        )
        texts = write_captions(make_rng(NAME, name, "captions"), scene, CAPTIONS)
        sidecar = {f"caption_{k}": caption for k, caption in enumerate(texts, 1)}
        yield Sample(name, to_pcm16(wet), RATE, sidecar)


def make_clotho(folder: Path) -> None:
    """Write ``clotho_development_0000000.tar``, ``clotho_evaluation_..`` and ``clotho_validation_..``."""
    for split in CLIPS:
        write_shards(folder, f"clotho_{split}", make_clips(split))
