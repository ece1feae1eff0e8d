"""The synthetic environmental sounds: official layout and labels, the same bytes twice, no source in two folds."""

from __future__ import annotations

import fnmatch
import inspect
import io
import json
import tarfile
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.types import Folds
from tasks.environment import esc50, urbansound8k
from tasks.labels import read_labels
from tasks.mini import signals
from tasks.mini.environment import creatures, household, impacts, machines, recordings, textures
from tasks.mini.scene import make_rng
from tasks.mini.write import write_shards

MODULES = (creatures, household, impacts, machines, textures)
SOUNDS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and value.__module__ == module.__name__
    and list(inspect.signature(value).parameters) == ["source", "clip", "n"]
}
FOLDS = {"esc50": ("1", "4"), "urbansound8k": ("1", "10")}
TASKS = {"esc50": esc50.TASK, "urbansound8k": urbansound8k.TASK}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to (folder, {shard: [(key, audio, sidecar)]}) of two folds, one clip per class in each."""
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "ESC50_TAKES", (0,))
        patch.setattr(recordings, "URBAN_TAKES", (0,))
        patch.setattr(recordings, "ESC50_FOLDS", FOLDS["esc50"])
        patch.setattr(recordings, "URBAN_FOLDS", FOLDS["urbansound8k"])
        for name, make in (("esc50", recordings.make_esc50), ("urbansound8k", recordings.make_urbansound8k)):
            folder = tmp_path_factory.mktemp(name)
            make(folder)
            out[name] = folder, {path.name: read(path) for path in sorted(folder.iterdir())}
    return out


def read(path: Path) -> list[tuple[str, np.ndarray, dict]]:
    with tarfile.open(path) as tar:
        names = tar.getnames()
        content = {name: tar.extractfile(name).read() for name in names}
    assert len(set(names)) == len(names)
    clips = []
    for audio, sidecar in zip(names[::2], names[1::2], strict=True):  # a sample's files lie side by side
        key = sidecar.removesuffix(".json")
        assert audio in (f"{key}.flac", f"{key}.wav")
        samples, rate = soundfile.read(io.BytesIO(content[audio]))
        assert rate == 16000
        clips.append((key, samples, json.loads(content[sidecar])))
    return clips


@pytest.mark.parametrize("name", TASKS)
def test_shards_have_the_official_names_and_every_fold_every_class(made, name):
    task, (_, shards) = TASKS[name], made[name]
    assert isinstance(task.split, Folds)
    assert set(task.shards.patterns) == set(task.split.names) > set(FOLDS[name])
    target, classes = task.target, set(task.mini.classes or task.target.classes)
    claimed = set()
    for pattern in (task.shards.patterns[fold] for fold in FOLDS[name]):
        mine = [shard for shard in shards if fnmatch.fnmatch(shard, pattern)]
        assert len(mine) == 1
        claimed |= set(mine)
        found = [sidecar[target.key] for _, _, sidecar in shards[mine[0]]]
        assert set(found) == classes
        assert len(found) == len(classes)
        assert all(0 <= target(sidecar, "test") < target.n_classes for _, _, sidecar in shards[mine[0]])
    assert claimed == set(shards)


def test_esc50_numbers_are_those_of_the_official_names(made):
    names = read_labels("esc50")
    for clips in made["esc50"][1].values():
        assert all(names[sidecar["label"]] == sidecar["category"] for _, _, sidecar in clips)
    assert esc50.TASK.mini.classes == tuple(sorted(esc50.TASK.mini.classes))
    assert urbansound8k.TASK.target.classes == read_labels("urbansound8k")
    assert set(recordings.URBAN_SOUNDS) == set(read_labels("urbansound8k"))


@pytest.mark.parametrize("name", TASKS)
def test_no_source_sounds_in_two_folds(made, name):
    folds = defaultdict(set)
    keys = []
    for shard, clips in made[name][1].items():
        for key, _, sidecar in clips:
            folds[sidecar["source"]].add(shard)
            keys.append(key)
    assert all(len(shards) == 1 for shards in folds.values())
    assert len(set(keys)) == len(keys)


def test_all_takes_of_a_fold_name_their_fold_in_their_source():
    sources = {
        fold: {s.sidecar["source"] for s in islice(recordings.make_urban_clips(fold), 8)} for fold in ("1", "10")
    }
    assert not sources["1"] & sources["10"]
    assert {len(names) for names in sources.values()} == {4}


@pytest.mark.parametrize("name", TASKS)
def test_clips_are_audible_unclipped_and_vary_in_length_and_level(made, name):
    clips = [audio for shard in made[name][1].values() for _, audio, _ in shard]
    peaks = np.array([np.abs(audio).max() for audio in clips])
    levels = np.array([20 * np.log10(np.sqrt(np.mean(audio**2))) for audio in clips])
    seconds = np.array([len(audio) / 16000 for audio in clips])
    assert peaks.max() < 0.99
    assert levels.min() > -60
    assert np.ptp(levels) > 12
    assert seconds.min() > 1.2
    assert seconds.max() < 6
    assert len(set(seconds)) > 0.8 * len(seconds)


def test_bytes_do_not_depend_on_when_they_are_made(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_rng("unrelated", name).standard_normal(100)
        write_shards(tmp_path / name, "esc", islice(recordings.make_esc50_clips("2"), 12))
        write_shards(tmp_path / name, "urban", islice(recordings.make_urban_clips("7"), 6))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


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


def test_harmonics_agree_with_a_sum_of_sines():
    frequency = np.linspace(300.0, 900.0, 8000)
    gains = [1.0, 0.5, 0.0, 0.25]
    angle = 2 * np.pi * np.cumsum(frequency) / 16000
    expected = sum(gain * np.sin((k + 1) * angle) for k, gain in enumerate(gains))
    np.testing.assert_allclose(signals.synthesise_harmonics(frequency, gains), expected, atol=1e-9)
    assert np.abs(signals.synthesise_harmonics(np.full(800, 4000.0), [0.0, 1.0])).max() == 0  # 8 kHz would alias


@settings(max_examples=30)
@given(st.floats(-8, 2), st.integers(64, 20000))
def test_coloured_noise_has_unit_power_and_its_slope(slope, n):
    x = signals.make_noise(make_rng("noise", n), n, slope)
    assert x.shape == (n,)
    if slope != 0:
        assert np.mean(x * x) == pytest.approx(1.0)
    if n > 10000:
        power = np.abs(np.fft.rfft(x)) ** 2
        frequency = np.fft.rfftfreq(n, 1 / 16000)
        octaves = [power[(frequency > f) & (frequency <= 2 * f)].mean() for f in (250, 500, 1000, 2000, 4000)]
        measured = np.polyfit(np.arange(5), 10 * np.log10(octaves), 1)[0]
        assert measured == pytest.approx(slope, abs=1.0)


@settings(max_examples=50)
@given(st.floats(-2, 3), st.integers(1, 300), st.integers(1, 300))
def test_adding_an_event_never_touches_anything_else(start, size, length):
    out = np.zeros(size)
    signals.mix_into(out, start / 100, np.ones(length))
    at = round(start / 100 * 16000)
    expected = np.zeros(size)
    for index in range(max(0, at), min(size, at + length)):
        expected[index] = 1.0
    np.testing.assert_array_equal(out, expected)
