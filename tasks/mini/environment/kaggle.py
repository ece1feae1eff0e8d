"""The small FSDKaggle2018: everyday sounds from physical models and notes of sampled instruments, one class a clip.

A *source* is one object, or for sampled instruments one recording of the bank. Every clip of a modelled sound has a
source of its own; no recording is heard in both training and test (see ``tasks.mini.music.instruments``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tasks.labels import read_labels
from tasks.mini.environment import creatures, found, impacts, textures
from tasks.mini.environment.recordings import Sound, record_sound
from tasks.mini.music import percussion
from tasks.mini.music.instruments import Sides, group_recordings, list_playing, share_out
from tasks.mini.music.soundfont import Event, make_note, render
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import RATE, Array, draw_log_uniform, filter_band
from tasks.mini.write import Sample, write_shards

NAME = "fsdkaggle2018"
LICENCE = "CC0-1.0 (synthetic), instruments played from the TimGM6mb bank (GPL-2.0, not distributed)"

SOUNDS: Mapping[str, Sound] = {
    "Applause": impacts.synthesise_clapping,
    "Bark": creatures.synthesise_dog,
    "Bass_drum": percussion.synthesise_bass_drum,
    "Chime": percussion.synthesise_chime,
    "Computer_keyboard": impacts.synthesise_keyboard_typing,
    "Cough": found.synthesise_cough,
    "Cowbell": percussion.synthesise_cowbell,
    "Finger_snapping": percussion.synthesise_finger_snapping,
    "Fireworks": impacts.synthesise_fireworks,
    "Gong": percussion.synthesise_gong,
    "Gunshot_or_gunfire": impacts.synthesise_gun_shots,
    "Hi-hat": percussion.synthesise_hi_hat,
    "Keys_jangling": found.synthesise_keys_jangling,
    "Knock": impacts.synthesise_door_knock,
    "Laughter": creatures.synthesise_laughing,
    "Meow": creatures.synthesise_cat,
    "Shatter": impacts.synthesise_glass_breaking,
    "Snare_drum": percussion.synthesise_snare_drum,
    "Squeak": textures.synthesise_door_creak,
    "Tambourine": percussion.synthesise_tambourine,
    "Tearing": found.synthesise_tearing,
    "Telephone": found.synthesise_telephone,
}
INSTRUMENTS: Mapping[str, tuple[int, ...]] = {  # General MIDI programs, from 0
    "Acoustic_guitar": (24, 25),
    "Cello": (42,),
    "Clarinet": (71,),
    "Electric_piano": (4, 5),
    "Flute": (72, 73),
    "Harmonica": (22,),
    "Oboe": (68, 69),
    "Saxophone": (64, 65, 66, 67),
    "Trumpet": (56, 59),
    "Violin_or_fiddle": (40,),
}
RANGES: Mapping[str, tuple[int, int]] = {"Cello": (36, 78), "Acoustic_guitar": (40, 76), "Saxophone": (44, 80)}
RANGE = (55, 86)  # MIDI pitches of the others
CLIPS = {"train": (0, 11), "test": (1, 5)}  # split: which side of the recordings, and clips of each class
SECONDS = (0.9, 2.6)


def list_keys(instrument: str) -> range:
    """List the pitches at which an instrument is heard."""
    low, high = RANGES.get(instrument, RANGE)
    return range(low, high + 1)


def play_phrase(program: int, pitches: list[int], clip: Generator) -> tuple[list[int], Array]:
    """Play one to three notes of a program and how they sound, with a recorder of their own."""
    count, held = int(clip.integers(1, 4)), clip.uniform(0.25, 0.9)
    first = int(clip.integers(len(pitches)))
    near = pitches[max(0, first - 7) : first + 8]  # a phrase stays within a few keys
    chosen = [near[int(clip.integers(len(near)))] for _ in range(count)]
    events, now = [Event(0.0, 0, "program_change", (program,))], 0.02
    for pitch in chosen:
        events += make_note(0, now, held, pitch, int(clip.integers(60, 121)))
        now += held * clip.uniform(0.95, 1.1)
    audio = render(events, now + clip.uniform(0.1, 0.5))
    fade = np.minimum(1.0, np.arange(len(audio), 0, -1) / (0.05 * RATE))
    return chosen, filter_band(audio * fade, draw_log_uniform(clip, 20, 250), draw_log_uniform(clip, 2200, 9000), 1)


def synthesise_dry_sounds(split: str) -> Iterator[tuple[str, str, int, Array]]:
    """Synthesise (class, source, number, dry sound) of every clip of a split."""
    side, count = CLIPS[split]
    for label, sound in SOUNDS.items():
        for take in range(count):
            source = f"{split}-{label}-{take}"
            yield label, source, take, record_sound(sound, NAME, source, 0, *SECONDS)
    sides: Mapping[str, Sides] = share_out(INSTRUMENTS, list_keys)
    playing = list_playing(INSTRUMENTS, list_keys)
    group = group_recordings(playing)
    for label in INSTRUMENTS:
        programs = sorted(sides[label][side])
        for take in range(count):
            program, clip = programs[take % len(programs)], make_rng(NAME, split, label, take)
            pitches, dry = play_phrase(program, sides[label][side][program], clip)
            yield label, f"recording-{group[min(playing[program, pitches[0]])]}", take, dry


def make_clips(split: str) -> Iterator[Sample]:
    """Make the clips of one split, equally many of each class."""
    for label, source, take, dry in synthesise_dry_sounds(split):
        wet = place_in_scene(
            dry,
            make_rng(NAME, split, label, "place", take),
            RATE,
            rt60_range=(0.05, 0.6),
            snr_range_in_db=(3.0, 28.0),
            level_range_in_dbfs=(-36.0, -14.0),
            microphone_range_in_db=6.0,
        )
        yield Sample(f"{split}-{label}-{take:03d}", to_pcm16(wet), RATE, {"sound": label, "source": source})


def make_fsdkaggle2018(folder: Path) -> None:
    """Write ``fsd18_train_0000000.tar`` and ``fsd18_test_0000000.tar`` into ``folder``.

    Raises DataError when the packages that play the instruments are missing.
    """
    for split in CLIPS:
        write_shards(folder, f"fsd18_{split}", make_clips(split))


def list_fsdkaggle2018_classes() -> tuple[str, ...]:
    """List the official classes that the small version has, in the official order."""
    return tuple(name for name in read_labels(NAME) if name in SOUNDS or name in INSTRUMENTS)
