"""The small MAESTRO: pieces of 5 to 8 s for two hands on keyboards, with the time at which every key is held.

The right hand plays a melody, sometimes with a second voice, the left one accompanies; harmony, tempo, metre, mode,
registers, dynamics and articulation are drawn for each piece. A note ends when its key is released (no pedal is used):
what the instrument or the room still sounds afterwards is no part of it, and a tone that has died away under a held
key is. Where a key is struck again, its earlier note ends.

The bank's four acoustic pianos (programs 0 to 3) share their recordings, so they are all on one side: training has
them, an electric piano and a clavinet, the test another electric piano and a harpsichord, and no recording is on both
sides. Validation has new pieces on training instruments; it chooses an epoch, nothing is reported on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from numpy.random import Generator

from tasks.mini.music.soundfont import RATE, Array, Event, make_note, render
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.write import Sample, write_shards

PROGRAMS = ((0, 5, 2, 7, 1, 5, 3, 7), (4, 6))  # General MIDI, from 0: training and test, in turn
SPLITS: Mapping[str, tuple[int, int]] = {"maestro_train": (0, 60), "maestro_valid": (0, 15), "maestro_test": (1, 30)}
"""Split: which programs of ``PROGRAMS``, and pieces."""

KEYS = tuple(range(36, 85))  # C2 to C6: four octaves
MIDDLE = 60  # the right hand stays above, the left one below
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11))  # major, harmonic minor
FOLLOWING: Mapping[int, tuple[int, ...]] = {  # degree of a chord: what may come next
    0: (1, 2, 3, 4, 5, 5, 3),
    1: (4, 4, 6),
    2: (5, 3),
    3: (0, 1, 4, 4),
    4: (0, 0, 5, 3),
    5: (1, 3, 4),
    6: (0, 2),
}
RHYTHMS = ((1.0,), (0.5, 0.5), (1.5, 0.5), (2.0,), (0.25, 0.25, 0.5), (0.75, 0.25), (0.5, 0.25, 0.25))  # beats
LEFT_HANDS = ("chords", "broken", "alberti", "stride", "octaves")
SHORTEST = 0.05  # s


@dataclass(frozen=True, slots=True)
class Note:
    """A key held from ``start`` to ``end``, in seconds."""

    start: float
    end: float
    pitch: int  # MIDI
    velocity: int


@dataclass(frozen=True, slots=True)
class Style:
    """What the hands of one piece share."""

    beat: float  # s
    beats: int  # of a bar
    tonic: int  # 0..11
    scale: tuple[int, ...]
    left: str
    low: int  # lowest key of the left hand
    high: int  # its highest key
    doubled: int  # scale steps between the voices of the right hand, 0 for one voice
    loud: tuple[float, float]  # mean velocity of the left and right hand
    legato: tuple[float, float]  # held share of a note's time, left and right

    def pitch(self, degree: int) -> int:
        """Return the pitch of a step of the scale, counted from the tonic of the lowest octave."""
        octave, step = divmod(degree, len(self.scale))
        return self.tonic + 12 * octave + self.scale[step]


def draw_style(draw: Generator, tonic: int) -> Style:
    loud = float(draw.uniform(50, 100))
    return Style(
        beat=60.0 / float(draw.uniform(66, 132)),
        beats=int(draw.integers(3, 5)),
        tonic=tonic,
        scale=SCALES[int(draw.integers(0, 2))],
        left=LEFT_HANDS[int(draw.integers(0, len(LEFT_HANDS)))],
        low=KEYS[0] + max(0, int(draw.integers(-8, 8))),
        high=MIDDLE - 1 - max(0, int(draw.integers(-6, 6))),
        doubled=(0, 0, -2, -5, 7)[int(draw.integers(0, 5))],
        loud=(loud * float(draw.uniform(0.75, 1.0)), loud * float(draw.uniform(0.95, 1.2))),
        legato=(float(draw.uniform(0.5, 1.0)), float(draw.uniform(0.4, 1.0))),
    )


def fold_pitch(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves to between ``low`` and ``high`` (inclusive, at least an octave apart)."""
    return low + (pitch - low) % 12 if pitch < low else high - (high - pitch) % 12 if pitch > high else pitch


def _draw_note(draw: Generator, who: Style, hand: int, start: float, length: float, pitch: int) -> Note:
    """Draw a note of ``length`` beats at ``start`` beats, as a human hand plays it."""
    onset = max(0.0, start * who.beat + 0.006 * float(draw.standard_normal()))
    held = max(SHORTEST, length * who.beat * who.legato[hand] * float(draw.uniform(0.85, 1.0)))
    accent = 1.1 if start % who.beats == 0 else 1.0
    velocity = who.loud[hand] * accent * float(draw.uniform(0.85, 1.15))
    return Note(onset, onset + held, pitch, min(120, max(25, round(velocity))))


def _play_left_hand(draw: Generator, who: Style, bar: int, chord: int) -> Iterator[Note]:
    top, first = who.high, bar * who.beats
    bass = fold_pitch(who.pitch(chord), who.low, who.low + 11)
    upper = [top - (top - who.pitch(chord + step)) % 12 for step in (0, 2, 4)]
    close = sorted(fold_pitch(bass + who.pitch(chord + step) - who.pitch(chord), bass, top) for step in (0, 2, 4))
    played: list[tuple[float, float, Iterable[int]]] = []  # beat, length, pitches
    for beat in range(who.beats):
        match who.left:
            case "chords":
                played += [(beat, 2, [bass, *upper])] if beat % 2 == 0 else []
            case "broken":
                tones = (*close, fold_pitch(bass + 12, bass, top))
                played += [(beat + half / 2, 1.0, [tones[(2 * beat + half) % 4]]) for half in (0, 1)]
            case "alberti":
                tones = (close[0], close[2], close[1], close[2])
                played += [(beat + half / 2, 0.6, [tones[(2 * beat + half) % 4]]) for half in (0, 1)]
            case "stride":
                played += [(beat, 1, [bass] if beat == 0 else upper)]
            case _:
                played += [(beat, 1, [bass, fold_pitch(bass + 12, bass, top)])]
    for at, length, pitches in played:
        for pitch in pitches:
            yield _draw_note(draw, who, 0, first + at, length, pitch)


def _play_right_hand(draw: Generator, who: Style, bars: int) -> Iterator[Note]:
    """Play a walk over the scale in changing rhythms, here and there a rest."""
    at, degree = 0.0, len(who.scale) * 5 + int(draw.integers(0, 14))
    while at < bars * who.beats:
        for length in RHYTHMS[int(draw.integers(0, len(RHYTHMS)))]:
            degree += int(draw.choice((-4, -2, -1, -1, 1, 1, 2, 4)))
            while who.pitch(degree) > KEYS[-1]:
                degree -= 5
            while who.pitch(degree) < MIDDLE:
                degree += 5
            voices = {who.pitch(degree), fold_pitch(who.pitch(degree + who.doubled), MIDDLE, KEYS[-1])}
            if draw.random() < 0.92:
                for pitch in sorted(voices):
                    yield _draw_note(draw, who, 1, at, length, pitch)
            at += length


def release_repeated(notes: Iterable[Note]) -> list[Note]:
    """Release a key before it is struck again, and not twice within ``SHORTEST`` and a bit; sorted by start."""
    out: list[Note] = []
    last: dict[int, int] = {}  # pitch: where its latest note is
    for each in sorted(notes, key=lambda played: (played.start, played.pitch)):
        before = last.get(each.pitch)
        if before is not None:
            if each.start < out[before].start + SHORTEST + 0.01:
                continue
            out[before] = replace(out[before], end=min(out[before].end, each.start - 0.01))
        last[each.pitch] = len(out)
        out.append(each)
    return out


def compose(draw: Generator, tonic: int) -> tuple[list[Note], float]:
    """Compose the notes of a piece, by start, and its length in seconds (5 to 8); ``tonic``: 0 (C) to 11."""
    who, seconds = draw_style(draw, tonic), float(draw.uniform(5.0, 8.0))
    lead, tail = float(draw.uniform(0.1, 0.5)), float(draw.uniform(0.2, 0.7))
    bars, chord = int(seconds / (who.beat * who.beats)) + 1, 0
    notes = list(_play_right_hand(draw, who, bars))
    for bar in range(bars):
        notes += _play_left_hand(draw, who, bar, chord)
        chord = FOLLOWING[chord][int(draw.integers(0, len(FOLLOWING[chord])))]
    last = seconds - tail
    moved = [
        replace(n, start=round(n.start + lead, 3), end=round(min(n.end + lead, last), 3))
        for n in release_repeated(notes)
    ]
    return [n for n in moved if n.end - n.start >= SHORTEST - 0.001], seconds


def play(notes: Iterable[Note], program: int, seconds: float) -> Array:
    """Play dry audio [seconds * RATE]; strings ring on as their instrument lets them after a key is released."""
    events = [Event(0.0, 0, "program_change", (program,))]
    for each in notes:
        events += make_note(0, each.start, each.end - each.start, each.pitch, each.velocity)
    return render([*events, Event(seconds, 0, "program_change", (program,))], seconds)  # it stops at the last event


def compose_take(split: str, take: int) -> tuple[int, list[Note], float]:
    """Compose program, notes and length in seconds of one piece of a split: always the same ones."""
    programs = PROGRAMS[SPLITS[split][0]]
    notes, seconds = compose(make_rng("maestro", split, take), 7 * take % 12)  # every key signature, equally often
    return programs[take % len(programs)], notes, seconds


def make_clips(split: str) -> Iterator[Sample]:
    """Make the clips of a split; instruments take turns; sidecars are lists of ``{start, end, note}``, by start."""
    for take in range(SPLITS[split][1]):
        program, notes, seconds = compose_take(split, take)
        wet = place_in_scene(
            play(notes, program, seconds),
            make_rng("maestro", split, take, "place"),
            RATE,
            rt60_range=(0.1, 0.4),
            snr_range_in_db=(15.0, 40.0),
            level_range_in_dbfs=(-34.0, -16.0),
            lead_range_in_s=(0.0, 0.0),  # the times in the sidecar are those of the clip
            tail_range_in_s=(0.0, 0.0),
            microphone_range_in_db=4.0,
        )
        sidecar = [{"start": each.start, "end": each.end, "note": each.pitch} for each in notes]
        yield Sample(f"{split}_{program:03d}_{take:03d}", to_pcm16(wet), RATE, sidecar)


def make_maestro(folder: Path) -> None:
    """Write ``maestro_{train,valid,test}_0000000.tar`` into ``folder``.

    Raises:
        DataError: Packages are missing.
    """
    for split in SPLITS:
        write_shards(folder, split, make_clips(split))
