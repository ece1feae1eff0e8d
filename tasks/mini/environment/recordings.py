"""The small ESC-50 and UrbanSound8K: synthetic sound sources put into random scenes, in the official shard layout.

A *source* is one object (this dog, that door): its parameters are drawn once and it sounds in one fold only. Clips of
a source differ in timing, room, microphone, level, background and length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from numpy.random import Generator

from tasks.labels import read_labels
from tasks.mini.environment import creatures, impacts, machines, textures
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import RATE, Array, count_samples, draw_log_uniform, filter_band, scale_to_unit
from tasks.mini.write import Sample, write_shards

Sound = Callable[[Generator, Generator, int], Array]
"""(source, clip, n) -> [n] float64 of any level."""

LICENCE = "CC0-1.0 (synthetic)"

ESC50_SOUNDS: Mapping[str, Sound] = {
    "dog": creatures.synthesise_dog,
    "cow": creatures.synthesise_cow,
    "frog": creatures.synthesise_frog,
    "cat": creatures.synthesise_cat,
    "insects": creatures.synthesise_insects,
    "crow": creatures.synthesise_crow,
    "rain": textures.synthesise_rain,
    "sea_waves": textures.synthesise_sea_waves,
    "crackling_fire": textures.synthesise_crackling_fire,
    "crickets": creatures.synthesise_crickets,
    "chirping_birds": creatures.synthesise_chirping_birds,
    "water_drops": textures.synthesise_water_drops,
    "wind": textures.synthesise_wind,
    "pouring_water": textures.synthesise_pouring_water,
    "clapping": impacts.synthesise_clapping,
    "breathing": textures.synthesise_breathing,
    "footsteps": impacts.synthesise_footsteps,
    "snoring": textures.synthesise_snoring,
    "door_wood_knock": impacts.synthesise_door_knock,
    "keyboard_typing": impacts.synthesise_keyboard_typing,
    "clock_tick": impacts.synthesise_clock_tick,
    "helicopter": machines.synthesise_helicopter,
    "chainsaw": machines.synthesise_chainsaw,
    "siren": machines.synthesise_siren,
    "church_bells": impacts.synthesise_church_bells,
    "thunderstorm": textures.synthesise_thunderstorm,
    "crying_baby": creatures.synthesise_crying_baby,
    "laughing": creatures.synthesise_laughing,
    "brushing_teeth": textures.synthesise_toothbrush,
    "mouse_click": impacts.synthesise_mouse_click,
    "door_wood_creaks": textures.synthesise_door_creak,
    "washing_machine": machines.synthesise_washing_machine,
    "vacuum_cleaner": machines.synthesise_vacuum_cleaner,
    "clock_alarm": machines.synthesise_clock_alarm,
    "glass_breaking": impacts.synthesise_glass_breaking,
    "car_horn": machines.synthesise_car_horn,
    "engine": machines.synthesise_engine,
    "train": machines.synthesise_train,
    "airplane": machines.synthesise_airplane,
    "fireworks": impacts.synthesise_fireworks,
    "hand_saw": textures.synthesise_hand_saw,
}
ESC50_FOLDS = ("1", "2", "3", "4", "5")
ESC50_TAKES = (0, 0, 1)  # per class and fold: which of its two sources each clip is of

URBAN_SOUNDS: Mapping[str, Sound] = {
    "air_conditioner": machines.synthesise_air_conditioner,
    "car_horn": machines.synthesise_car_horn,
    "children_playing": creatures.synthesise_children_playing,
    "dog_bark": creatures.synthesise_dog,
    "drilling": machines.synthesise_drilling,
    "engine_idling": machines.synthesise_engine_idling,
    "gun_shot": impacts.synthesise_gun_shots,
    "jackhammer": impacts.synthesise_jackhammer,
    "siren": machines.synthesise_siren,
    "street_music": machines.synthesise_street_music,
}
URBAN_FOLDS = tuple(str(fold) for fold in range(1, 11))
URBAN_TAKES = (0, 0, 1, 1)


def record_sound(sound: Sound, name: str, source: str, take: int, low: float, high: float) -> Array:
    """Record the dry sound of one take, ``low`` to ``high`` seconds long, through the recorder of its source.

    Recorders differ in tilt and bandwidth as those behind a collection of found sounds do.
    """
    clip = make_rng(name, source, "take", take)
    n = count_samples(float(clip.uniform(low, high)))
    dry = scale_to_unit(sound(make_rng(name, source), clip, n))
    recorder = make_rng(name, source, "recorder")
    return filter_band(dry, draw_log_uniform(recorder, 20, 250), draw_log_uniform(recorder, 2200, 9000), 1)


def make_esc50_clips(fold: str) -> Iterator[Sample]:
    """Make the clips of one fold, 3 of each class."""
    names = read_labels("esc50")
    for category, sound in ESC50_SOUNDS.items():
        label = names.index(category)
        for take, which in enumerate(ESC50_TAKES):
            source = f"{fold}{label:02d}{which}"
            dry = record_sound(sound, "esc50", source, take, 1.8, 4.4)
            wet = place_in_scene(
                dry,
                make_rng("esc50", source, "place", take),
                RATE,
                rt60_range=(0.05, 0.8),
                snr_range_in_db=(0.0, 25.0),
                level_range_in_dbfs=(-38.0, -14.0),
                microphone_range_in_db=8.0,
            )
            sidecar = {"label": label, "category": category, "fold": int(fold), "source": source}
            yield Sample(f"{fold}-{source}-{chr(65 + take)}-{label}", to_pcm16(wet), RATE, sidecar)


def make_esc50(folder: Path) -> None:
    """Write ``wds-audio-fold-<k>-000000.tar`` for the five folds into ``folder``."""
    for fold in ESC50_FOLDS:
        write_shards(folder, f"wds-audio-fold-{fold}", make_esc50_clips(fold), name="{stem}-{index:06d}.tar")


def make_urban_clips(fold: str) -> Iterator[Sample]:
    """Make the clips of one fold, 4 of each class, each over the murmur of a street."""
    for class_id, (event, sound) in enumerate(URBAN_SOUNDS.items()):
        for take, which in enumerate(URBAN_TAKES):
            source = f"{fold}-{class_id}-{which}"
            dry = record_sound(sound, "urbansound8k", source, take, 1.5, 3.6)
            street = make_rng("urbansound8k", source, "street", take)
            murmur = scale_to_unit(textures.synthesise_street_murmur(street, street, len(dry)))
            mixed = scale_to_unit(dry) + murmur * 10 ** (-street.uniform(-6.0, 14.0) / 20)
            wet = place_in_scene(
                mixed,
                make_rng("urbansound8k", source, "place", take),
                RATE,
                rt60_range=(0.1, 1.0),
                snr_range_in_db=(5.0, 25.0),
                level_range_in_dbfs=(-36.0, -14.0),
                microphone_range_in_db=6.0,
            )
            sidecar = {"soundevent": event, "classID": class_id, "fold": int(fold), "source": source}
            yield Sample(f"{fold}{class_id}{which}-{class_id}-0-{take}", to_pcm16(wet), RATE, sidecar)


def make_urbansound8k(folder: Path) -> None:
    """Write ``urbansound_fold<k>_0000000.tar`` for the ten folds into ``folder``."""
    for fold in URBAN_FOLDS:
        write_shards(folder, f"urbansound_fold{fold}", make_urban_clips(fold))


def list_esc50_classes() -> tuple[int, ...]:
    """List the official class numbers that the small version has, ascending."""
    names = read_labels("esc50")
    return tuple(sorted(names.index(name) for name in ESC50_SOUNDS))
