"""The small LibriCount: none to ten voices that speak at once, in one room, all clips equally loud on average.

Every fold has voices of its own. A voice says a few sentences; a clip takes a stretch of one sentence from each of its
talkers. No two folds share a voice or a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.random import Generator

from tasks.mini.scene import Float, apply_microphone, make_rng, place_in_scene, to_pcm16
from tasks.mini.speech.synthesis import RATE, Say, Voice, open_synthesiser
from tasks.mini.speech.texts import draw_sentences
from tasks.mini.speech.voices import ACCENTS, VARIANTS
from tasks.mini.write import Sample, write_shards

NAME = "libricount"
FOLDS = ("0", "1", "2", "3", "4")
COUNTS = range(11)  # voices at once
PER_COUNT = 10  # clips of each fold
PER_VOICE = 4  # sentences
SECONDS = 2.5


def list_voices(fold: str) -> tuple[str, ...]:
    """List the voice variants of a fold, twelve or more; of two that are nearly the same, one is left out."""
    everyone = sorted({name for part in VARIANTS.values() for name in part} - {"edward2"})
    order = make_rng(NAME, "cast").permutation(len(everyone))
    return tuple(everyone[place] for place in order[FOLDS.index(fold) :: len(FOLDS)])


def record_voices(say: Say, fold: str) -> Mapping[str, list[Float]]:
    """Record ``PER_VOICE`` sentences [N] of each voice, of unit power, in moods, accents and sizes of their own."""
    voices = list_voices(fold)
    at, count = FOLDS.index(fold), len(voices) * PER_VOICE
    most = PER_VOICE * max(len(list_voices(other)) for other in FOLDS)
    texts = draw_sentences("train", most * len(FOLDS), make_rng(NAME, "texts"))[at * most : at * most + count]
    spoken: dict[str, list[Float]] = {name: [] for name in voices}
    for index, text in enumerate(texts):
        name, draw = voices[index % len(voices)], make_rng(NAME, fold, "voice", index)
        accent = ACCENTS[int(draw.integers(len(ACCENTS)))]
        voice = Voice(
            name=f"{accent}+{name}",
            rate=int(draw.integers(140, 205)),
            pitch=int(draw.integers(20, 81)),
            range=int(draw.integers(20, 81)),
            tract=round(float(draw.uniform(0.9, 1.12)), 3),
        )
        dry = say(text, voice)
        spoken[name].append(dry / np.sqrt(np.mean(dry * dry)))
    return spoken


def cut_stretch(sentence: Float, n: int, draw: Generator) -> Float:
    """Cut [n] samples from anywhere in a sentence, which starts again where it ends too soon."""
    looped = np.resize(sentence, max(len(sentence), n) + n)
    at = int(draw.integers(0, len(looped) - n + 1))
    return np.asarray(looped[at : at + n])


def mix_talkers(spoken: Mapping[str, list[Float]], count: int, draw: Generator) -> tuple[tuple[str, ...], Float]:
    """Mix ``count`` different talkers of a fold: (who they are, [N] samples, silent where nobody speaks)."""
    n = round(SECONDS * RATE)
    names = sorted(spoken)
    who = tuple(names[at] for at in draw.permutation(len(names))[:count])
    dry = np.zeros(n)
    for name in who:
        sentence = spoken[name][int(draw.integers(len(spoken[name])))]
        near = 10 ** (draw.uniform(-3.0, 3.0) / 20)
        dry += near * apply_microphone(cut_stretch(sentence, n, draw), draw, RATE, 3.0)
    return who, dry


def make_clips(say: Say, fold: str) -> Iterator[Sample]:
    """Make the clips of one fold, ``PER_COUNT`` for every number of talkers."""
    spoken = record_voices(say, fold)
    for index in range(len(COUNTS) * PER_COUNT):
        count, draw = COUNTS[index % len(COUNTS)], make_rng(NAME, fold, index)
        who, dry = mix_talkers(spoken, count, draw)
        wet = place_in_scene(
            dry,
            draw,
            RATE,
            rt60_range=(0.05, 0.3),
            snr_range_in_db=(12.0, 35.0),
            level_range_in_dbfs=(-32.0, -18.0),
            lead_range_in_s=(0.0, 0.0),
            tail_range_in_s=(0.0, 0.0),
        )
        yield Sample(f"{fold}-{index:05d}", to_pcm16(wet), RATE, {"num_speakers": count, "voices": sorted(who)})


def make_libricount(folder: Path) -> None:
    """Write ``libricount_fold<kk>.tar`` for the five folds into ``folder``.

    Raises DataError when the package that speaks is missing.
    """
    with open_synthesiser() as say:
        for fold in FOLDS:
            write_shards(folder, f"libricount_fold{int(fold):02d}", make_clips(say, fold), name="{stem}.tar")
