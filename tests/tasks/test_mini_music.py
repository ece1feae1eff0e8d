"""The played music: official layout and labels, the same bytes twice, no recording or artist on both sides."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import io
import json
import struct
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from bench.types import DataError, Folds
from tasks.labels import read_labels
from tasks.mini.music import genre, instruments, notes, soundfont
from tasks.mini.music.genres import STYLES
from tasks.music import gtzan_genre, nsynthinstument, nsynthpitch
from tests.helpers.skips import SYNTHESISERS, needs_packages

TASKS = {module.NAME: module.TASK for module in (gtzan_genre, nsynthinstument, nsynthpitch)}
pytestmark = needs_packages(SYNTHESISERS[1:], "mini")


def few(patch: pytest.MonkeyPatch) -> None:
    """One or two clips of everything."""
    patch.setattr(notes, "SPLITS", {split: (side, 2) for split, (side, _) in notes.SPLITS.items()})
    patch.setattr(notes, "PITCH_SPLITS", {split: (side, 1) for split, (side, _) in notes.PITCH_SPLITS.items()})
    patch.setattr(genre, "TAKES", (0,))
    patch.setattr(genre, "FOLDS", ("0", "7"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to {shard: [(key, audio, sidecar)]} of a small version."""
    out = {}
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        for name, task in TASKS.items():
            folder = tmp_path_factory.mktemp(name)
            task.mini.make(folder)
            out[name] = {path.name: read(path) for path in sorted(folder.iterdir())}
    return out


def read(path: Path) -> list[tuple[str, np.ndarray, dict]]:
    with tarfile.open(path) as tar:
        names = tar.getnames()
        content = {name: tar.extractfile(name).read() for name in names}
    clips = []
    for audio, sidecar in zip(names[::2], names[1::2], strict=True):
        key = sidecar.removesuffix(".json")
        assert audio in (f"{key}.flac", f"{key}.wav")
        samples, rate = soundfile.read(io.BytesIO(content[audio]))
        assert rate == 16000
        clips.append((key, samples, json.loads(content[sidecar])))
    return clips


@pytest.mark.parametrize("name", TASKS)
def test_every_shard_belongs_to_one_split_and_has_every_class_equally_often(made, name):
    task, shards = TASKS[name], made[name]
    classes = set(task.mini.classes or task.target.classes)
    assert classes <= set(task.target.classes)
    for shard, clips in shards.items():
        assert sum(fnmatch.fnmatch(shard, pattern) for pattern in task.shards.patterns.values()) == 1
        counts = Counter(sidecar[task.target.key] for _, _, sidecar in clips)
        assert set(counts) == classes
        assert len(set(counts.values())) == 1
    keys = [key for clips in shards.values() for key, _, _ in clips]
    if isinstance(task.split, Folds):
        assert len(set(keys)) == len(keys)


def test_vocabularies_are_the_official_ones():
    assert set(STYLES) == set(read_labels("gtzan_genre")) == set(TASKS["gtzan_genre"].target.classes)
    assert set(instruments.FAMILIES) <= set(read_labels("nsynthinstument"))
    assert TASKS["nsynthinstument"].target.classes == read_labels("nsynthinstument")
    assert TASKS["gtzan_genre"].split.names == genre.FOLDS == tuple(map(str, range(10)))


@pytest.mark.parametrize("name", TASKS)
def test_clips_are_audible_and_unclipped(made, name):
    for clips in made[name].values():
        for key, audio, _ in clips:
            assert np.abs(audio).max() < 0.99, key
            assert np.sqrt(np.mean(audio**2)) > 1e-3, key
            assert 0.3 < len(audio) / 16000 < 5, key


def test_bytes_do_not_depend_on_when_they_are_made(tmp_path, monkeypatch):
    few(monkeypatch)
    monkeypatch.setattr(genre, "FOLDS", ("3",))
    monkeypatch.setattr(notes, "SPLITS", {"nsynth_valid": (0, 1), "nsynth_test": (1, 1)})
    for again in ("a", "b"):
        (tmp_path / again).mkdir()
        genre.make_gtzan_genre(tmp_path / again)
        notes.make_nsynthinstument(tmp_path / again)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


# -------------------------------------------------------------------------------------------- what must be disjoint


def heard(clips: list[tuple[str, np.ndarray, dict]]) -> set[int]:
    """The recordings of the bank that sound in the clips, read from the bank itself."""
    known = soundfont.read_zones(soundfont.read_bank())
    notes = {(sidecar["program"], sidecar["pitch"]) for _, _, sidecar in clips}
    return {z.sample for program, pitch in notes for z in known[0, program] if z.low <= pitch <= z.high}


@pytest.mark.parametrize("name", ["nsynthinstument", "nsynthpitch"])
def test_no_recording_of_the_bank_is_in_training_and_test(made, name):
    recordings = {shard.split("_")[1]: heard(clips) for shard, clips in made[name].items()}
    assert all(recordings.values())
    assert not recordings["train"] & recordings["test"]
    assert not recordings["valid"] & recordings["test"]


def test_no_note_that_could_be_drawn_is_on_both_sides():
    plays = instruments.list_playing(instruments.FAMILIES, instruments.list_pitches)
    sides: tuple[set[int], set[int]] = (set(), set())
    for family, both in instruments.share_out_notes().items():
        for side, programs in zip(sides, both, strict=True):
            assert programs, family
            for program, pitches in programs.items():
                assert program in instruments.FAMILIES[family]
                side.update(*(plays[program, pitch] for pitch in pitches))
    assert not sides[0] & sides[1]


def test_pitch_instruments_of_training_and_test_share_no_recording_at_any_key():
    known = soundfont.read_zones(soundfont.read_bank())
    train, test = ({zone.sample for p in side for zone in known[0, p]} for side in notes.PITCH_PROGRAMS)
    assert train
    assert not train & test


@settings(max_examples=100)
@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 9)), st.frozensets(st.integers(0, 9), min_size=1)))
def test_groups_are_the_connected_components(sounding):
    graph = sparse.dok_array((10, 10))
    for together in sounding.values():
        for sample in together:
            graph[min(together), sample] = 1
    _, component = csgraph.connected_components(graph.tocsr(), directed=False)
    found = instruments.group_recordings(sounding)
    assert set(found) == {sample for together in sounding.values() for sample in together}
    for a in found:
        for b in found:
            assert (found[a] == found[b]) == (component[a] == component[b])


def test_splits_share_no_clip(made):
    for name in ("nsynthinstument", "nsynthpitch"):
        seen = [audio.tobytes() for clips in made[name].values() for _, audio, _ in clips]
        assert len(set(seen)) == len(seen)


def test_an_artist_plays_in_one_fold_and_differs_from_the_others():
    artists = {(g, f, w): genre.find_artist(g, f, w) for g in STYLES for f in genre.FOLDS for w in set(genre.TAKES)}
    for style in STYLES:
        mine = [who for (name, _, _), who in artists.items() if name == style]
        assert len({(who.tempo, who.programs) for who in mine}) == len(mine)
        assert len({who.programs for who in mine}) > 5
    assert genre.find_artist("rock", "1", 0) == artists["rock", "1", 0]


def test_sidecars_name_their_fold_and_artist(made):
    folds = defaultdict(set)
    for shard, clips in made["gtzan_genre"].items():
        for _, _, sidecar in clips:
            folds[sidecar["artist"]].add(shard)
            assert f"fold_{sidecar['fold']}_" in shard
    assert all(len(shards) == 1 for shards in folds.values())


def test_genres_overlap_in_tempo_and_instruments():
    for name, style in STYLES.items():
        others = [other for key, other in STYLES.items() if key != name]
        assert any(o.tempo[0] < style.tempo[1] and style.tempo[0] < o.tempo[1] for o in others)
        everyone = {p for o in others for p in (*o.comp_programs, *o.lead_programs)}
        assert everyone & {*style.comp_programs, *style.lead_programs}, name


@pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))
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
    for chords in style.chords:
        assert len(chords) == 4
        assert all(chord[-1] in genre.TRIADS and 0 <= int(chord[:-1]) < 12 for chord in chords)


# ------------------------------------------------------------------------------------------------------ the player


def test_every_pitch_program_sounds_at_the_pitch_of_its_label():
    programs = [program for side in notes.PITCH_PROGRAMS for program in side]
    tones = [
        notes.Tone(f"{program}", program, 57, 100, held=0.7, heard=0.8, detune=0.0) for program in programs
    ]  # A3, 220 Hz
    for tone, audio in notes.play(tones):
        part = audio[3000:11192] * np.hanning(8192)
        spectrum = np.abs(np.fft.rfft(part, 65536))
        frequency = np.fft.rfftfreq(65536, 1 / 16000)
        near = (frequency > 210) & (frequency < 231)
        assert frequency[near][np.argmax(spectrum[near])] == pytest.approx(220, rel=0.025), tone.key
        below = (frequency > 100) & (frequency < 195)  # nothing an octave or fifth below
        assert spectrum[below].max() < 0.5 * spectrum.max(), tone.key


def test_detune_moves_the_pitch_by_its_cents():
    tones = [notes.Tone(f"{cents}", 80, 69, 100, 0.7, 0.8, cents / 100) for cents in (-25, 0, 25)]
    measured = {}
    for tone, audio in notes.play(tones):
        spectrum = np.abs(np.fft.rfft(audio[2000:11192] * np.hanning(9192), 1 << 18))
        low, high = int(420 / 16000 * (1 << 18)), int(460 / 16000 * (1 << 18))
        measured[tone.key] = (low + int(np.argmax(spectrum[low:high]))) * 16000 / (1 << 18)
    assert 1200 * np.log2(measured["25"] / measured["0"]) == pytest.approx(25, abs=3)
    assert 1200 * np.log2(measured["-25"] / measured["0"]) == pytest.approx(-25, abs=3)


def test_a_tone_does_not_ring_into_the_next():
    long, short = (notes.Tone(key, 52, pitch, 120, 0.6, 0.7, 0.0) for key, pitch in (("a", 48), ("b", 72)))
    alone = {tone.key: audio for tone, audio in notes.play([short])}["b"]
    after = {tone.key: audio for tone, audio in notes.play([long, short])}["b"]
    start = slice(0, 4000)
    low = [np.abs(np.fft.rfft(audio[start]))[20:50].max() for audio in (alone, after)]  # 80 to 200 Hz: only the other
    assert low[1] < 3 * low[0] + 0.02 * np.abs(np.fft.rfft(alone[start])).max()


def test_a_missing_package_is_one_clear_error(monkeypatch):
    soundfont.read_bank.cache_clear()
    monkeypatch.setattr(soundfont, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"TimGM6mb\.sf2.*pip install pretty_midi mido midirenderer.*--data"):
        soundfont.read_bank()

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(soundfont, "import_module", absent)
    with pytest.raises(DataError, match=r"no package mido.*pip install"):
        soundfont.write_midi([])
    soundfont.read_bank.cache_clear()


def test_midi_has_every_event_once_in_time():
    mido = importlib.import_module("mido")
    events = [soundfont.Event(0.0, 2, "program_change", (7,)), *soundfont.make_note(2, 0.5, 0.25, 60, 99)]
    events += soundfont.make_note(2, 0.75, 0.25, 60, 50)  # the same key again when the first is let go
    track = mido.MidiFile(file=io.BytesIO(soundfont.write_midi(events))).tracks[0]
    played = [message for message in track if not message.is_meta]
    assert [m.type for m in played] == ["program_change", "note_on", "note_off", "note_on", "note_off"]
    assert np.cumsum([m.time for m in played]).tolist() == [0, 240, 360, 360, 480]


def test_a_wave_without_16_bit_audio_is_an_error():
    with pytest.raises(DataError, match="no audio"):
        soundfont._parse_pcm16(b"RIFF\0\0\0\0WAVE")
    odd = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48000, 0, 4, 24)
    with pytest.raises(DataError, match="24 bits"):
        soundfont._parse_pcm16(odd)
