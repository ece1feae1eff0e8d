"""Talkers: espeak-ng's voice variants shared out to the splits, and random settings around them.

Only variants that sound like a person are used; near copies of one another (edward, edward2) go to the same split.
"""

from __future__ import annotations

from numpy.random import Generator

from tasks.mini.speech.synthesis import Voice

VARIANTS = {
    "train": (
        *("Alex", "Alicia", "Annie", "Denis", "Diogo", "Henrique", "Hugo", "Lee", "Mario", "Michael", "Mike", "adam"),
        *("announcer", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "edward", "edward2", "f1", "f2"),
        *("f3", "gustave", "iven3", "iven4", "klatt3", "klatt4", "m1", "m2", "m3", "m6", "marcelo", "max", "rob"),
    ),
    "valid": ("grandma", "ian", "john", "m7", "michel", "robert", "sandro", "shelby"),
    "test": (
        *("Andy", "Gene", "Jacky", "Nguyen", "Reed", "f4", "f5", "grandpa", "kaukovalta", "linda", "m4", "m5", "m8"),
        *("miguel", "norbert", "pablo", "paul", "quincy", "steph", "travis", "victor", "zac"),
    ),
}
ACCENTS = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")


def draw_stranger(generator: Generator, language: str, split: str, spread: float = 1.0) -> Voice:
    """Draw a talker of ``language`` of this split alone; pitch and vocal tract vary by ``spread`` (0..1)."""
    return Voice(
        name=f"{language}+{generator.choice(VARIANTS[split])}",
        rate=int(generator.integers(125, 215)),
        pitch=50 + round(spread * float(generator.uniform(-35, 35))),
        range=int(generator.integers(15, 86)),
        tract=round(1 + spread * float(generator.uniform(-0.12, 0.14)), 3),
    )


def draw_resident(generator: Generator, variant: str) -> Voice:
    """Draw a talker who has a variant to himself: some English accent and a moderate habit of speaking."""
    accent = ACCENTS[int(generator.integers(len(ACCENTS)))]
    return Voice(
        name=f"{accent}+{variant}",
        rate=int(generator.integers(150, 205)),
        pitch=int(generator.integers(32, 62)),
        range=int(generator.integers(35, 66)),
        tract=round(float(generator.uniform(0.92, 1.1)), 3),
    )
