"""Acted emotions, sounds of the voice, spoofed voices: official layout, the same bytes twice, nobody in two splits."""

from __future__ import annotations

import fnmatch
import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import list_splits
from bench.evaluation.inputs import read_clusters
from bench.types import ClassLabel, DataError, Task
from tasks.labels import read_labels
from tasks.mini.scene import make_rng
from tasks.mini.signals import RATE
from tasks.mini.speech import asvspoof2015 as asvspoof2015_clips
from tasks.mini.speech import cremad as cremad_clips
from tasks.mini.speech import emotion, prosody, spoof, vocal, voices
from tasks.mini.speech import ravdess as ravdess_clips
from tasks.mini.speech import vocalsound as vocalsound_clips
from tasks.speech import asvspoof2015, cremad, ravdess, vocalsound

MODULES = [cremad, ravdess, vocalsound, asvspoof2015]
each = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
Clip = tuple[str, np.ndarray, dict[str, Any]]


def small(patch: pytest.MonkeyPatch) -> None:
    """Two voices a split, one take of everything."""
    few = {split: variants[:2] for split, variants in voices.VARIANTS.items()}
    patch.setattr(cremad_clips, "VARIANTS", few)
    patch.setattr(spoof, "VARIANTS", few)
    patch.setattr(cremad_clips, "TAKES", dict.fromkeys(cremad_clips.TAKES, 1))
    patch.setattr(ravdess_clips, "ACTORS", {fold: actors[:1] for fold, actors in ravdess_clips.ACTORS.items()})
    patch.setattr(ravdess_clips, "TAKES", 1)
    patch.setattr(vocalsound_clips, "PEOPLE", dict.fromkeys(vocalsound_clips.PEOPLE, (2, 1)))
    patch.setattr(asvspoof2015_clips, "SENTENCES", {"train": 2, "valid": 2, "test": 3})


def read(path: Path) -> list[Clip]:
    with tarfile.open(path) as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    clips = []
    for key in sorted({name.split(".")[0] for name in content}):
        samples, rate = soundfile.read(io.BytesIO(content[f"{key}.flac"]))
        assert rate == RATE
        clips.append((key, samples, json.loads(content[f"{key}.json"])))
    return clips


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to two folders with the same small version."""
    root = tmp_path_factory.mktemp("made")
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        for module in MODULES:
            out[module.NAME] = folders = [root / f"{module.NAME}-{again}" for again in range(2)]
            for folder in folders:
                folder.mkdir()
                module.TASK.mini.make(folder)
    return out


def splits(task: Task, folder: Path) -> dict[str, list[Clip]]:
    shards = sorted(folder.iterdir())
    found = {
        name: [path for path in shards if fnmatch.fnmatch(path.name, task.shards.patterns[name])]
        for name in list_splits(task)
    }
    assert all(len(paths) == 1 for paths in found.values())
    assert len(found) == len(shards)
    return {name: read(paths[0]) for name, paths in found.items()}


# ----------------------------------------------------------------------------------------------------------- tasks


@each
def test_making_twice_gives_the_same_bytes(made, module):
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made[module.NAME])
    assert first == second


@each
def test_every_split_has_the_official_name_and_every_class_equally_often(made, module):
    task: Task = module.TASK
    assert isinstance(task.target, ClassLabel)
    keys: list[str] = []
    for clips in splits(task, made[module.NAME][0]).values():
        counts = Counter(sidecar[task.target.key] for _, _, sidecar in clips)
        assert set(counts) == set(read_labels(module.NAME))
        assert len(set(counts.values())) == 1
        assert all(0 <= task.target(sidecar, key) < task.target.n_classes for key, _, sidecar in clips)
        keys += [key for key, _, _ in clips]
    assert len(set(keys)) == len(keys)


@each
def test_nobody_is_in_two_splits_and_people_are_what_is_resampled(made, module):
    task: Task = module.TASK
    assert task.cluster == "speaker"
    people = [{sidecar["speaker"] for _, _, sidecar in clips} for clips in splits(task, made[module.NAME][0]).values()]
    assert all(people)
    assert sum(map(len, people)) == len(set().union(*people))


@each
def test_official_sidecars_need_no_speaker_but_some_is_an_error(module):
    sidecars = [{module.TASK.target.key: label} for label in read_labels(module.NAME)]
    assert read_clusters(module.TASK, sidecars) is None
    with pytest.raises(DataError, match="cluster key 'speaker'"):
        read_clusters(module.TASK, [*sidecars, {"speaker": "x"}])


@each
def test_clips_are_audible_unclipped_and_neither_short_nor_long(made, module):
    clips = [audio for part in splits(module.TASK, made[module.NAME][0]).values() for _, audio, _ in part]
    levels = np.array([20 * np.log10(np.sqrt(np.mean(audio**2))) for audio in clips])
    seconds = np.array([len(audio) / RATE for audio in clips])
    assert max(np.abs(audio).max() for audio in clips) < 0.99
    assert levels.min() > -50
    assert np.ptp(levels) > 5
    assert 0.2 < seconds.min() < seconds.max() < 8
    assert len({audio.tobytes() for audio in clips}) == len(clips)


def test_voices_are_shared_out_over_folds_and_no_near_copy_is_among_them():
    actors = [variant for fold in ravdess_clips.FOLDS for variant in ravdess_clips.ACTORS[fold]]
    assert set(ravdess_clips.ACTORS) == set(ravdess_clips.FOLDS)
    assert len(actors) == len(set(actors)) == 24
    assert set(actors) <= {variant for split in voices.VARIANTS.values() for variant in split}
    assert not {"edward2", "klatt4", "iven4"} & set(actors)


def test_checksums_name_every_shard():
    for module in MODULES:
        published = module.TASK.mini.sha256
        assert len(published) == len(list_splits(module.TASK))
        for name in list_splits(module.TASK):
            assert len(fnmatch.filter(published, module.TASK.shards.patterns[name])) == 1


# -------------------------------------------------------------------------------------------------------- emotions


def test_every_label_is_a_style_and_styles_differ():
    assert set(cremad_clips.EMOTIONS) == set(read_labels("cremad"))
    assert {*cremad_clips.EMOTIONS.values(), *ravdess_clips.EMOTIONS.values()} == set(emotion.STYLES)
    assert len(set(emotion.STYLES.values())) == len(emotion.STYLES)


def test_an_actor_keeps_his_habit_and_takes_scatter_around_the_style():
    assert (
        emotion.draw_actor("cremad", "f2") == emotion.draw_actor("cremad", "f2") != emotion.draw_actor("cremad", "m1")
    )
    angry = emotion.STYLES["angry"]
    found = [emotion.scatter_style(angry, make_rng("x", take), 0.5) for take in range(400)]
    assert np.mean([style.tilt for style in found]) == pytest.approx(angry.tilt, abs=0.15)
    assert np.std([style.tilt for style in found]) == pytest.approx(0.5 * emotion.SCATTER.tilt, rel=0.15)
    assert emotion.add_styles(angry, emotion.Style()) == angry


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def loudest(x: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 17))) * RATE / (1 << 17))


@settings(max_examples=20)
@given(st.floats(-4, 4))
def test_bending_moves_the_pitch_by_so_many_semitones(semitones):
    x = prosody.bend(tone(500), np.full(RATE, semitones))
    assert loudest(x) == pytest.approx(500 * 2 ** (semitones / 12), rel=0.005)
    assert len(x) == pytest.approx(RATE * 2 ** (-semitones / 12), rel=0.002)


def test_effort_tilts_by_so_much_an_octave_and_breath_keeps_the_level():
    for hertz in (500, 2000):
        gain = 20 * np.log10(prosody.tilt_spectrum(tone(hertz), 3.0)[4000:-4000].std() / tone(hertz)[4000:-4000].std())
        assert gain == pytest.approx(3.0 * np.log2(hertz / 1000), abs=0.1)
    whispered = prosody.breathe(tone(3000), make_rng("b"), 0.8)
    assert np.std(whispered) == pytest.approx(np.std(tone(3000)), rel=0.15)
    flatness = [np.exp(np.mean(np.log(p))) / np.mean(p) for p in map(power, (tone(3000), whispered))]
    assert flatness[1] > 100 * flatness[0]


def power(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2 + 1e-12)


def test_pauses_fall_where_it_is_quiet_and_lengthen_by_what_they_last():
    x = np.concatenate([tone(300, 0.5), np.zeros(1600), tone(300, 0.5)])
    paused = prosody.insert_gaps(x, make_rng("g"), 1, (0.2, 0.2))
    assert len(paused) == len(x) + round(0.2 * RATE)
    assert np.array_equal(paused[paused != 0], x[x != 0])
    assert np.array_equal(prosody.insert_gaps(x, make_rng("g"), 0, (0.2, 0.2)), x)
    assert len(prosody.insert_gaps(x[:2000], make_rng("g"), 5, (0.2, 0.2))) == 2000  # no room for any


def test_stress_widens_what_is_loud_and_what_is_soft():
    x = np.concatenate([tone(300), 0.3 * tone(300)])
    wide, flat = (prosody.stress(x, expand) for expand in (1.5, 0.5))
    loud, soft = slice(4000, 12000), slice(20000, 28000)
    assert wide[soft].std() / wide[loud].std() < 0.3 < flat[soft].std() / flat[loud].std()


# ----------------------------------------------------------------------------------------------- sounds of the voice


@pytest.mark.parametrize("label", vocal.SOUNDS)
def test_a_sound_is_repeatable_and_differs_between_people_and_takes(label):
    def once(name: str, take: int) -> np.ndarray:
        return vocal.SOUNDS[label](vocal.draw_person(name), make_rng("clip", take))

    first = once("a", 0)
    assert np.isfinite(first).all()
    assert 0.1 < len(first) / RATE < 6
    assert first.std() > 1e-3
    np.testing.assert_array_equal(first, once("a", 0))
    assert not np.array_equal(first, once("b", 0))
    assert not np.array_equal(first, once("a", 1))


def test_the_sounds_are_those_of_the_vocabulary():
    assert tuple(vocal.SOUNDS) == read_labels("vocalsound")


# ---------------------------------------------------------------------------------------------------------- spoofing


def test_two_attacks_are_heard_in_the_test_only_and_texts_do_not_tell(made):
    parts = splits(asvspoof2015.TASK, made["asvspoof2015"][0])
    kinds = {name: {sidecar["attack"] for _, _, sidecar in clips} - {"none"} for name, clips in parts.items()}
    assert kinds["test"] == set(spoof.ATTACKS)
    assert kinds["train"] == kinds["valid"] == set(spoof.KNOWN)
    assert len(set(spoof.ATTACKS) - set(spoof.KNOWN)) == 2
    for clips in parts.values():
        said = {
            label: {(s["speaker"], s["text"]) for _, _, s in clips if s["binary_spoof"] == label}
            for label in read_labels("asvspoof2015")
        }
        assert said["human"] == said["spoof"]
        assert all((s["attack"] == "none") == (s["binary_spoof"] == "human") for _, _, s in clips)


@settings(max_examples=25)
@given(st.integers(1, 20000))
def test_frames_put_back_are_the_signal(n):
    x = make_rng("frames", n).standard_normal(n)
    np.testing.assert_allclose(spoof.overlap_add(spoof.split_frames(x), n), x, atol=1e-9)


@pytest.mark.parametrize("hertz", [110.0, 180.0, 330.0])
def test_the_pitch_of_a_buzz_is_found(hertz):
    x = np.sign(tone(hertz)) + 0.01 * make_rng("p").standard_normal(RATE)
    f0, strength = spoof.track_pitch(x)
    assert np.median(f0[5:-5]) == pytest.approx(hertz, rel=0.03)
    assert np.median(strength) > 0.8


@pytest.mark.parametrize("name", spoof.ATTACKS)
def test_an_attack_changes_the_voice_but_keeps_length_and_rough_shape(name):
    x = sum(tone(150 * k, 1.5) / k for k in range(1, 20)) * (1.2 + tone(3, 1.5)) + 0.01 * make_rng("n").standard_normal(
        24000
    )
    forged = spoof.ATTACKS[name](x, make_rng("a"))
    assert np.isfinite(forged).all()
    assert len(forged) == pytest.approx(len(x), rel=0.1)
    assert 0.2 < forged.std() / x.std() < 5
    assert len(forged) != len(x) or (forged - x).std() > 0.02 * x.std()
    bands = [np.log([part.sum() for part in np.array_split(power(y), 12)]) for y in (x, forged)]
    assert np.corrcoef(*bands)[0, 1] > 0.7
    np.testing.assert_array_equal(forged, spoof.ATTACKS[name](x, make_rng("a")))
