"""The played piano: official layout, notes within the clip, every key in training and test, no recording in both."""

from __future__ import annotations

import fnmatch
import io
import json
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import adapt_to_suite
from bench.types import Event
from tasks.mini.music import piano, soundfont
from tasks.mini.scene import make_rng
from tasks.music.maestro import TASK
from tests.helpers.skips import SYNTHESISERS, needs_packages

sampled = needs_packages(SYNTHESISERS[1:], "mini")
EVERY = {
    split: [piano.compose_take(split, take)[1] for take in range(count)] for split, (_, count) in piano.SPLITS.items()
}


def read(path: Path) -> list[tuple[str, np.ndarray, Any]]:
    with tarfile.open(path) as tar:
        names = tar.getnames()
        content = {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    clips = []
    for audio, sidecar in zip(names[::2], names[1::2], strict=True):
        samples, rate = soundfile.read(io.BytesIO(content[audio]))
        assert rate == 16000
        clips.append((sidecar.removesuffix(".json"), samples, json.loads(content[sidecar])))
    return clips


def few(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(piano, "SPLITS", {split: (side, 2) for split, (side, _) in piano.SPLITS.items()})


@sampled
def test_shards_have_official_names_and_sidecars_list_the_notes_of_the_clip(tmp_path, monkeypatch):
    few(monkeypatch)
    piano.make_maestro(tmp_path)
    small = adapt_to_suite(TASK, "mini")
    shards = sorted(path.name for path in tmp_path.iterdir())
    for pattern in TASK.shards.patterns.values():
        assert len(fnmatch.filter(shards, pattern)) == 1
    heard = set()
    for path in tmp_path.iterdir():
        for key, audio, sidecar in read(path):
            events = small.target(sidecar, key)
            assert events == tuple(Event(n["start"], n["end"], n["note"] - piano.KEYS[0]) for n in sidecar)
            assert [n["start"] for n in sidecar] == sorted(n["start"] for n in sidecar)
            assert all(n["end"] < len(audio) / 16000 for n in sidecar)
            assert 5 <= len(audio) / 16000 <= 8
            assert np.abs(audio).max() < 0.99
            assert np.sqrt(np.mean(audio**2)) > 1e-3
            heard.add(audio.tobytes())
    assert len(heard) == 6


@sampled
def test_bytes_do_not_depend_on_when_they_are_made(tmp_path, monkeypatch):
    few(monkeypatch)
    for again in ("a", "b"):
        (tmp_path / again).mkdir()
        piano.make_maestro(tmp_path / again)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@sampled
def test_no_recording_of_the_bank_is_in_training_and_test():
    known = soundfont.read_zones(soundfont.read_bank())
    train, test = ({zone.sample for p in side for zone in known[0, p]} for side in piano.PROGRAMS)
    assert train
    assert test
    assert not train & test
    assert piano.SPLITS["maestro_train"][0] == piano.SPLITS["maestro_valid"][0] != piano.SPLITS["maestro_test"][0]


@sampled
@pytest.mark.parametrize("program", sorted({program for side in piano.PROGRAMS for program in side}))
def test_a_key_sounds_when_and_at_what_pitch_the_sidecar_says(program):
    audio = piano.play([piano.Note(0.5, 1.2, 57, 100)], program, 2.0)  # A3, 220 Hz
    assert not np.any(audio[: round(0.495 * 16000)])
    loud = np.abs(audio).max()
    assert np.abs(audio[8000:8320]).max() > 0.1 * loud  # within 20 ms
    spectrum = np.abs(np.fft.rfft(audio[9000:17192] * np.hanning(8192), 1 << 16))
    frequency = np.fft.rfftfreq(1 << 16, 1 / 16000)
    near = (frequency > 210) & (frequency < 231)
    assert frequency[near][np.argmax(spectrum[near])] == pytest.approx(220, rel=0.01)
    below = (frequency > 60) & (frequency < 195)
    assert spectrum[below].max() < 0.1 * spectrum.max()


def test_every_key_is_played_in_training_and_test_and_no_other():
    for split in ("maestro_train", "maestro_test"):
        assert {note.pitch for notes in EVERY[split] for note in notes} == set(piano.KEYS)
    assert {note.pitch for notes in EVERY["maestro_valid"] for note in notes} <= set(piano.KEYS)
    assert adapt_to_suite(TASK, "mini").target.classes == piano.KEYS
    assert set(piano.KEYS) <= set(TASK.target.classes)


def test_no_piece_is_played_twice():
    tunes = [tuple(note.pitch for note in notes) for pieces in EVERY.values() for notes in pieces]
    assert len(set(tunes)) == len(tunes)


def test_several_keys_sound_together_but_not_all_the_time():
    for pieces in EVERY.values():
        sounding = np.array(
            [sum(n.start <= t < n.end for n in notes) for notes in pieces for t in np.arange(1, 4, 0.1)]
        )
        assert (sounding == 0).any()
        assert 1.5 < sounding.mean() < 4


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.integers(0, 11))
def test_notes_are_sorted_within_the_clip_and_a_key_is_held_by_one_finger(seed, tonic):
    notes, seconds = piano.compose(make_rng("test", seed), tonic)
    assert 5 <= seconds <= 8
    assert notes
    assert [n.start for n in notes] == sorted(n.start for n in notes)
    for n in notes:
        assert 0 <= n.start < n.end < seconds
        assert n.pitch in piano.KEYS
        assert 1 <= n.velocity <= 127
    for pitch in piano.KEYS:
        mine = [n for n in notes if n.pitch == pitch]
        assert all(a.end < b.start for a, b in pairwise(mine))


@given(st.integers(0, 127), st.integers(0, 60), st.integers(11, 40))
def test_folding_moves_by_octaves_into_the_range(pitch, low, width):
    found = piano.fold_pitch(pitch, low, low + width)
    assert low <= found <= low + width
    assert (found - pitch) % 12 == 0
    assert found == pitch or not low <= pitch <= low + width


def test_a_key_struck_again_is_let_go_first():
    first, again, both = piano.Note(0.0, 1.0, 60, 90), piano.Note(0.5, 1.5, 60, 80), piano.Note(0.51, 2.0, 60, 80)
    other = piano.Note(0.2, 2.0, 64, 80)
    kept = piano.release_repeated([both, again, other, first])
    assert kept == [piano.Note(0.0, 0.49, 60, 90), other, again]
