"""The synthetic Clotho: official layout, five captions that tell the scene truly, no source heard twice."""

from __future__ import annotations

import fnmatch
import io
import itertools
import json
import tarfile
from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.dataset import adapt_to_suite, list_splits
from tasks.environment import clotho
from tasks.mini.environment import captions, wording
from tasks.mini.environment.wording import BACKGROUNDS, EVENTS, NAMES, PLACES, Scene, SceneSound
from tasks.mini.scene import make_rng

RATE = 16000
SPLITS = tuple(captions.CLIPS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{shard: [(key, audio, sidecar)]} with a tenth of the clips."""
    folder = tmp_path_factory.mktemp("clotho")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captions, "CLIPS", {split: count // 10 for split, count in captions.CLIPS.items()})
        captions.make_clotho(folder)
    return {path.name: read(path) for path in sorted(folder.iterdir())}


def read(path):
    with tarfile.open(path) as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}
    clips = []
    for key in sorted({name.split(".")[0] for name in content}):
        audio, rate = soundfile.read(io.BytesIO(content[f"{key}.flac"]))
        assert rate == RATE
        clips.append((key, audio, json.loads(content[f"{key}.json"])))
    return clips


told = st.builds(SceneSound, st.sampled_from(sorted(EVENTS)), st.booleans(), st.integers(1, 3))
behind = st.builds(SceneSound, st.sampled_from(sorted(BACKGROUNDS)), st.booleans())
all_scenes = st.builds(
    Scene, st.lists(told, max_size=2).map(tuple), st.none() | behind, st.sampled_from(sorted(PLACES)), st.booleans()
).filter(lambda scene: scene.events or scene.background)


def test_every_split_has_its_shard_and_every_sidecar_is_five_captions(made):
    task = adapt_to_suite(clotho.TASK, "mini")
    for split in list_splits(task):
        (mine,) = [shard for shard in made if fnmatch.fnmatch(shard, task.shards.patterns[split])]
        for key, _, sidecar in made[mine]:
            told_of = task.target(sidecar, key)
            assert len(set(told_of)) == 5, told_of


def test_clips_are_audible_unclipped_and_vary_in_level_and_length(made):
    clips = [audio for shard in made.values() for _, audio, _ in shard]
    levels = np.array([20 * np.log10(np.sqrt(np.mean(audio**2))) for audio in clips])
    seconds = np.array([len(audio) / RATE for audio in clips])
    assert max(np.abs(audio).max() for audio in clips) < 0.99
    assert levels.min() > -60
    assert np.ptp(levels) > 10
    assert seconds.min() >= 2
    assert seconds.max() <= 7
    assert np.median(seconds) < 4


def test_a_loud_scene_is_louder_than_a_quiet_one(made):
    for split, clips in zip(sorted(SPLITS), made.values(), strict=True):
        by_key = {key: np.sqrt(np.mean(audio**2)) for key, audio, _ in clips}
        loud = {f"{split}{at:04d}": scene.loud for at, scene in enumerate(scenes(split, len(clips)))}
        assert min(by_key[key] for key in loud if loud[key]) > max(by_key[key] for key in loud if not loud[key])


def scenes(split, count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captions, "CLIPS", {split: count})
        return list(captions.draw_scenes(split))


def test_no_source_sounds_in_two_clips(monkeypatch):
    """A source is a name; what it is like depends on the name alone."""
    heard = []

    def silent(sound, name, source, take, low, high):
        heard.append((source, take))
        return np.ones(RATE)

    monkeypatch.setattr(captions, "record_sound", silent)
    for split in SPLITS:
        for index, scene in enumerate(captions.draw_scenes(split)):
            before = len(heard)
            captions.synthesise_scene(scene, f"{split}{index:04d}", make_rng("x"))
            assert all(source.startswith(f"{split}{index:04d}-") for source, _ in heard[before:])
            assert len(heard) > before
    assert len(set(heard)) == len(heard)


@pytest.mark.parametrize("split", SPLITS)
def test_sounds_shapes_and_places_come_about_equally_often(split):
    found = list(captions.draw_scenes(split))
    assert len(found) == captions.CLIPS[split]
    sounds = Counter(one.sound for scene in found for one in (*scene.events, *filter(None, [scene.background])))
    assert set(sounds) == set(NAMES) == set(captions.SOUNDS)
    assert {len(scene.events) + (scene.background is not None) for scene in found} == {1, 2, 3}
    assert all(sum(one.times for one in scene.events) <= 4 for scene in found)
    places = Counter(scene.place for scene in found)
    assert min(places.values()) > len(found) / 6


def test_sounds_are_in_the_order_and_number_that_the_scene_tells(monkeypatch):
    """Told by ticks instead of sounds: where each begins."""
    calls = []
    monkeypatch.setattr(captions, "synthesise_source", lambda one, *_: calls.append(one.sound) or np.ones(10))
    scene = Scene((SceneSound("dog", False, 2), SceneSound("cat", True, 1)), None, "room", True)
    dry = captions.synthesise_scene(scene, "x", make_rng("y"))
    assert calls == ["dog", "dog", "cat"]
    begins = np.flatnonzero(np.diff(dry, prepend=0.0) > 0.5)
    assert len(begins) == 3
    assert (np.diff(begins) > 10).all()


def test_what_is_far_is_lower_and_duller():
    near, far = (captions.synthesise_source(SceneSound("rain", one), "s", 0, 1.5) for one in (False, True))
    assert np.std(far) < 0.6 * np.std(near)
    share = [
        np.sum(np.abs(np.fft.rfft(x))[len(x) // 4 :] ** 2) / np.sum(np.abs(np.fft.rfft(x)) ** 2) for x in (near, far)
    ]
    assert share[1] < share[0]


class TestWording:
    @given(all_scenes, st.integers(0, 999))
    def test_is_a_true_sentence_about_every_sound_and_nothing_else(self, scene, seed):
        there = {one.sound for one in (*scene.events, *filter(None, [scene.background]))}
        for caption in wording.write_captions(make_rng("wording", seed), scene, 5):
            text = caption.lower()
            assert caption[0].isupper()
            assert caption.endswith(".")
            assert "  " not in caption
            assert " ." not in caption
            named = {
                name for name, said in NAMES.items() if any(phrase in text for phrase in said.clauses + said.nouns)
            }
            assert named == there, caption
            wrong = itertools.chain.from_iterable(said for place, said in PLACES.items() if place != scene.place)
            assert not any(phrase in text for phrase in wrong), caption
            if not any(one.far for one in (*scene.events, *filter(None, [scene.background]))):
                assert not any(phrase in text for phrase in wording.FAR[True]), caption
            assert not any(f" {level} " in text for level in wording.LEVEL[not scene.loud]), caption

    @given(all_scenes.filter(lambda scene: len({one.sound for one in scene.events}) == 2), st.integers(0, 999))
    def test_keeps_the_order_of_events_but_in_a_recording(self, scene, seed):
        for caption in wording.write_captions(make_rng("order", seed), scene, 6):
            if "recording" in caption:
                continue
            text = caption.lower()
            said = [NAMES[one.sound].clauses + NAMES[one.sound].nouns for one in scene.events]
            first, second = (min(text.find(phrase) for phrase in own if phrase in text) for own in said)
            assert first < second, caption

    def test_uses_every_phrase(self):
        text = " ".join(
            caption.lower()
            for split in SPLITS
            for index, scene in enumerate(captions.draw_scenes(split))
            for caption in wording.write_captions(make_rng(index, split), scene, 6)
        )
        for said in (*(both.clauses + both.nouns for both in NAMES.values()), *PLACES.values()):
            assert all(phrase in text for phrase in said)
