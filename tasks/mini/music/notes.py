"""The small NSynth (instrument family, pitch): single notes of sampled instruments in random rooms.

No recording of the sound bank is heard in both training and test (see ``tasks.mini.music.instruments``); for pitch, no
instrument either. Validation uses the training recordings in notes, rooms and noise of its own; it chooses an epoch,
nothing is reported on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tasks.mini.music.instruments import share_out_notes
from tasks.mini.music.soundfont import RATE, Array, Event, make_note, render
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.write import Sample, write_shards

SPLITS: Mapping[str, tuple[int, int]] = {"nsynth_train": (0, 84), "nsynth_valid": (0, 10), "nsynth_test": (1, 36)}
"""Split: which side of ``instruments.notes()``, and notes per family."""

PITCH_PROGRAMS = (
    (0, 5, 11, 24, 27, 40, 48, 53, 57, 60, 64, 66, 68, 70, 73, 81),
    (4, 26, 42, 52, 56, 65, 71, 72, 74, 80),
)
PITCHES = tuple(range(48, 72))  # C3 to B4
PITCH_SPLITS: Mapping[str, tuple[int, int]] = {"nsynth_train": (0, 30), "nsynth_valid": (0, 5), "nsynth_test": (1, 12)}
"""Split: which programs of ``PITCH_PROGRAMS``, and notes per pitch."""

CHANNELS = range(8)  # used in turn: a tone that still rings is on a muted channel when the next one begins
EXPRESSION = 11  # MIDI controller
BEND = 8192 / 2.0  # pitch wheel units per semitone at the default range of two


@dataclass(frozen=True, slots=True)
class Tone:
    """A note to be played: what, how long it is held and how long it is heard (s), detune (semitones), vibrato."""

    key: str
    program: int
    pitch: int
    velocity: int
    held: float
    heard: float
    detune: float
    vibrato: float = 0.0  # depth in semitones
    rate: float = 5.5  # of the vibrato, Hz


def _iterate_events(tone: Tone, start: float, channel: int) -> Iterator[Event]:
    """Yield the tone at ``start`` seconds: pitch wheel (steps of 20 ms where there is vibrato), note, silence."""
    yield Event(start, channel, "control_change", (EXPRESSION, 127))
    steps = int(tone.held / 0.02) if tone.vibrato else 1
    for step in range(steps):
        grown = min(1.0, step * 0.02 / 0.3)
        bend = tone.detune + tone.vibrato * grown * float(np.sin(2 * np.pi * tone.rate * step * 0.02))
        yield Event(start + 0.02 * step, channel, "pitchwheel", (int(np.clip(round(bend * BEND), -8192, 8191)),))
    yield from make_note(channel, start + 0.005, tone.held, tone.pitch, tone.velocity)
    yield Event(start + tone.heard, channel, "control_change", (EXPRESSION, 0))


def play(tones: Sequence[Tone]) -> Iterator[tuple[Tone, Array]]:
    """Play each tone with its dry audio, faded at the end; one rendering per program."""
    for program in sorted({tone.program for tone in tones}):
        mine = [tone for tone in tones if tone.program == program]
        starts = np.cumsum([0.1, *(tone.heard + 0.05 for tone in mine)])
        events = [Event(0.0, channel, "program_change", (program,)) for channel in CHANNELS]
        for index, (tone, start) in enumerate(zip(mine, starts, strict=False)):
            events += _iterate_events(tone, float(start), CHANNELS[index % len(CHANNELS)])
        audio = render(events, float(starts[-1]))
        for tone, start in zip(mine, starts, strict=False):
            n, at = round(tone.heard * RATE), round(float(start) * RATE)
            fade = np.minimum(1.0, np.arange(n, 0, -1) / (0.05 * RATE))
            yield tone, audio[at : at + n] * fade


def _draw_tone(
    key: str, draw: Generator, program: int, pitch: int, *, held: tuple[float, float], vibrato: float
) -> Tone:
    seconds = float(draw.uniform(*held))
    return Tone(
        key=key,
        program=program,
        pitch=pitch,
        velocity=int(draw.integers(45, 121)),
        held=seconds,
        heard=seconds + float(draw.uniform(0.1, 0.4)),
        detune=float(draw.uniform(-0.29, 0.29)),
        vibrato=float(draw.uniform(0.0, vibrato)) if draw.random() < 0.5 else 0.0,
        rate=float(draw.uniform(4.0, 7.0)),
    )


def _add_room(dry: Array, draw: Generator, *, rt60: float, snr: tuple[float, float], microphone: float) -> Array:
    return place_in_scene(
        dry,
        draw,
        RATE,
        rt60_range=(0.1, rt60),
        snr_range_in_db=snr,
        level_range_in_dbfs=(-36.0, -14.0),
        lead_range_in_s=(0.05, 0.6),
        tail_range_in_s=(0.05, 0.5),
        microphone_range_in_db=microphone,
    )


def draw_instrument_tones(split: str) -> Iterator[tuple[str, Tone]]:
    """Draw (family, tone) of every clip of a split; the programs of a family take turns."""
    side, count = SPLITS[split]
    for family, sides in share_out_notes().items():
        programs = sorted(sides[side])
        for take in range(count):
            draw = make_rng("nsynth", split, family, take)
            program = programs[take % len(programs)]
            pitches = sides[side][program]
            pitch = pitches[int(draw.integers(0, len(pitches)))]
            yield (
                family,
                _draw_tone(
                    f"{family}_{program:03d}-{pitch:03d}-{take:03d}", draw, program, pitch, held=(0.4, 1.1), vibrato=0.0
                ),
            )


def make_nsynthinstument(folder: Path) -> None:
    """Write ``nsynth_{train,valid,test}_0000000.tar`` into ``folder``.

    Raises:
        DataError: Packages are missing.
    """
    for split in SPLITS:
        chosen = list(draw_instrument_tones(split))
        families = {tone.key: family for family, tone in chosen}
        samples = []
        for tone, dry in play([tone for _, tone in chosen]):
            wet = _add_room(dry, make_rng("nsynth", split, tone.key), rt60=0.4, snr=(15.0, 40.0), microphone=2.0)
            sidecar = {
                "instrument_family_str": families[tone.key],
                "instrument_str": f"{families[tone.key]}_{tone.program:03d}",
                "program": tone.program,
                "pitch": tone.pitch,
                "velocity": tone.velocity,
            }
            samples.append(Sample(tone.key, to_pcm16(wet), RATE, sidecar))
        write_shards(folder, split, samples)


def draw_pitch_tones(split: str) -> Iterator[Tone]:
    """Draw the tone of every clip of a split; instruments take turns over the pitches."""
    side, count = PITCH_SPLITS[split]
    programs = PITCH_PROGRAMS[side]
    for pitch in PITCHES:
        for take in range(count):
            draw = make_rng("nsynthpitch", split, pitch, take)
            program = programs[(take + 5 * pitch) % len(programs)]
            yield _draw_tone(
                f"note_{program:03d}-{pitch:03d}-{take:03d}", draw, program, pitch, held=(0.25, 0.9), vibrato=0.35
            )


def make_nsynthpitch(folder: Path) -> None:
    """Write ``nsynth_{train,valid,test}_0000000.tar`` into ``folder``.

    Raises:
        DataError: Packages are missing.
    """
    for split in PITCH_SPLITS:
        samples = []
        for tone, dry in play(list(draw_pitch_tones(split))):
            wet = _add_room(dry, make_rng("nsynthpitch", split, tone.key), rt60=1.0, snr=(-8.0, 12.0), microphone=10.0)
            sidecar = {
                "pitch": tone.pitch,
                "instrument_str": f"gm_{tone.program:03d}",
                "program": tone.program,
                "velocity": tone.velocity,
            }
            samples.append(Sample(tone.key, to_pcm16(wet), RATE, sidecar))
        write_shards(folder, split, samples)
