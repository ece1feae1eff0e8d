"""The small Vocal Imitation Set: 26 of its sounds as imitators of each fold sing, hum, hiss and pop them.

The score of a sound follows its envelope and pitch contour; every imitator performs it in another voice, pace and
precision, and is heard in one fold only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.labels import read_labels
from tasks.mini.environment.gestures import Gesture, draw_imitator, imitate
from tasks.mini.scene import make_rng, place_in_scene, to_pcm16
from tasks.mini.signals import RATE
from tasks.mini.write import Sample, write_shards

NAME = "vocalimitations"
FOLDS = ("0", "1", "2")
IMITATORS = 6  # of each fold; every one imitates every sound once

SCORES: Mapping[str, tuple[Gesture, ...]] = {  # by the number with which the label begins
    "001": (Gesture(0.9, voice=0.0, hiss=1.0, hiss_band=(2500, 6500), mouth="ee", attack=0.3),),  # cat hiss
    "002": (Gesture(0.25, (1.6, 2.0), "ie"), Gesture(0.5, (2.1, 1.4), "au", gap=0.2, times=(1, 2))),  # meow
    "003": (Gesture(1.4, (0.55, 0.6), "rr", rough=0.1, trill=24, hiss=0.2, hiss_band=(500, 3000)),),  # purr
    "004": (Gesture(0.16, (1.1, 1.6, 0.9), "oa", rough=0.08, pop=1.0, times=(2, 4), gap=0.15),),  # bark
    "006": (Gesture(1.5, (1.1, 2.1, 2.0, 1.5), "uu", vibrato=4.0, attack=0.25),),  # howl
    "008": (Gesture(1.2, (0.75, 0.95, 0.7), "mu", attack=0.2, times=(1, 2), gap=0.3),),  # moo
    "011": (Gesture(0.2, (1.2, 1.0), "ea", rough=0.12, times=(3, 5), gap=0.08, pop=0.4),),  # quack
    "014": (Gesture(0.9, (1.7, 1.8, 1.6), "ee", rough=0.06, trill=9, times=(1, 2)),),  # goat
    "015": (Gesture(0.06, voice=0.2, pop=3.0, mouth="oo", times=(6, 10), gap=0.12),),  # clip-clop
    "020": (Gesture(0.12, (6.0, 8.5, 6.5), "ww", times=(4, 9), gap=0.06, hiss=0.1),),  # chirp
    "021": (Gesture(0.35, (1.7, 1.9, 1.4), "aa", rough=0.2, hiss=0.3, times=(2, 4), gap=0.15),),  # caw
    "022": (Gesture(0.2, (1.5,), "uu"), Gesture(0.6, (1.7, 1.5), "uu", times=(1, 2), attack=0.3)),  # hoot
    "024": (Gesture(0.28, (0.6, 0.75), "or", rough=0.1, trill=30, times=(2, 4), gap=0.2),),  # croak
    "025": (Gesture(1.6, (1.0, 1.15, 0.95), "rr", hiss=0.5, hiss_band=(3000, 6000), rough=0.05),),  # buzz of a bee
    "027": (Gesture(1.6, (2.6, 3.0, 2.4, 2.8), "ii", voice=1.0, vibrato=6.0, attack=0.3),),  # mosquito
    "028": (Gesture(1.2, (0.9, 1.1, 0.6), "ao", rough=0.2, hiss=0.5, hiss_band=(500, 4000)),),  # roar
    "068": (
        Gesture(0.8, (0.6, 0.6), "rr", rough=0.15, trill=28, hiss=0.5, hiss_band=(400, 3000)),
        Gesture(0.7, voice=0.0, hiss=0.6, hiss_band=(600, 3000), attack=0.4),
    ),  # snoring
    "070": (
        Gesture(0.5, (1.2, 1.6), "aa", voice=0.5, hiss=0.3, hiss_band=(800, 3000), release=0.1, gap=0.05),
        Gesture(0.35, (1.8, 1.0), "iu", hiss=1.5, pop=2.0, attack=0.02),
    ),  # sneeze
    "139": (Gesture(1.8, (0.5, 0.45), "oo", hiss=1.0, hiss_band=(100, 900), rough=0.3, pop=2.0, attack=0.05, trill=5),),
    "141": (Gesture(1.7, voice=0.0, hiss=1.0, hiss_band=(1000, 6000), attack=0.5, release=0.5, times=(1, 2)),),  # surf
    "146": (Gesture(1.8, (2.2, 3.4, 2.4, 3.0), "uu", voice=0.35, hiss=0.7, hiss_band=(600, 1800), attack=0.4),),  # wind
    "156": (
        Gesture(0.45, (1.6,), "ii"),
        Gesture(0.45, (1.2,), "oo"),
        Gesture(0.45, (1.6,), "ii"),
        Gesture(0.4, (1.2,)),
    ),
    "157": (Gesture(2.0, (0.9, 2.2, 2.3, 1.0), "uo", attack=0.1, release=0.2),),  # civil defence siren
    "200": (
        Gesture(0.14, (0.9, 1.0), "ee", rough=0.1, times=(3, 5), gap=0.05, hiss=0.3),
        Gesture(0.8, (0.7, 1.5, 0.9), "rr", rough=0.12, trill=18),
    ),  # engine starting
    "230": (Gesture(0.05, voice=0.0, pop=3.0, mouth="ii", times=(4, 7), gap=0.4),),  # clock tick
    "250": (Gesture(1.8, (0.6,), "oa", trill=11, hiss=0.8, hiss_band=(200, 1500), rough=0.1),),  # helicopter
}


def list_classes() -> tuple[str, ...]:
    """List the official labels that the small version has, in the official order."""
    return tuple(label for label in read_labels(NAME) if label[:3] in SCORES)


def make_clips(fold: str) -> Iterator[Sample]:
    """Make the clips of one fold: every imitator performs every sound once."""
    for index in range(IMITATORS):
        person = f"{fold}-{index}"
        who = draw_imitator(make_rng(NAME, person))
        for label in list_classes():
            draw = make_rng(NAME, person, label)
            wet = place_in_scene(
                imitate(who, SCORES[label[:3]], draw),
                draw,
                RATE,
                rt60_range=(0.05, 0.4),
                snr_range_in_db=(5.0, 30.0),
                level_range_in_dbfs=(-36.0, -16.0),
                microphone_range_in_db=8.0,
            )
            sidecar = {"imitation": label, "imitator": person}
            yield Sample(f"{person}-{label[:3]}", to_pcm16(wet), RATE, sidecar)


def make_vocalimitations(folder: Path) -> None:
    """Write ``vocal_imitations_fold<kk>_0000000.tar`` for the three folds into ``folder``."""
    for fold in FOLDS:
        write_shards(folder, f"vocal_imitations_fold{int(fold):02d}", make_clips(fold))
