"""The small FSD50K and DESED: several synthetic sounds at different times and levels in one room.

Every sounding of a class is a *source* of its own (another dog, another blender), named by the clip that it sounds in:
no two clips share one, and clips are independent of each other. The labels of the clips are balanced by dealing the
classes like cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tasks.labels import read_labels
from tasks.mini.environment import creatures, household, impacts, machines, textures
from tasks.mini.environment.recordings import Sound, record_sound
from tasks.mini.scene import Range, make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import RATE, Array, count_samples, mix_into
from tasks.mini.write import Sample, write_shards

FSD50K_SOUNDS: Mapping[str, Sound] = {  # leaves of the ontology only: no class here is a kind of another one
    "Bark": creatures.synthesise_dog,
    "Breathing": textures.synthesise_breathing,
    "Chirp_and_tweet": creatures.synthesise_chirping_birds,
    "Church_bell": impacts.synthesise_church_bells,
    "Clapping": impacts.synthesise_clapping,
    "Computer_keyboard": impacts.synthesise_keyboard_typing,
    "Crackle": textures.synthesise_crackling_fire,
    "Cricket": creatures.synthesise_crickets,
    "Crow": creatures.synthesise_crow,
    "Crying_and_sobbing": creatures.synthesise_crying_baby,
    "Drip": textures.synthesise_water_drops,
    "Frog": creatures.synthesise_frog,
    "Gunshot_and_gunfire": impacts.synthesise_gun_shots,
    "Idling": machines.synthesise_engine_idling,
    "Knock": impacts.synthesise_door_knock,
    "Laughter": creatures.synthesise_laughing,
    "Meow": creatures.synthesise_cat,
    "Rain": textures.synthesise_rain,
    "Sawing": textures.synthesise_hand_saw,
    "Shatter": impacts.synthesise_glass_breaking,
    "Siren": machines.synthesise_siren,
    "Tick-tock": impacts.synthesise_clock_tick,
    "Vehicle_horn_and_car_horn_and_honking": machines.synthesise_car_horn,
    "Walk_and_footsteps": impacts.synthesise_footsteps,
}
FSD50K_CLIPS = {"train": 400, "validation": 80, "eval": 200}
FSD50K_SECONDS = (2.0, 5.0)


@dataclass(frozen=True, slots=True)
class DomesticSound:
    """A sound of a home, how long it lasts and how often it may happen in a clip."""

    sound: Sound
    seconds: Range
    times: int = 1


DESED_SOUNDS: Mapping[str, DomesticSound] = {
    "Alarm_bell_ringing": DomesticSound(machines.synthesise_clock_alarm, (1.0, 4.0)),
    "Blender": DomesticSound(household.synthesise_blender, (2.0, 6.0)),
    "Cat": DomesticSound(creatures.synthesise_cat, (0.7, 2.0), times=2),
    "Dishes": DomesticSound(household.synthesise_dishes, (0.6, 2.0), times=2),
    "Dog": DomesticSound(creatures.synthesise_dog, (0.6, 2.0), times=2),
    "Electric_shaver_toothbrush": DomesticSound(household.synthesise_shaver, (3.0, 7.0)),
    "Frying": DomesticSound(household.synthesise_frying, (3.0, 8.0)),
    "Running_water": DomesticSound(household.synthesise_running_water, (2.0, 7.0)),
    "Speech": DomesticSound(household.synthesise_speech, (1.0, 3.5), times=2),
    "Vacuum_cleaner": DomesticSound(machines.synthesise_vacuum_cleaner, (3.0, 8.0)),
}
DESED_CLIPS = {"train": 120, "eval": 60}
DESED_SECONDS = 10.0


def deal(generator: Generator, classes: tuple[str, ...], clips: int, most: int) -> Iterator[tuple[str, ...]]:
    """Deal each clip 1 to ``most`` different classes from a shuffled pack, so that all come equally often."""
    pack: list[str] = []
    for _ in range(clips):
        count = int(generator.integers(1, most + 1))
        if len(pack) < count:
            pack = [classes[place] for place in generator.permutation(len(classes))]
        yield tuple(pack.pop() for _ in range(count))


def trim_silence(dry: Array) -> Array:
    """Trim the silence around ``dry`` [N]; scale it to unit level while it sounds, fade its ends within 10 ms.

    Silent is what lies 30 dB or more below the loudest 20 ms. Whole frames are cut: the result may end up to one
    frame after the sound.
    """
    size = count_samples(0.02)
    padded = np.pad(dry, (0, -len(dry) % size)).reshape(-1, size)
    power = np.mean(padded * padded, axis=1)
    loud = np.flatnonzero(power >= 1e-3 * power.max())
    trimmed = dry[loud[0] * size : (loud[-1] + 1) * size] / np.sqrt(np.mean(power[loud]))
    edge = np.arange(len(trimmed)) / count_samples(0.01)
    faded: Array = trimmed * np.minimum(1.0, np.minimum(edge, edge[::-1]))
    return faded


def mix_events(events: list[tuple[float, Array]], n: int, where: Generator) -> Array:
    """Mix events (onset in seconds, sound) in one room with one microphone and background noise, [n]."""
    dry = np.zeros(n)
    for onset, sound in events:
        mix_into(dry, onset, sound)
    return place_in_scene(
        dry,
        where,
        RATE,
        rt60_range=(0.05, 0.6),
        snr_range_in_db=(5.0, 25.0),
        level_range_in_dbfs=(-36.0, -16.0),
        lead_range_in_s=(0.0, 0.0),
        tail_range_in_s=(0.0, 0.0),
        microphone_range_in_db=6.0,
    )


def make_fsd50k_clips(split: str) -> Iterator[Sample]:
    """Make the clips of one split: one to three classes each, in any order and overlap."""
    hands = deal(make_rng("fsd50k", split), tuple(FSD50K_SOUNDS), FSD50K_CLIPS[split], 3)
    for index, hand in enumerate(hands):
        clip = make_rng("fsd50k", split, index)
        seconds = float(clip.uniform(*FSD50K_SECONDS))
        events, sources = [], []
        for turn, name in enumerate(hand):
            source = f"{split}-{index}-{turn}"
            dry = record_sound(FSD50K_SOUNDS[name], "fsd50k", source, 0, 1.2, min(3.0, seconds))
            trimmed = trim_silence(dry) * 10 ** (clip.uniform(-12.0, 0.0) / 20)
            events.append((clip.uniform(0.0, seconds - len(trimmed) / RATE), trimmed))
            sources.append(source)
        wet = mix_events(events, count_samples(seconds), make_rng("fsd50k", split, index, "place"))
        sidecar = {"soundevent": ";".join(sorted(hand)), "sources": sources}
        yield Sample(f"{split}{index:04d}", to_pcm16(wet), RATE, sidecar)


def make_fsd50k(folder: Path) -> None:
    """Write ``fsd50k_train_0000000.tar``, ``fsd50k_validation_..`` and ``fsd50k_eval_..`` into ``folder``."""
    for split in FSD50K_CLIPS:
        write_shards(folder, f"fsd50k_{split}", make_fsd50k_clips(split))


def make_desed_clips(split: str) -> Iterator[Sample]:
    """Make the ten-second clips of one split: one to three classes, those that are short once or twice.

    Onsets and offsets are whole milliseconds of the dry sound; what the room adds is not counted.
    """
    hands = deal(make_rng("desed", split), tuple(DESED_SOUNDS), DESED_CLIPS[split], 3)
    for index, hand in enumerate(hands):
        clip = make_rng("desed", split, index)
        events, sidecar = [], []
        for turn, name in enumerate(hand):
            kind = DESED_SOUNDS[name]
            times = int(clip.integers(1, kind.times + 1))
            for time in range(times):  # each in its part of the clip: two of a class never overlap
                source = f"{split}-{index}-{turn}-{time}"
                dry = record_sound(kind.sound, "desed", source, 0, *kind.seconds)
                trimmed = trim_silence(dry) * 10 ** (clip.uniform(-10.0, 0.0) / 20)
                part = DESED_SECONDS / times
                onset = round(clip.uniform(time * part, (time + 1) * part - len(trimmed) / RATE - 0.001), 3)
                offset = round(onset + len(trimmed) / RATE, 3)
                events.append((onset, trimmed))
                sidecar.append({"onset": onset, "offset": offset, "label": name, "source": source})
        wet = mix_events(events, count_samples(DESED_SECONDS), make_rng("desed", split, index, "place"))
        sidecar.sort(key=lambda event: (event["onset"], event["label"]))
        yield Sample(f"{split}{index:04d}", to_pcm16(wet), RATE, sidecar)


def make_desed(folder: Path) -> None:
    """Write ``wds-audio-train-000000.tar`` and ``wds-audio-eval-000000.tar`` into ``folder``."""
    for split in DESED_CLIPS:
        write_shards(folder, f"wds-audio-{split}", make_desed_clips(split), name="{stem}-{index:06d}.tar")


def list_fsd50k_classes() -> tuple[str, ...]:
    """List the official classes that the small version has, in the official order."""
    return tuple(name for name in read_labels("fsd50k") if name in FSD50K_SOUNDS)
