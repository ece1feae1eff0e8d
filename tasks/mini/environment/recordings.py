"""The small ESC-50 and UrbanSound8K: synthetic sound sources put into random scenes, in the official shard layout.

A *source* is one object (this dog, that door): its parameters are drawn once and it sounds in one fold only. Clips of
a source differ in timing, room, microphone, level, background and length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from numpy.random import Generator

from tasks.labels import labels
from tasks.mini.environment import creatures, impacts, machines, textures
from tasks.mini.scene import place, rng, to_pcm16
from tasks.mini.signals import RATE, Array, band, log_uniform, samples, unit
from tasks.mini.write import Sample, write_shards

Sound = Callable[[Generator, Generator, int], Array]
"""(source, clip, n) -> [n] float64 of any level."""

LICENCE = "CC0-1.0 (synthetic)"

ESC50_SOUNDS: Mapping[str, Sound] = {
    "dog": creatures.dog,
    "cow": creatures.cow,
    "frog": creatures.frog,
    "cat": creatures.cat,
    "insects": creatures.insects,
    "crow": creatures.crow,
    "rain": textures.rain,
    "sea_waves": textures.sea_waves,
    "crackling_fire": textures.crackling_fire,
    "crickets": creatures.crickets,
    "chirping_birds": creatures.chirping_birds,
    "water_drops": textures.water_drops,
    "wind": textures.wind,
    "pouring_water": textures.pouring_water,
    "clapping": impacts.clapping,
    "breathing": textures.breathing,
    "footsteps": impacts.footsteps,
    "snoring": textures.snoring,
    "door_wood_knock": impacts.door_knock,
    "keyboard_typing": impacts.keyboard_typing,
    "clock_tick": impacts.clock_tick,
    "helicopter": machines.helicopter,
    "chainsaw": machines.chainsaw,
    "siren": machines.siren,
    "church_bells": impacts.church_bells,
    "thunderstorm": textures.thunderstorm,
    "crying_baby": creatures.crying_baby,
    "laughing": creatures.laughing,
    "brushing_teeth": textures.toothbrush,
    "mouse_click": impacts.mouse_click,
    "door_wood_creaks": textures.door_creak,
    "washing_machine": machines.washing_machine,
    "vacuum_cleaner": machines.vacuum_cleaner,
    "clock_alarm": machines.clock_alarm,
    "glass_breaking": impacts.glass_breaking,
    "car_horn": machines.car_horn,
    "engine": machines.engine,
    "train": machines.train,
    "airplane": machines.airplane,
    "fireworks": impacts.fireworks,
    "hand_saw": textures.hand_saw,
}
ESC50_FOLDS = ("1", "2", "3", "4", "5")
ESC50_TAKES = (0, 0, 1)  # per class and fold: which of its two sources each clip is of

URBAN_SOUNDS: Mapping[str, Sound] = {
    "air_conditioner": machines.air_conditioner,
    "car_horn": machines.car_horn,
    "children_playing": creatures.children_playing,
    "dog_bark": creatures.dog,
    "drilling": machines.drilling,
    "engine_idling": machines.engine_idling,
    "gun_shot": impacts.gun_shots,
    "jackhammer": impacts.jackhammer,
    "siren": machines.siren,
    "street_music": machines.street_music,
}
URBAN_FOLDS = tuple(str(fold) for fold in range(1, 11))
URBAN_TAKES = (0, 0, 1, 1)


def recorded(sound: Sound, name: str, source: str, take: int, low: float, high: float) -> Array:
    """The dry sound of one take, ``low`` to ``high`` seconds long, through the recorder of its source.

    Recorders differ in tilt and bandwidth as those behind a collection of found sounds do.
    """
    clip = rng(name, source, "take", take)
    n = samples(float(clip.uniform(low, high)))
    dry = unit(sound(rng(name, source), clip, n))
    recorder = rng(name, source, "recorder")
    return band(dry, log_uniform(recorder, 20, 250), log_uniform(recorder, 2200, 9000), 1)


def esc50_clips(fold: str) -> Iterator[Sample]:
    """The clips of one fold, 3 of each class."""
    names = labels("esc50")
    for category, sound in ESC50_SOUNDS.items():
        label = names.index(category)
        for take, which in enumerate(ESC50_TAKES):
            source = f"{fold}{label:02d}{which}"
            dry = recorded(sound, "esc50", source, take, 1.8, 4.4)
            wet = place(
                dry,
                rng("esc50", source, "place", take),
                RATE,
                rt60_range=(0.05, 0.8),
                snr_range_in_db=(0.0, 25.0),
                level_range_in_dbfs=(-38.0, -14.0),
                microphone_range_in_db=8.0,
            )
            sidecar = {"label": label, "category": category, "fold": int(fold), "source": source}
            yield Sample(f"{fold}-{source}-{chr(65 + take)}-{label}", to_pcm16(wet), RATE, sidecar)


def make_esc50(folder: Path) -> None:
    """Writes ``wds-audio-fold-<k>-000000.tar`` for the five folds into ``folder``."""
    for fold in ESC50_FOLDS:
        write_shards(folder, f"wds-audio-fold-{fold}", esc50_clips(fold), name="{stem}-{index:06d}.tar")


def urban_clips(fold: str) -> Iterator[Sample]:
    """The clips of one fold, 4 of each class, each over the murmur of a street."""
    for class_id, (event, sound) in enumerate(URBAN_SOUNDS.items()):
        for take, which in enumerate(URBAN_TAKES):
            source = f"{fold}-{class_id}-{which}"
            dry = recorded(sound, "urbansound8k", source, take, 1.5, 3.6)
            street = rng("urbansound8k", source, "street", take)
            murmur = unit(textures.street_murmur(street, street, len(dry)))
            mixed = unit(dry) + murmur * 10 ** (-street.uniform(-6.0, 14.0) / 20)
            wet = place(
                mixed,
                rng("urbansound8k", source, "place", take),
                RATE,
                rt60_range=(0.1, 1.0),
                snr_range_in_db=(5.0, 25.0),
                level_range_in_dbfs=(-36.0, -14.0),
                microphone_range_in_db=6.0,
            )
            sidecar = {"soundevent": event, "classID": class_id, "fold": int(fold), "source": source}
            yield Sample(f"{fold}{class_id}{which}-{class_id}-0-{take}", to_pcm16(wet), RATE, sidecar)


def make_urbansound8k(folder: Path) -> None:
    """Writes ``urbansound_fold<k>_0000000.tar`` for the ten folds into ``folder``."""
    for fold in URBAN_FOLDS:
        write_shards(folder, f"urbansound_fold{fold}", urban_clips(fold))


def esc50_classes() -> tuple[int, ...]:
    """The official class numbers that the small version has, ascending."""
    names = labels("esc50")
    return tuple(sorted(names.index(name) for name in ESC50_SOUNDS))
