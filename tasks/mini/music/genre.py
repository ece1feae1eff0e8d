"""The small GTZAN: a few seconds of generated music of ten genres, several artists each, in the official folds.

An *artist* is one choice of instruments, rhythm, harmony, tempo and key within a genre (``genres.py``) and is
heard in one fold only; its pieces differ in key, melody, fills, place in the song, room and noise. The sampled
instruments themselves are shared: a genre is not a set of recordings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from tasks.mini.music.genres import STYLES, Style
from tasks.mini.music.soundfont import RATE, Array, Event, make_note, render
from tasks.mini.scene import Range, make_rng, place_in_scene, to_pcm16
from tasks.mini.write import Sample, write_shards

T = TypeVar("T")
FOLDS = tuple(str(fold) for fold in range(10))
TAKES = (0, 1, 2)  # per genre and fold: which of its three artists each piece is by
DRUMS = 9  # MIDI channel
BASS = 0
COMP = 1
LEAD = 2
STRENGTH = {"x": 100, "X": 108, "o": 55, "b": 88}
TRIADS = {
    "M": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "d": (0, 3, 7, 10),
    "s": (0, 4, 7, 10, 14),
    "j": (0, 4, 7, 11),
}


@dataclass(frozen=True, slots=True)
class Artist:
    """One choice out of a style."""

    style: Style
    tempo: float
    kick: str
    snare: str
    hat: str
    bass: str
    comp: str
    lead: str
    chords: tuple[str, ...]
    programs: tuple[int, int, int]  # bass, comp, lead
    mix: tuple[float, ...]  # loudness of drums, bass, comp, lead


def find_artist(genre: str, fold: str, which: int) -> Artist:
    """Find the artist of a genre, fold and number: always the same one."""
    return draw_artist(STYLES[genre], make_rng("gtzan", genre, fold, which))


def draw_artist(style: Style, draw: Generator) -> Artist:
    """Draw a random artist of a style: the same for equal generators."""

    def pick(options: tuple[T, ...]) -> T:
        return options[int(draw.integers(0, len(options)))]

    return Artist(
        style=style,
        tempo=float(draw.uniform(*style.tempo)),
        kick=pick(style.kick),
        snare=pick(style.snare),
        hat=pick(style.hat),
        bass=pick(style.bass),
        comp=pick(style.comp),
        lead=pick(style.lead),
        chords=pick(style.chords),
        programs=(pick(style.bass_programs), pick(style.comp_programs), pick(style.lead_programs)),
        mix=tuple(float(draw.uniform(low, 1.0)) for low in (0.65, 0.55, 0.55, 0.55)),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """What the players of one bar share."""

    artist: Artist
    start: float  # s
    step: float  # s per sixteenth
    key: int  # MIDI number of the tonic, 36..47
    chord: str
    draw: Generator

    def at(self, step: int) -> float:
        """Return when a step sounds: swing delays the off-beat eighths, hands are a few milliseconds off."""
        late = self.artist.style.swing if step % 4 == 2 else 0.6 * self.artist.style.swing if step % 4 == 3 else 0.0
        if step % 4 == 3 and self.artist.style.swing > 1:
            late = -0.35  # the triplet written on the last sixteenth
        return max(0.0, self.start + (step + late) * self.step + 0.006 * float(self.draw.standard_normal()))

    def root(self) -> int:
        return self.key + int(self.chord[:-1]) % 12

    def loud(self, mark: str, part: int) -> int:
        gain = self.artist.mix[part] * (self.artist.style.drums if part == 0 else 1.0)
        return int(np.clip(STRENGTH[mark] * gain * self.draw.uniform(0.85, 1.1), 1, 127))


def _play_drums(bar: Bar) -> Iterator[Event]:
    style = bar.artist.style
    if style.drums == 0:
        return
    parts = ((bar.artist.kick, 36), (bar.artist.snare, style.snare_note), (bar.artist.hat, style.hat_note))
    for grid, drum in parts:
        for step, mark in enumerate(grid):
            if mark != "." and bar.draw.random() < 0.97:
                quiet = 0.7 if drum == style.hat_note else 1.0
                yield from make_note(DRUMS, bar.at(step), 0.08, drum, max(1, int(quiet * bar.loud(mark, 0))))


def _play_bass(bar: Bar) -> Iterator[Event]:
    third = TRIADS[bar.chord[-1]][1]
    steps = {"r": 0, "f": 7, "o": 12, "t": third, "a": int(bar.draw.choice(np.array([-1, 1, 5, 10])))}
    for step, mark in enumerate(bar.artist.bass):
        if mark != ".":
            following = next((k for k in range(step + 1, 17) if k == 16 or bar.artist.bass[k] != "."), 16)
            length = min(4, following - step) * bar.step * 0.9
            yield from make_note(BASS, bar.at(step), length, bar.root() - 5 + steps[mark], bar.loud("x", 1))


def _play_comp(bar: Bar) -> Iterator[Event]:
    tones = (
        (0, 7, 12) if bar.artist.style.guitar_power and bar.artist.programs[1] in {29, 30} else TRIADS[bar.chord[-1]]
    )
    low = bar.root() + (12 if len(tones) > 3 or bar.artist.programs[1] not in {29, 30} else 5)
    for step, mark in enumerate(bar.artist.comp):
        if mark == "b":
            tone = tones[step // (2 if ".b" in bar.artist.comp else 1) % len(tones)]
            yield from make_note(COMP, bar.at(step), bar.step * 1.8, low + 12 + tone, bar.loud("b", 2))
        elif mark != ".":
            following = next((k for k in range(step + 1, 17) if k == 16 or bar.artist.comp[k] != "."), 16)
            length = bar.step * ((following - step) * 0.95 if mark == "X" else 0.8)
            for tone in tones:
                yield from make_note(COMP, bar.at(step), length, low + tone, int(0.8 * bar.loud(mark, 2)))


def _play_lead(bar: Bar, degree: int) -> tuple[list[Event], int]:
    """Play the melody of a bar, a walk over the scale from ``degree``; also return where it ended."""
    scale = bar.artist.style.scale
    events: list[Event] = []
    onsets = [k for k, mark in enumerate(bar.artist.lead) if mark != "." and bar.draw.random() < 0.9]
    for step, following in zip(onsets, [*onsets[1:], 16], strict=False):
        degree = int(np.clip(degree + bar.draw.integers(-2, 3), -2, 2 * len(scale)))
        octave, position = divmod(degree, len(scale))
        pitch = bar.key + 24 + 12 * octave + scale[position]
        length = (following - step) * bar.step * 0.92
        events += make_note(LEAD, bar.at(step), length, pitch, bar.loud("x", 3))
    return events, degree


def play_piece(who: Artist, draw: Generator, seconds_range: Range = (2.4, 3.8)) -> Array:
    """Play dry music by an artist from anywhere in a four-bar phrase, its length drawn in seconds: [N] float64."""
    seconds = float(draw.uniform(*seconds_range))
    step = 60.0 / (who.tempo * draw.uniform(0.96, 1.04)) / 4
    key, first = int(draw.integers(36, 48)), int(draw.integers(0, len(who.chords)))
    skipped = float(draw.uniform(0, 8)) * step  # the excerpt begins anywhere in half a bar
    events: list[Event] = [Event(0.0, c, "program_change", (p,)) for c, p in enumerate(who.programs)]
    degree, bars = int(draw.integers(0, 8)), int(np.ceil((seconds + skipped) / (16 * step)))
    for index in range(bars):
        bar = Bar(who, index * 16 * step, step, key, who.chords[(first + index) % len(who.chords)], draw)
        events += [*_play_drums(bar), *_play_bass(bar), *_play_comp(bar)]
        melody, degree = _play_lead(bar, degree)
        events += melody
    audio = render(events, skipped + seconds)[round(skipped * RATE) :]
    edge = np.minimum(1.0, np.minimum(np.arange(len(audio)), np.arange(len(audio))[::-1]) / (0.02 * RATE))
    return audio * edge


def make_clips(fold: str) -> Iterator[Sample]:
    """Make the clips of one fold, 3 of each genre."""
    for genre in STYLES:
        for take, which in enumerate(TAKES):
            who = find_artist(genre, fold, which)
            wet = place_in_scene(
                play_piece(who, make_rng("gtzan", genre, fold, which, "piece", take)),
                make_rng("gtzan", genre, fold, which, "place", take),
                RATE,
                rt60_range=(0.05, 0.6),
                snr_range_in_db=(10.0, 35.0),
                level_range_in_dbfs=(-32.0, -14.0),
                lead_range_in_s=(0.0, 0.2),
                tail_range_in_s=(0.0, 0.2),
                microphone_range_in_db=6.0,
            )
            sidecar = {"genre": genre, "fold": int(fold), "artist": f"{genre}-{fold}-{which}"}
            yield Sample(f"{genre}_{fold}{which}{take:03d}", to_pcm16(wet), RATE, sidecar)


def make_gtzan_genre(folder: Path) -> None:
    """Write ``gtzan_fold_<k>_0000000.tar`` for the ten folds into ``folder``.

    Raises DataError when the packages that play the instruments are missing.
    """
    for fold in FOLDS:
        write_shards(folder, f"gtzan_fold_{fold}", make_clips(fold))
