"""The small Free Music Archive: generated music of eight genres, artists of their own in every split.

The player is that of the small GTZAN (``genre.py``), with other artists. Genres here are wider than there:
some are several styles, of which every artist has one. A few clips are longer than the ten seconds that are scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tasks.labels import read_labels
from tasks.mini.music.genre import Artist, draw_artist, play_piece
from tasks.mini.music.genres import DORIAN, MAJOR, MINOR, PENTATONIC, SILENT, STYLES, Style
from tasks.mini.music.soundfont import RATE
from tasks.mini.scene import Range, make_rng, place_in_scene, to_pcm16
from tasks.mini.write import Sample, write_shards

NAME = "freemusicarchive"
ARTISTS = {"train": 18, "valid": 2, "test": 15}  # of each genre; each plays one piece
SECONDS: Range = (1.5, 2.5)
LONG_EVERY = 9  # every ninth piece is played over and over until it has lasted so many seconds
LONG = 11.0

FOLK = Style(
    tempo=(80, 140),
    kick=(SILENT, "x.......x......."),
    snare=(SILENT, "....o.......o..."),
    hat=(SILENT, "..o...o...o...o."),
    bass=("r.......f.......", "r...............", "r.......r......."),
    comp=("b.bbb.bbb.bbb.bb", "b.b.b.b.b.b.b.b.", "x...x.xxx...x.xx", "X.......X......."),
    lead=("x...x.x.x...x...", "x.......x.x.....", "x.x.x...x......."),
    chords=(("0M", "5M", "0M", "7M"), ("9m", "5M", "0M", "7M"), ("0m", "10M", "8M", "10M")),
    bass_programs=(32, 24, 43),
    comp_programs=(24, 25, 105, 46, 0),
    lead_programs=(22, 40, 73, 72, 21, 25),
    scale=PENTATONIC,
    drums=0.5,
)
ELECTRONIC = (
    Style(  # house and techno
        tempo=(118, 140),
        kick=("x...x...x...x...", "x...x...x...x.x."),
        snare=("....x.......x...", SILENT, "....x..o....x..o"),
        hat=("..x...x...x...x.", "x.x.x.x.x.x.x.x."),
        bass=("..r...r...r...r.", "rrrrrrrrrrrrrrrr", "r..r..r.r..r..o."),
        comp=("x..x..x...x..x..", "X...............", "bbbbbbbbbbbbbbbb"),
        lead=("x..x..x..x..x.x.", "x...............", "................"),
        chords=(("0m", "0m", "0m", "0m"), ("0m", "8M", "10M", "0m"), ("0m", "3M", "0m", "10M")),
        bass_programs=(38, 39, 87),
        comp_programs=(81, 90, 89, 5, 50),
        lead_programs=(80, 81, 87, 88, 62),
        scale=MINOR,
        snare_note=39,
    ),
    Style(  # drum and bass, breaks
        tempo=(135, 178),
        kick=("x.........x.....", "x..x......x.....", "x.x.......xx...."),
        snare=("....x..o....x...", "....x..o.o..x..o"),
        hat=("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"),
        bass=("r.........r.....", "r..r......r..o..", "r..............."),
        comp=("X...............", "..b...b...b...b.", "X.......X......."),
        lead=("x.....x.....x...", "................", "x..x....x......."),
        chords=(("0m", "0m", "8M", "8M"), ("0d", "0d", "5d", "5d")),
        bass_programs=(38, 39, 87),
        comp_programs=(89, 88, 4, 95, 50),
        lead_programs=(80, 81, 98, 11, 53),
        scale=DORIAN,
    ),
)
BOSSA = Style(
    tempo=(95, 140),
    kick=("x.....x.x.....x.", "x......xx......x"),
    snare=("x..x..x...x..x..", "..x..x..x..x...."),
    hat=("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"),
    bass=("r.....f.r.....f.", "r..f..o.r..f...."),
    comp=("x..x...x..x.x...", "x..x..x...x..x..", "..xx..x...x.x..."),
    lead=("x..x..x.x..x....", "..x..x..x.x.....", "x.x..x..x......."),
    chords=(("0j", "2d", "7s", "0j"), ("0d", "7s", "0d", "5s"), ("0m", "10M", "8M", "77")),
    bass_programs=(32, 33),
    comp_programs=(24, 0, 21, 12, 61),
    lead_programs=(73, 56, 21, 11, 13, 22),
    scale=MAJOR,
    snare_note=37,
    hat_note=70,
    drums=0.9,
)
RAGA = Style(
    tempo=(70, 130),
    kick=("x.....x...x.....", "x..x..x...x..x.."),
    snare=("..x..x..x..x..x.", "....x..x....x.x."),
    hat=("x.....x...x.....", SILENT),
    bass=("r...............", "r.......f.......", "r.......r......."),
    comp=("X...............", "b...b...b...b...", "..b..b....b..b.."),
    lead=("x.xxx.x.x.xx....", "xxx.x.xxx.x.xxx.", "x..xx.x.x..x..x."),
    chords=(("0M", "0M", "0M", "0M"), ("0m", "0m", "1M", "0m"), ("0M", "1M", "0M", "1M")),
    bass_programs=(104, 107, 43),
    comp_programs=(104, 106, 108, 114),
    lead_programs=(104, 111, 77, 75, 107, 105),
    scale=(0, 1, 4, 5, 7, 8, 10),
    snare_note=63,
    hat_note=75,
)
EXPERIMENTAL = Style(
    tempo=(50, 200),
    kick=(SILENT, "x............x..", "..x..x.x........", "xxx............."),
    snare=(SILENT, ".......x.x......", "...x.........xxx"),
    hat=(SILENT, "x......x..x.....", ".x..x..x....x..."),
    bass=("r...............", ".....r.......t..", "r.a..o..t....a..", "a..............."),
    comp=("X...............", "..b....b..b.b...", "x......x.x......", "b..bb.....b....."),
    lead=("x......x.x......", "xx.x...........x", "..x....x.x.xx..."),
    chords=(("0d", "1j", "6s", "11m"), ("0s", "6s", "3s", "9s"), ("0m", "1m", "2m", "1m"), ("6M", "0M", "1M", "7m")),
    bass_programs=(43, 97, 58, 39, 127),
    comp_programs=(99, 101, 95, 8, 13, 103, 92, 122),
    lead_programs=(98, 102, 78, 44, 112, 14, 67, 96),
    scale=(0, 1, 3, 4, 6, 7, 9, 10),
    drums=0.8,
)
AMBIENT = Style(
    tempo=(55, 105),
    kick=(SILENT,),
    snare=(SILENT,),
    hat=(SILENT,),
    bass=("r...............", "................", "r.......f......."),
    comp=("b.b.b.b.b.b.b.b.", "X...............", "b...b...b...b..."),
    lead=("x.......x.......", "x.....x.....x...", "x...............", "x...x...x......."),
    chords=(("0j", "5j", "0j", "5j"), ("9m", "5M", "0M", "7M"), ("0m", "8M", "3M", "10M")),
    bass_programs=(32, 42, 0, 89),
    comp_programs=(0, 46, 88, 89, 11, 24),
    lead_programs=(0, 48, 40, 71, 73, 91, 4),
    scale=MAJOR,
    drums=0.0,
)
GENRES: Mapping[str, tuple[Style, ...]] = {
    "Hip-Hop": (STYLES["hiphop"],),
    "Pop": (STYLES["pop"], STYLES["disco"]),
    "Folk": (FOLK,),
    "Experimental": (EXPERIMENTAL,),
    "Rock": (STYLES["rock"], STYLES["metal"]),
    "International": (STYLES["reggae"], BOSSA, RAGA),
    "Electronic": ELECTRONIC,
    "Instrumental": (AMBIENT, STYLES["classical"]),
}


def find_artist(genre: str, split: str, number: int) -> Artist:
    """Find an artist of a split, always the same one; the styles of a genre take turns."""
    styles = GENRES[genre]
    return draw_artist(styles[number % len(styles)], make_rng(NAME, genre, split, number))


def make_clips(split: str) -> Iterator[Sample]:
    """Make the clips of one split, equally many of each genre, each by another artist."""
    for genre in read_labels(NAME):
        for number in range(ARTISTS[split]):
            name = f"{genre}-{split}-{number}"
            dry = play_piece(find_artist(genre, split, number), make_rng(NAME, name, "piece"), SECONDS)
            wet = place_in_scene(
                np.resize(dry, round(LONG * RATE)) if number % LONG_EVERY == 1 else dry,
                make_rng(NAME, name, "place"),
                RATE,
                rt60_range=(0.05, 0.4),
                snr_range_in_db=(18.0, 40.0),
                level_range_in_dbfs=(-32.0, -14.0),
                lead_range_in_s=(0.0, 0.2),
                tail_range_in_s=(0.0, 0.2),
                microphone_range_in_db=3.0,
            )
            yield Sample(name, to_pcm16(wet), RATE, {"genre": genre, "artist": name})


def make_freemusicarchive(folder: Path) -> None:
    """Write ``fma_small_{train,valid,test}_0000000.tar`` into ``folder``.

    Raises DataError when the packages that play the instruments are missing.
    """
    for split in ARTISTS:
        write_shards(folder, f"fma_small_{split}", make_clips(split))
