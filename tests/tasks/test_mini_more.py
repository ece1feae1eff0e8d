"""Phrases, crowds, found sounds, imitations and the archive: official layout, same bytes twice, nothing shared."""

from __future__ import annotations

import fnmatch
import inspect
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import list_splits
from bench.types import Task
from tasks.environment import fsdkaggle2018, vocalimitations
from tasks.labels import read_labels
from tasks.mini.environment import found, gestures, imitations, kaggle
from tasks.mini.music import archive, instruments, percussion
from tasks.mini.scene import make_rng, place_in_scene
from tasks.mini.speech import crowd
from tasks.mini.speech import fluentspeechcommands as fluentspeechcommands_clips
from tasks.music import freemusicarchive
from tasks.speech import fluentspeechcommands, libricount
from tests.helpers.skips import SYNTHESISERS, needs_packages

TASKS: dict[str, Task] = {
    module.NAME: module.TASK
    for module in (fluentspeechcommands, libricount, fsdkaggle2018, vocalimitations, freemusicarchive)
}
CLUSTERED = [name for name, task in TASKS.items() if task.cluster]
SOUNDS = {
    name: value
    for module in (percussion, found)
    for name, value in vars(module).items()
    if inspect.isfunction(value) and list(inspect.signature(value).parameters) == ["source", "clip", "n"]
}
pytestmark = needs_packages(SYNTHESISERS, "mini")

Clips = list[tuple[str, np.ndarray, dict]]


def few(patch: pytest.MonkeyPatch) -> None:
    """One or two clips of each class in each part."""
    patch.setattr(fluentspeechcommands_clips, "PER_PHRASE", dict.fromkeys(fluentspeechcommands_clips.PER_PHRASE, 1))
    patch.setattr(crowd, "PER_COUNT", 1)
    patch.setattr(crowd, "PER_VOICE", 1)
    patch.setattr(kaggle, "CLIPS", {split: (side, 1) for split, (side, _) in kaggle.CLIPS.items()})
    patch.setattr(imitations, "IMITATORS", 1)
    patch.setattr(archive, "ARTISTS", {"train": 2, "valid": 1, "test": 1})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to two folders, made one after the other."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        out = {}
        for name, task in TASKS.items():
            out[name] = tuple(root / f"{name}-{again}" for again in range(2))
            for folder in out[name]:
                folder.mkdir()
                task.mini.make(folder)
    return out


def read(folder: Path, pattern: str) -> Clips:
    """(key, audio, sidecar) of the clips of the shards that match."""
    clips = []
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as tar:
            content = {member.name: tar.extractfile(member).read() for member in tar}
        for name, body in content.items():
            if name.endswith(".json"):
                audio, rate = soundfile.read(io.BytesIO(content[name.replace(".json", ".flac")]))
                assert rate == 16000
                clips.append((name, audio, json.loads(body)))
    return clips


def parts(task: Task, folder: Path) -> dict[str, Clips]:
    """Pattern to clips: a validation split that is the test split comes once."""
    return {pattern: read(folder, pattern) for pattern in {task.shards.patterns[name] for name in list_splits(task)}}


@pytest.mark.parametrize("name", TASKS)
def test_making_twice_gives_the_same_bytes(made, name):
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made[name])
    assert first == second


@pytest.mark.parametrize("name", TASKS)
def test_every_part_has_official_names_and_every_class_equally_often(made, name):
    task, folder = TASKS[name], made[name][0]
    found_parts = parts(task, folder)
    for path in folder.iterdir():
        assert sum(fnmatch.fnmatch(path.name, pattern) for pattern in found_parts) == 1
    classes = task.mini.classes or task.target.classes
    assert set(classes) <= set(task.target.classes)
    for clips in found_parts.values():
        counts = Counter(sidecar[task.target.key] for _, _, sidecar in clips)
        assert set(counts) == set(classes)
        assert len(set(counts.values())) == 1
        assert all(type(sidecar[task.target.key]) is type(classes[0]) for _, _, sidecar in clips)
    keys = [key for clips in found_parts.values() for key, _, _ in clips]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", TASKS)
def test_clips_are_audible_unclipped_and_of_different_levels(made, name):
    levels = []
    for clips in parts(TASKS[name], made[name][0]).values():
        for key, audio, _ in clips:
            assert np.abs(audio).max() < 0.99, key
            assert 0.3 < len(audio) / 16000 < 13, key
            levels.append(20 * np.log10(np.sqrt(np.mean(audio**2))))
    assert min(levels) > -60
    assert np.ptp(levels) > 10


@pytest.mark.parametrize("name", CLUSTERED)
def test_no_two_parts_share_what_was_drawn_independently(made, name):
    task = TASKS[name]
    drawn = [
        {sidecar[task.cluster] for _, _, sidecar in clips} for clips in parts(task, made[name][0]).values()
    ]  # a missing key is an error: all clips have it or none
    assert all(drawn)
    assert sum(map(len, drawn)) == len(set().union(*drawn))


# ------------------------------------------------------------------------------------------------------- libricount


def test_no_two_folds_share_a_voice_and_all_can_speak_at_once(made):
    casts = [set(crowd.list_voices(fold)) for fold in crowd.FOLDS]
    assert all(len(cast) > max(crowd.COUNTS) for cast in casts)
    assert sum(map(len, casts)) == len(set().union(*casts))
    for fold in crowd.FOLDS:
        for _, audio, sidecar in read(made["libricount"][0], f"libricount_fold{int(fold):02d}.tar"):
            assert len(set(sidecar["voices"])) == len(sidecar["voices"]) == sidecar["num_speakers"]
            assert set(sidecar["voices"]) <= set(crowd.list_voices(fold))
            assert len(audio) == crowd.SECONDS * 16000


def test_loudness_does_not_give_the_number_of_talkers_away(monkeypatch):
    def at_one_level(*args, **settings):
        return place_in_scene(*args, **{**settings, "level_range_in_dbfs": (-25.0, -25.0)})

    monkeypatch.setattr(crowd, "place_in_scene", at_one_level)
    monkeypatch.setattr(crowd, "PER_COUNT", 2)
    monkeypatch.setattr(crowd, "record_voices", lambda _say, _fold: TALK)
    clips = list(crowd.make_clips(None, "0"))
    assert Counter(clip.sidecar["num_speakers"] for clip in clips) == dict.fromkeys(range(11), 2)
    levels = [20 * np.log10(np.sqrt(np.mean((clip.audio / 32768) ** 2))) for clip in clips]
    assert levels == pytest.approx([-25.0] * 22, abs=0.5)


TALK = {f"voice{index}": [make_rng("talk", index).standard_normal(30000)] for index in range(12)}


@settings(max_examples=40)
@given(st.integers(0, 10), st.integers(0, 999))
def test_a_mixture_has_as_many_talkers_as_it_says(count, seed):
    who, dry = crowd.mix_talkers(TALK, count, make_rng(seed))
    assert len(set(who)) == len(who) == count
    assert dry.shape == (round(crowd.SECONDS * 16000),)
    assert (np.abs(dry).max() > 0) == (count > 0)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 99))
def test_a_stretch_is_a_piece_of_the_repeated_sentence(length, n, seed):
    piece = crowd.cut_stretch(np.arange(length, dtype=float), n, make_rng(seed))
    assert piece.shape == (n,)
    assert np.array_equal((piece - piece[0]) % length, np.arange(n) % length)


# ---------------------------------------------------------------------------------------------------- fsdkaggle2018


def test_no_recording_of_the_bank_is_in_training_and_test():
    heard = instruments.list_playing(kaggle.INSTRUMENTS, kaggle.list_keys)
    sides: tuple[set[int], set[int]] = (set(), set())
    for family, both in instruments.share_out(kaggle.INSTRUMENTS, kaggle.list_keys).items():
        for side, programs in zip(sides, both, strict=True):
            assert programs, family
            for program, pitches in programs.items():
                side.update(*(heard[program, pitch] for pitch in pitches))
    assert not sides[0] & sides[1]


def test_the_vocabulary_is_official_and_no_class_is_made_twice():
    assert not set(kaggle.SOUNDS) & set(kaggle.INSTRUMENTS)
    assert (
        set(kaggle.list_fsdkaggle2018_classes())
        == {*kaggle.SOUNDS, *kaggle.INSTRUMENTS}
        <= set(read_labels("fsdkaggle2018"))
    )
    assert len(set(kaggle.SOUNDS.values())) == len(kaggle.SOUNDS)


@pytest.mark.parametrize("name", sorted(SOUNDS))
def test_a_sound_has_the_asked_length_is_repeatable_and_differs_between_sources(name):
    def once(source: str, n: int) -> np.ndarray:
        return SOUNDS[name](make_rng("source", source), make_rng("clip"), n)

    first = once("a", 30011)
    assert first.shape == (30011,)
    assert np.isfinite(first).all()
    assert first.std() > 1e-4
    np.testing.assert_array_equal(first, once("a", 30011))
    assert not np.array_equal(first, once("b", 30011))


# --------------------------------------------------------------------------------------------------- vocalimitations


def test_every_score_is_of_one_official_label():
    assert [label[:3] for label in imitations.list_classes()] == list(imitations.SCORES)
    assert set(imitations.list_classes()) <= set(read_labels("vocalimitations"))


@pytest.mark.parametrize("number", sorted(imitations.SCORES))
def test_an_imitation_is_repeatable_audible_and_differs_between_imitators(number):
    score = imitations.SCORES[number]
    first, again, other = (
        gestures.imitate(gestures.draw_imitator(make_rng("person", person)), score, make_rng("clip"))
        for person in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert 0.2 < len(first) / 16000 < 6
    assert np.isfinite(first).all()
    assert first.std() > 1e-3
    assert len(first) != len(other) or not np.array_equal(first, other)


@pytest.mark.parametrize(("points", "ratio"), [((1.0, 2.0), 2.0), ((2.0, 1.0), 0.5)])
def test_a_gesture_glides_where_its_contour_goes(points, ratio):
    who = gestures.Imitator(pitch=150, size=1, reach=1, pace=1, rough=0, breath=0, care=0, hiss=1)
    sound = gestures.perform(who, gestures.Gesture(1.2, points, attack=0.01, release=0.01), make_rng("glide"))

    def pitch(part: np.ndarray) -> float:
        auto = np.correlate(part, part, "full")[len(part) - 1 :]
        return 16000 / (40 + int(np.argmax(auto[40:200])))

    first, last = pitch(sound[800:2400]), pitch(sound[-2400:-800])
    assert last / first == pytest.approx(ratio, rel=0.2)


# -------------------------------------------------------------------------------------------------- freemusicarchive


def test_some_clips_are_longer_than_the_crop_in_every_genre(made):
    task = TASKS["freemusicarchive"]
    clips = read(made["freemusicarchive"][0], task.shards.patterns["train"])
    long = [sidecar["genre"] for _, audio, sidecar in clips if len(audio) / 16000 > task.crop_in_s]
    assert Counter(long) == dict.fromkeys(task.target.classes, 1)


@pytest.mark.parametrize("style", [s for styles in archive.GENRES.values() for s in styles])
def test_grids_are_bars_of_sixteen_known_strokes(style):
    for grids, known in (
        (style.kick, "xo."),
        (style.snare, "xo."),
        (style.hat, "xXo."),
        (style.bass, "rfota."),
        (style.comp, "xXob."),
        (style.lead, "x."),
    ):
        for grid in grids:
            assert len(grid) == 16
            assert set(grid) <= set(known)
    assert all(len(chords) == 4 for chords in style.chords)


def test_artists_of_the_archive_differ_from_each_other():
    for genre in read_labels("freemusicarchive"):
        everyone = [
            archive.find_artist(genre, split, number) for split, n in archive.ARTISTS.items() for number in range(n)
        ]
        assert len({(who.tempo, who.programs) for who in everyone}) == len(everyone)
        assert archive.find_artist(genre, "test", 0) == archive.find_artist(genre, "test", 0)
