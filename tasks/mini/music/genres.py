"""What the ten genres sound like, as data: tempo, rhythm, harmony and instruments to draw from.

Grids are one bar of sixteen steps; ``x`` a stroke, ``o`` a soft one, ``.`` a rest. Instruments and tempi of the genres
overlap on purpose: what tells them apart is how they are played together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """A genre. Tuples hold alternatives; an artist picks one of each."""

    tempo: tuple[int, int]  # beats per minute
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    bass: tuple[str, ...]  # r root, f fifth, o octave, t third, a approach
    comp: tuple[str, ...]  # chords: x short, X held, b broken into single notes
    lead: tuple[str, ...]  # melody: x new note, . keep
    chords: tuple[tuple[str, ...], ...]  # one per bar: degree in semitones + quality
    bass_programs: tuple[int, ...]
    comp_programs: tuple[int, ...]
    lead_programs: tuple[int, ...]
    scale: tuple[int, ...]
    swing: float = 0.0  # delay of every second eighth, in steps
    snare_note: int = 38
    hat_note: int = 42
    drums: float = 1.0  # loudness
    guitar_power: bool = False  # chords as root and fifth


MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
BLUES = (0, 3, 5, 6, 7, 10)
PENTATONIC = (0, 2, 4, 7, 9)
DORIAN = (0, 2, 3, 5, 7, 9, 10)

SILENT = "................"

STYLES: Mapping[str, Style] = {
    "blues": Style(
        tempo=(70, 125),
        kick=("x.......x.......", "x.....x.x......."),
        snare=("....x.......x...", "....x.......x..o"),
        hat=("x..xx..xx..xx..x", "x...x..xx...x..x"),
        bass=("r...t...f...a...", "r..rf..fo..of..f"),
        comp=("x..xx..xx..xx..x", "....x.......x...", "X......xX......."),
        lead=("x..x.......x..x.", "......x..xx..x..", "x...x..x........"),
        chords=(("07", "57", "07", "07"), ("07", "07", "57", "07"), ("77", "57", "07", "77")),
        bass_programs=(32, 33, 34),
        comp_programs=(0, 26, 27, 16, 3),
        lead_programs=(22, 26, 27, 29, 65),
        scale=BLUES,
        swing=1.3,
    ),
    "classical": Style(
        tempo=(60, 140),
        kick=(SILENT,),
        snare=(SILENT,),
        hat=(SILENT,),
        bass=("r.......f.......", "r...............", "r...f...r...f..."),
        comp=("bbbbbbbbbbbbbbbb", "b.b.b.b.b.b.b.b.", "X...............", "X.......X......."),
        lead=("x...x...x.x.x...", "x.......x...x...", "x.x.x.x.x...x..."),
        chords=(("0M", "7M", "9m", "5M"), ("0M", "2m", "7M", "0M"), ("0m", "5m", "7M", "0m")),
        bass_programs=(42, 43, 0, 70),
        comp_programs=(0, 6, 46, 48, 49, 45),
        lead_programs=(40, 42, 68, 71, 73, 0, 56),
        scale=MAJOR,
        drums=0.0,
    ),
    "country": Style(
        tempo=(90, 150),
        kick=("x.......x.......", "x...x...x...x..."),
        snare=("....x.......x...", "..o.x.o...o.x.o.", "..x...x...x...x."),
        hat=("x.x.x.x.x.x.x.x.", "..x...x...x...x."),
        bass=("r.......f.......", "r...f...r...f...", "r.......f...a..."),
        comp=("....x.......x...", "..x...x...x...x.", "b.bbb.bbb.bbb.bb"),
        lead=("x.x.x...x.x.....", "x...x.x.x...x.x.", "..x.x.x.x......."),
        chords=(("0M", "5M", "0M", "7M"), ("0M", "7M", "5M", "0M"), ("0M", "0M", "7M", "0M")),
        bass_programs=(32, 33),
        comp_programs=(24, 25, 0, 105),
        lead_programs=(40, 105, 110, 27, 22, 25),
        scale=PENTATONIC,
        snare_note=40,
    ),
    "disco": Style(
        tempo=(108, 132),
        kick=("x...x...x...x...",),
        snare=("....x.......x...", "....x.......x.o."),
        hat=("..x...x...x...x.", "x.X.x.X.x.X.x.X."),
        bass=("r.o.r.o.r.o.r.o.", "r..rr.o.r..rf.o.", "..r.o.r...r.o.r."),
        comp=("..x..x....x..x..", "x..x..x.x..x..x.", "xoxxxoxxxoxxxoxx"),
        lead=("x.......x...x...", "x..x..x.x.......", "x..............."),
        chords=(("0m", "0m", "5m", "5m"), ("0m", "8M", "3M", "10M"), ("2m", "7M", "0M", "9m")),
        bass_programs=(33, 36, 38),
        comp_programs=(27, 28, 4, 7),
        lead_programs=(48, 49, 50, 61, 73, 53),
        scale=DORIAN,
        hat_note=46,
    ),
    "hiphop": Style(
        tempo=(78, 108),
        kick=("x..x....x.x.....", "x.....xx..x.....", "x.x....x..x..x.."),
        snare=("....x.......x...", "....x..o....x...", "....x..o.o..x..."),
        hat=("x.x.x.x.x.x.x.x.", "x.xxx.x.x.xxx.xx", "xxx.x.xxx.x.xxx."),
        bass=("r..r....r.......", "r.........r..o..", "r.....r...f....."),
        comp=("X...............", "x.......x.......", "..b...b...b...b."),
        lead=("x.....x.....x...", "..x..x....x.....", "................"),
        chords=(("0m", "0m", "8M", "0m"), ("0m", "5m", "0m", "5m"), ("0m", "10M", "8M", "8M")),
        bass_programs=(38, 39, 35, 33),
        comp_programs=(4, 5, 0, 89, 48, 11),
        lead_programs=(80, 11, 73, 81, 45, 56),
        scale=MINOR,
        swing=0.5,
        snare_note=39,
    ),
    "jazz": Style(
        tempo=(100, 210),
        kick=("x...o...o...o...", "o.......o......."),
        snare=("......o........o", "..........o.....", "...o......o....."),
        hat=("x...x..xx...x..x", "x...x..xx...x..."),
        bass=("r...t...f...a...", "r...a...f...t...", "r...o...f...a..."),
        comp=("x.....x.........", "......x.......x.", "x.........x....."),
        lead=("x.xx.xx.x..x.xx.", "..x.xxx.x.x.....", "x..x..xxx.xx.x.."),
        chords=(("2d", "7s", "0j", "9s"), ("0j", "9s", "2d", "7s"), ("0d", "5s", "0d", "5s")),
        bass_programs=(32, 35),
        comp_programs=(0, 4, 26, 11),
        lead_programs=(56, 59, 65, 66, 71, 26, 11, 0),
        scale=DORIAN,
        swing=1.3,
        hat_note=51,
        drums=0.7,
    ),
    "metal": Style(
        tempo=(100, 190),
        kick=("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "x.x.x.x.x.x.x.x."),
        snare=("....x.......x...", "..x...x...x...x."),
        hat=("x...x...x...x...", "x.x.x.x.x.x.x.x."),
        bass=("rrrrrrrrrrrrrrrr", "r.rrr.rrr.rrr.rr", "r.r.r.r.r.r.f.a."),
        comp=("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "X.......X...x.x.", "x.x.X...x.x.X..."),
        lead=("xxxxxxxxxxxxxxxx", "x.x.x.x.x.x.x.x.", "................"),
        chords=(("0m", "1M", "0m", "6M"), ("0m", "8M", "10M", "0m"), ("0m", "0m", "3M", "1M")),
        bass_programs=(34, 33, 36),
        comp_programs=(30, 29),
        lead_programs=(30, 29, 31),
        scale=MINOR,
        hat_note=49,
        drums=1.1,
        guitar_power=True,
    ),
    "pop": Style(
        tempo=(88, 132),
        kick=("x.......x.......", "x.....x.x.......", "x...x...x...x..."),
        snare=("....x.......x...",),
        hat=("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"),
        bass=("r.r.r.r.r.r.r.r.", "r.......r.......", "r.....r.r.....f."),
        comp=("X...............", "X.......X.......", "b.b.b.b.b.b.b.b.", "x.x.x.x.x.x.x.x."),
        lead=("x...x.x.x...x...", "x.x.x...x.......", "..x.x.x.....x.x."),
        chords=(("0M", "7M", "9m", "5M"), ("9m", "5M", "0M", "7M"), ("0M", "5M", "9m", "7M")),
        bass_programs=(33, 34, 38),
        comp_programs=(0, 4, 25, 48, 50, 88),
        lead_programs=(53, 54, 80, 81, 27, 85, 73),
        scale=MAJOR,
    ),
    "reggae": Style(
        tempo=(68, 100),
        kick=("........x.......", "x.......x.......", "x...x...x...x..."),
        snare=("........x.......", "........x.....o."),
        hat=("x.x.x.x.x.x.x.x.", "x..xx..xx..xx..x"),
        bass=("r..r..f.....r.o.", "..r.r...r.f.....", "r.....r.f.t....."),
        comp=("....x.......x...", "..x...x...x...x.", "....xx......xx.."),
        lead=("x.....x...x.....", "..x...x.........", "................"),
        chords=(("0m", "5m", "0m", "5m"), ("0M", "5M", "7M", "5M"), ("0m", "10M", "0m", "10M")),
        bass_programs=(33, 35, 32),
        comp_programs=(27, 16, 18, 0, 28),
        lead_programs=(56, 57, 22, 16, 66, 53),
        scale=PENTATONIC,
        swing=0.4,
        snare_note=37,
    ),
    "rock": Style(
        tempo=(95, 160),
        kick=("x.......x.x.....", "x.x.....x.......", "x.....x.x.x....."),
        snare=("....x.......x...", "....x.......x.x."),
        hat=("x.x.x.x.x.x.x.x.", "x...x...x...x..."),
        bass=("r.r.r.r.r.r.r.r.", "r..r..r.r..r..f.", "r.....r.r.f.o..."),
        comp=("x.x.x.x.x.x.x.x.", "X.....x.X.....x.", "X.......X.......", "x..x..x.x..x..x."),
        lead=("x...x...x.x.....", "x.x.x.x.x.......", "................"),
        chords=(("0M", "10M", "5M", "0M"), ("0M", "5M", "7M", "5M"), ("0m", "8M", "10M", "0m")),
        bass_programs=(33, 34),
        comp_programs=(29, 27, 25, 30, 16),
        lead_programs=(29, 30, 27, 18, 53),
        scale=PENTATONIC,
        guitar_power=True,
    ),
}
