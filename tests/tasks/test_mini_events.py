"""The synthetic scenes of several events: official layout, labels that say what sounds when, no source heard twice."""

from __future__ import annotations

import fnmatch
import io
import json
import tarfile
from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import adapt_to_suite, list_splits
from tasks.environment import desed, fsd50k
from tasks.mini.environment import events
from tasks.mini.scene import make_rng
from tasks.mini.write import write_shards

RATE = 16000
TASKS = {"fsd50k": fsd50k.TASK, "desed": desed.TASK}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to {shard: [(key, audio, sidecar)]} with a tenth of the clips."""
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "FSD50K_CLIPS", {split: count // 10 for split, count in events.FSD50K_CLIPS.items()})
        patch.setattr(events, "DESED_CLIPS", {split: count // 10 for split, count in events.DESED_CLIPS.items()})
        for name, make in (("fsd50k", events.make_fsd50k), ("desed", events.make_desed)):
            folder = tmp_path_factory.mktemp(name)
            make(folder)
            out[name] = {path.name: read(path) for path in sorted(folder.iterdir())}
    return out


def read(path):
    with tarfile.open(path) as tar:
        content = {name: tar.extractfile(name).read() for name in tar.getnames()}
    clips = []
    for key in sorted({name.split(".")[0] for name in content}):
        samples, rate = soundfile.read(io.BytesIO(content[f"{key}.flac"]))
        assert rate == RATE
        clips.append((key, samples, json.loads(content[f"{key}.json"])))
    return clips


def sources(sidecar):
    return sidecar["sources"] if isinstance(sidecar, dict) else [event["source"] for event in sidecar]


@pytest.mark.parametrize("name", TASKS)
def test_every_split_has_its_shard_and_every_sidecar_is_a_target_of_the_small_task(made, name):
    task = adapt_to_suite(TASKS[name], "mini")
    claimed = []
    for split in list_splits(task):
        mine = [shard for shard in made[name] if fnmatch.fnmatch(shard, task.shards.patterns[split])]
        assert len(mine) == 1
        claimed += mine
        targets = [task.target(sidecar, "test") for _, _, sidecar in made[name][mine[0]]]
        assert task.target.stack(targets).any(axis=1).all()
    assert sorted(claimed) == sorted(made[name])


@pytest.mark.parametrize("name", TASKS)
def test_no_source_sounds_in_two_clips(made, name):
    heard = [source for clips in made[name].values() for _, _, sidecar in clips for source in sources(sidecar)]
    assert len(set(heard)) == len(heard) > 20
    keys = [key for clips in made[name].values() for key, _, _ in clips]
    assert len(set(keys)) == len(keys)


def test_the_small_vocabulary_of_fsd50k_has_no_class_twice_and_all_are_used(made):
    classes = TASKS["fsd50k"].mini.classes
    assert len(classes) == len(events.FSD50K_SOUNDS) == len(set(events.FSD50K_SOUNDS.values()))
    found = Counter(
        label
        for clips in made["fsd50k"].values()
        for _, _, sidecar in clips
        for label in sidecar["soundevent"].split(";")
    )
    assert set(found) == set(classes)
    lengths = {len(sidecar["soundevent"].split(";")) for clips in made["fsd50k"].values() for _, _, sidecar in clips}
    assert lengths == {1, 2, 3}


def test_desed_events_lie_within_the_clip_in_order_and_one_class_never_overlaps_itself(made):
    assert set(events.DESED_SOUNDS) == set(TASKS["desed"].target.classes)
    counts = set()
    for clips in made["desed"].values():
        for _, audio, sidecar in clips:
            seconds = len(audio) / RATE
            assert seconds == 10
            counts.add(len(sidecar))
            assert all(0 <= event["onset"] < event["offset"] <= seconds for event in sidecar)
            onsets = [event["onset"] for event in sidecar]
            assert onsets == sorted(onsets)
            for label in {event["label"] for event in sidecar}:
                mine = [event for event in sidecar if event["label"] == label]
                assert all(a["offset"] <= b["onset"] for a, b in pairwise(mine))
    assert counts <= set(range(1, 7))
    assert len(counts) > 2


def test_a_clip_is_louder_during_its_event_than_before_it(made):
    gains = []
    for clips in made["desed"].values():
        for _, audio, sidecar in clips:
            first = min(event["onset"] for event in sidecar)
            if first > 0.5:
                during = np.concatenate([audio[int(e["onset"] * RATE) : int(e["offset"] * RATE)] for e in sidecar])
                before = audio[: int(first * RATE)]
                gains.append(10 * np.log10(np.mean(during**2) / np.mean(before**2)))
    assert len(gains) >= 5
    assert min(gains) > 1


@pytest.mark.parametrize("name", TASKS)
def test_clips_are_audible_unclipped_and_vary_in_level(made, name):
    clips = [audio for shard in made[name].values() for _, audio, _ in shard]
    levels = np.array([20 * np.log10(np.sqrt(np.mean(audio**2))) for audio in clips])
    assert max(np.abs(audio).max() for audio in clips) < 0.99
    assert levels.min() > -60
    assert np.ptp(levels) > 10
    assert all(2 <= len(audio) / RATE <= 10 for audio in clips)


def test_bytes_do_not_depend_on_when_they_are_made(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_rng("unrelated", name).standard_normal(100)
        write_shards(tmp_path / name, "fsd", islice(events.make_fsd50k_clips("eval"), 6))
        write_shards(tmp_path / name, "desed", islice(events.make_desed_clips("eval"), 3))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@settings(max_examples=50)
@given(st.integers(1, 8), st.integers(1, 60), st.integers(0, 5))
def test_a_deal_has_no_class_twice_and_is_even_over_clips(classes, clips, seed):
    all_classes = tuple("abcdefgh"[:classes])
    most = min(3, classes)
    hands = list(events.deal(make_rng("deal", seed), all_classes, clips, most))
    assert len(hands) == clips
    assert all(1 <= len(hand) == len(set(hand)) <= most and set(hand) <= set(all_classes) for hand in hands)
    if most == 1:  # nothing is left over in a pack: the counts differ by one at most
        counts = Counter(hand[0] for hand in hands)
        assert max(counts.values()) - min(counts.get(name, 0) for name in all_classes) <= 1


@settings(max_examples=30)
@given(st.integers(0, 8000), st.integers(400, 16000), st.integers(0, 8000), st.floats(1e-3, 1e3))
def test_silence_around_a_sound_is_cut_to_the_frame_and_its_level_is_one(before, length, after, gain):
    tone = gain * np.sin(2 * np.pi * 1000 / RATE * np.arange(length))
    heard = events.trim_silence(np.concatenate([np.zeros(before), tone, np.zeros(after)]))
    frame = 320
    assert length - 2 * frame <= len(heard) <= length + 2 * frame
    assert heard[0] == 0
    if length > 4000:
        assert np.sqrt(np.mean(heard[1000:-1000] ** 2)) == pytest.approx(1.0, rel=0.12)
