"""People for speaker verification: some who speak three languages into two microphones, and some who repeat phrases.

A person is a timbre (a voice variant of espeak-ng's), a vocal tract, a habitual pitch, liveliness and pace; he keeps
all of it in every language and is a little different on every occasion. Microphones colour the voice more than people
differ, and rooms, noise, distance and words are new in every recording, so that the average spectrum says little.
*Gender* here means high or low voices. The training people are heard in no trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from bench.verification.hard_pairs import HardPairSampler, draw_random_pairs
from bench.verification.pair_lists import PairList, Recording
from bench.verification.phrase_pairs import draw_phrase_pairs
from tasks.mini import scene
from tasks.mini.scene import Float
from tasks.mini.speech.synthesis import RATE, Say, Voice, open_synthesiser
from tasks.mini.speech.texts import read_languages
from tasks.mini.write import Sample, write_shards

SPEAKERS = "speakers"  # folders
PHRASES = "phrases"
HIGH = ("f1", "f2", "f3", "f4", "f5", "Annie", "Alicia", "linda", "aunty", "steph")
LOW = ("m1", "m3", "m4", "m5", "adam", "Mario", "gustave", "miguel", "pablo", "Reed")
OTHERS = {"f": ("belinda", "shelby", "grandma"), "m": ("rob", "Hugo", "norbert")}  # of the training people
LANGUAGES = ("en", "de", "es")
DEVICES = ("phone", "headset")
TAKES = 2  # recordings in one language with one device
TRAINING = 12  # people
SAID = (
    "open the garden gate",
    "my voice is my password",
    "seven green apples",
    "turn off the light",
    "call the doctor",
)
REPEATS = 3  # of every phrase by every person
REPEATING = 6  # high and as many low voices who repeat phrases
TARGETS = 600
NONTARGETS = 1800
EASY_TARGETS = 120
BUCKET = 300  # pairs of each kind of the cross-lingual list
PHRASE_TRIALS = {"TC": 180, "TW": 240, "IC": 240, "IW": 240}
HARD = HardPairSampler(fix=("gender", "language", "device"), flip=("language", "device"))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with habits; the language is put in front of ``variant`` when he speaks."""

    name: str
    gender: str  # f or m
    variant: str
    rate: int
    pitch: int
    range: int
    tract: float

    def voice(self, language: str, generator: Generator) -> Voice:
        """Draw the person's voice on one occasion."""
        return Voice(
            name=f"{language}+{self.variant}",
            rate=self.rate + int(generator.integers(-12, 13)),
            pitch=self.pitch + int(generator.integers(-6, 7)),
            range=self.range + int(generator.integers(-8, 9)),
            tract=round(self.tract * float(generator.uniform(0.98, 1.02)), 3),
        )


class PlannedRecording(NamedTuple):
    """A recording to be made."""

    person: Person
    language: str  # of ``tasks.mini.speech.texts``
    device: str
    text: str


def draw_people(kind: str, high: Sequence[str], low: Sequence[str]) -> tuple[Person, ...]:
    """Draw one person for each of the voice variants."""
    made = []
    for index, (gender, variant) in enumerate([*(("f", name) for name in high), *(("m", name) for name in low)]):
        generator = scene.make_rng(SPEAKERS, kind, index)
        made.append(
            Person(
                name=f"{kind}{index:02d}",
                gender=gender,
                variant=variant,
                rate=int(generator.integers(145, 196)),
                pitch=int(generator.integers(30, 71)),
                range=int(generator.integers(30, 71)),
                tract=round(float(generator.uniform(0.9, 1.12)), 3),
            )
        )
    return tuple(made)


def record_speech(dry: Float, device: str, distance: str, generator: Generator) -> Float:
    """Record speech [N]: the device's own colour, then room and noise, more of both from afar."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    size = next_fast_len(len(dry) + RATE // 20, real=True)
    frequency = np.maximum(rfftfreq(size, 1 / RATE), 20.0)
    knots = 62.5 * 2.0 ** np.arange(9)
    colour = scene.make_rng(SPEAKERS, "device", device).uniform(-9.0, 9.0, len(knots))
    gain = 10 ** (np.interp(np.log2(frequency), np.log2(knots), colour) / 20)
    if device == "phone":
        gain *= 1 / np.sqrt(1 + (300 / frequency) ** 4) / np.sqrt(1 + (frequency / 3600) ** 8)
    coloured = irfft(rfft(dry, size) * gain, size)[: len(dry)]
    near = distance == "near"
    return scene.place_in_scene(
        np.asarray(coloured, dtype=np.float64),
        generator,
        RATE,
        rt60_range=(0.08, 0.25) if near else (0.3, 0.7),
        snr_range_in_db=(15.0, 30.0) if near else (6.0, 18.0),
        lead_range_in_s=(0.05, 0.2),
        tail_range_in_s=(0.05, 0.2),
        microphone_range_in_db=3.0,
    )


def plan_polyglots(kind: str, everybody: Iterable[Person], takes: int = TAKES) -> Iterator[PlannedRecording]:
    """Plan every person in every language with every device, ``takes`` times: one phrase or two."""
    spoken = read_languages()
    index = 0
    for person in everybody:
        for language in LANGUAGES:
            phrases = [phrase for part in spoken[language][1:] for phrase in part]
            for device in DEVICES:
                for _ in range(takes):
                    generator = scene.make_rng(SPEAKERS, kind, "text", index)
                    chosen = generator.choice(len(phrases), 1 + int(generator.integers(2)), replace=False)
                    yield PlannedRecording(person, language, device, ", ".join(phrases[place] for place in chosen))
                    index += 1


def plan_repeaters(everybody: Iterable[Person]) -> Iterator[PlannedRecording]:
    """Plan every person with every phrase, ``REPEATS`` times, with one device or another."""
    for person in everybody:
        for phrase in SAID:
            for take in range(REPEATS):
                yield PlannedRecording(person, "en", DEVICES[(take + len(phrase)) % len(DEVICES)], phrase)


def make_samples(say: Say, kind: str, wanted: Iterable[PlannedRecording]) -> Iterator[Sample]:
    """Make the recordings, with all that is known of them."""
    spoken = read_languages()
    for index, (person, language, device, text) in enumerate(wanted):
        generator = scene.make_rng(SPEAKERS, kind, index)
        distance = "near" if generator.random() < 0.6 else "far"
        dry = say(text, person.voice(spoken[language][0], generator))
        wet = record_speech(dry, device, distance, generator)
        sidecar = {
            "speaker": person.name,
            "gender": person.gender,
            "language": language,
            "device": device,
            "distance": distance,
            "text": text,
        }
        yield Sample(f"{kind}-{index:04d}", scene.to_pcm16(wet), RATE, sidecar)


def make_speakers(folder: Path) -> None:
    """Make ``speakers_{train,test}_*.tar`` and the trial lists of all tasks about them, named as the real ones."""
    test = draw_people("p", HIGH, LOW)
    variants = {gender: [names[at % len(names)] for at in range(TRAINING // 2)] for gender, names in OTHERS.items()}
    with open_synthesiser() as say:
        made = list(make_samples(say, "test", plan_polyglots("test", test)))
        write_shards(folder, "speakers_test", made)
        train = plan_polyglots("train", draw_people("t", variants["f"], variants["m"]), takes=1)
        write_shards(folder, "speakers_train", make_samples(say, "train", train))
    known = list_recordings(made)
    lists: Mapping[str, PairList] = {
        "random": draw_random_pairs(known, targets=TARGETS, nontargets=NONTARGETS, seed=0),
        "veri_test2": draw_random_pairs(known, targets=TARGETS, nontargets=TARGETS, seed=1),
        "hard": HARD(known, targets=TARGETS, nontargets=NONTARGETS, seed=0),
        "easy": HARD(known, targets=EASY_TARGETS, nontargets=NONTARGETS, seed=0, kind="easy"),
    }
    for name, pairs in lists.items():
        write_trials(folder / f"{name}.txt", pairs, lambda pairs, at: bool(pairs.target[at]))
    buckets = draw_phrase_pairs(known, dict.fromkeys(("TC", "TW", "IC", "IW"), BUCKET), seed=0, text="language")
    write_trials(folder / "TidyVoiceX_Dev.txt", buckets, lambda pairs, at: pairs.sides[pairs.side[at]].startswith("T"))


def make_phrases(folder: Path) -> None:
    """Make ``phrases_test_*.tar`` and ``phrases.txt``, in which only the right person with the right words counts."""
    everybody = draw_people("q", HIGH[:REPEATING], LOW[:REPEATING])
    with open_synthesiser() as say:
        made = list(make_samples(say, "phrase", plan_repeaters(everybody)))
        write_shards(folder, "phrases_test", made)
    pairs = draw_phrase_pairs(list_recordings(made), PHRASE_TRIALS, seed=0)  # type: ignore[arg-type]
    write_trials(folder / "phrases.txt", pairs, lambda pairs, at: bool(pairs.target[at]))


def list_recordings(made: Iterable[Sample]) -> list[Recording]:
    """List the recordings that pairs are drawn from."""
    return [
        Recording(one.key, one.sidecar["speaker"], {k: v for k, v in one.sidecar.items() if k != "speaker"})
        for one in made
    ]


def write_trials(path: Path, pairs: PairList, target: Callable[[PairList, int], bool]) -> None:
    """Write a list in VoxCeleb's form: ``label enrol test``."""
    lines = (
        f"{int(target(pairs, at))} {pairs.keys[pairs.enrol[at]]} {pairs.keys[pairs.test[at]]}\n"
        for at in range(len(pairs))
    )
    path.write_text("".join(lines), encoding="utf-8")
