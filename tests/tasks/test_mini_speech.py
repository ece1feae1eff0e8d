"""The synthetic speech tasks: official layout and labels, the same bytes twice, nothing shared between the splits."""

from __future__ import annotations

import fnmatch
import importlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.types import ChoiceError, ClassLabel, DataError, Splits, Task
from tasks.labels import list_indices, read_labels
from tasks.mini import checksums, scene
from tasks.mini.speech import synthesis, texts, voices
from tasks.mini.speech import voxceleb1 as voxceleb1_clips
from tasks.mini.speech.synthesis import RATE, Voice, open_synthesiser, resample, trim
from tasks.speech import speechcommandsv1, voxceleb1, voxlingua33

MODULES = [speechcommandsv1, voxceleb1, voxlingua33]
SMALL = {"PER_WORD": 1, "PER_SPEAKER": 1, "PER_LANGUAGE": 1}


@pytest.fixture(scope="module")
def say():
    with open_synthesiser() as spoken:
        yield spoken


def small(module, monkeypatch, folder: Path) -> Path:
    """Make a task with one clip of each class in each split."""
    generator = importlib.import_module(f"tasks.mini.speech.{module.NAME}")
    for name in SMALL:
        if hasattr(generator, name):
            monkeypatch.setattr(generator, name, dict.fromkeys(getattr(generator, name), 1))
    folder.mkdir()
    module.TASK.mini.make(folder)
    return folder


def read(folder: Path, pattern: str) -> list[tuple[str, bytes, dict]]:
    clips = []
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}
        for name, content in files.items():
            if name.endswith(".json"):
                key = name.removesuffix(".json")
                clips.append((key, files.get(f"{key}.wav") or files[f"{key}.flac"], json.loads(content)))
    return clips


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task name to a folder with a small version of it, made twice: (folder, second folder)."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        return {
            module.NAME: tuple(small(module, patch, root / f"{module.NAME}-{again}") for again in range(2))
            for module in MODULES
        }


# ----------------------------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize(
    ("module", "key", "official", "reduced", "patterns", "probe"),
    [
        (speechcommandsv1, "labels", 30, None, {"wds-audio-train*.tar", "wds-audio-valid*.tar", "wds-audio-test*.tar"},
         (10, 64)),
        (voxceleb1, "speakerid", 1251, 36,
         {"voxceleb1_train*.tar", "voxceleb1_valid*.tar", "voxceleb1_test*.tar"}, (10, 32)),
        (voxlingua33, "labels", 33, 20, {"train_subset*.tar", "dev*.tar"}, (10, 64)),
    ],
    ids=lambda value: getattr(value, "NAME", ""),
)  # fmt: skip
def test_task_has_the_official_labels_splits_and_hyperparameters(module, key, official, reduced, patterns, probe):
    task: Task = module.TASK
    assert isinstance(task.target, ClassLabel)
    assert isinstance(task.split, Splits)
    assert task.target.key == key
    assert task.target.n_classes == official == len(set(task.target.classes))
    assert task.mini is not None
    assert (None if task.mini.classes is None else len(task.mini.classes)) == reduced
    assert set(task.mini.classes or ()) <= set(task.target.classes)
    assert set(task.shards.patterns.values()) == patterns
    assert {task.split.train, task.split.valid, task.split.test} == set(task.shards.patterns)
    assert (task.probes[0].epochs, task.probes[0].batch_size) == probe
    assert [p.name for p in task.probes] == ["linear", "knn"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_making_twice_gives_the_same_bytes(made, module):
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made[module.NAME])
    assert first == second


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_every_split_is_balanced_and_readable(made, module):
    task: Task = module.TASK
    folder = made[module.NAME][0]
    classes = set(task.mini.classes or task.target.classes)
    names = [path.name for path in folder.iterdir()]
    assert all(any(fnmatch.fnmatch(name, p) for p in task.shards.patterns.values()) for name in names)
    keys, lengths, levels = [], [], []
    for pattern in task.shards.patterns.values():
        clips = read(folder, pattern)
        assert Counter(sidecar[task.target.key] for _, _, sidecar in clips) == dict.fromkeys(classes, 1)
        for key, encoded, _ in clips:
            audio, rate = soundfile.read(io.BytesIO(encoded))
            assert rate == RATE
            assert audio.ndim == 1
            keys.append(key)
            lengths.append(len(audio) / rate)
            levels.append(20 * np.log10(np.sqrt(np.mean(audio**2))))
    assert len(set(keys)) == len(keys)
    assert 0.2 < min(lengths) < max(lengths) < 8
    assert max(lengths) > 1.3 * min(lengths)
    assert -50 < min(levels) < max(levels) - 10 < 0


@pytest.mark.parametrize("module", [speechcommandsv1, voxlingua33], ids=lambda module: module.NAME)
def test_splits_share_no_voice(made, module):
    task: Task = module.TASK
    known = [
        {sidecar["voice"] for _, _, sidecar in read(made[module.NAME][0], pattern)}
        for pattern in task.shards.patterns.values()
    ]
    assert all(known)
    assert sum(map(len, known)) == len(set().union(*known))


@pytest.mark.parametrize("module", [voxceleb1, voxlingua33], ids=lambda module: module.NAME)
def test_splits_share_no_text(made, module):
    task: Task = module.TASK
    said = [
        [sidecar["text"] for _, _, sidecar in read(made[module.NAME][0], pattern)]
        for pattern in task.shards.patterns.values()
    ]
    assert sum(len(set(split)) for split in said) == len(set().union(*said))


def test_speakers_differ_and_keep_their_voice():
    habits = voxceleb1_clips.draw_speakers()
    assert list(habits) == list(voxceleb1_clips.SPEAKERS)
    assert len({(v.name, v.tract, v.pitch) for v in habits.values()}) == len(habits)
    habit = habits[voxceleb1_clips.SPEAKERS[0]]
    days = [voxceleb1_clips.vary_voice(habit, scene.make_rng(i)) for i in range(50)]
    assert {day.name for day in days} == {habit.name}
    assert all(abs(day.tract / habit.tract - 1) < 0.08 and abs(day.pitch - habit.pitch) <= 18 for day in days)
    assert len({(day.rate, day.pitch, day.range) for day in days}) > 40


# ------------------------------------------------------------------------------------------------- voices and texts


def test_variants_are_shared_out_without_overlap():
    everyone = [variant for split in voices.VARIANTS.values() for variant in split]
    assert len(everyone) == len(set(everyone))


def test_every_voice_of_every_task_speaks(say):
    names = [f"en-us+{variant}" for split in voices.VARIANTS.values() for variant in split]
    names += [*voices.ACCENTS, *(voice for voice, _, _ in texts.read_languages().values())]
    for name in names:
        speech_ = say("7 5", Voice(name))
        assert 0.2 * RATE < len(speech_) < 4 * RATE
        assert np.max(np.abs(speech_)) == pytest.approx(1)


def test_languages_have_twelve_different_phrases_each():
    spoken = texts.read_languages()
    assert set(spoken) <= set(read_labels("voxlingua33"))
    for _, train, test in spoken.values():
        assert (len(train), len(test), len({*train, *test})) == (8, 4, 12)


def test_sentences_of_the_splits_have_no_part_in_common():
    said = {split: texts.draw_sentences(split, 60, scene.make_rng(split)) for split in texts.SHARES}
    assert all(len(set(lines)) == 60 for lines in said.values())
    parts = {split: {tuple(part) for part in _parts(lines)} for split, lines in said.items()}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["valid"]
    assert not parts["valid"] & parts["test"]


def _parts(lines: list[str]) -> list[list[str]]:
    """Neighbouring pairs of words across the parts' borders are ignored: compare whole parts by their verbs."""
    verbs = {word for row in texts._read_rows("english.txt") if row[0] == "did" for word in row[1:]}
    return [[word for word in line.split() if word in verbs] for line in lines]


def test_more_sentences_than_there_are_is_an_error():
    with pytest.raises(DataError, match=r"sentences: got 100000, expected at most \d+"):
        texts.draw_sentences("valid", 100_000, scene.make_rng("x"))


# ----------------------------------------------------------------------------------------------------- synthesiser


def test_equal_sequences_of_calls_give_equal_samples():
    def session() -> list[np.ndarray]:
        with open_synthesiser() as spoken:
            return [spoken(text, Voice("en-us+f2", tract=tract)) for text, tract in (("one", 1.0), ("two", 1.1))]

    for a, b in zip(session(), session(), strict=True):
        assert np.array_equal(a, b)


def test_a_shorter_vocal_tract_raises_the_spectrum_not_the_pace(say):
    def centroid(x: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(x)) ** 2
        return float(np.sum(power * np.arange(len(power))) / np.sum(power) / len(x))

    low, high = (say("seven nine seven nine", Voice("en-us+m3", tract=tract)) for tract in (0.9, 1.15))
    assert centroid(high) > 1.1 * centroid(low)
    assert len(high) == pytest.approx(len(low), rel=0.1)


@pytest.mark.parametrize(
    ("text", "voice", "message"),
    [
        ("one", Voice("xx"), "unknown voice 'xx'"),
        ("one", Voice("en-us+nobody"), "unknown voice variant 'nobody'"),
        ("one", Voice("en-us", pitch=101), "pitch 101 outside 0..100"),
        ("one", Voice("en-us", range=-1), "range -1 outside 0..100"),
        ("", Voice("en-us"), "silence"),
    ],
)
def test_what_the_engine_refuses_is_an_error_and_the_next_call_works(say, text, voice, message):
    with pytest.raises(DataError, match=message.replace("+", r"\+")):
        say(text, voice)
    assert len(say("one", Voice("en-us"))) > 0.1 * RATE


def test_an_engine_that_ends_is_an_error_with_its_last_words(monkeypatch):
    monkeypatch.setattr(synthesis, "PROGRAM", ("-c", "raise SystemExit('no such library')"))
    with pytest.raises(DataError, match=r"ended: got exit 1: no such library"), open_synthesiser():
        pass


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(synthesis, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"pip install espeakng-loader==0\.2\.4 .*--data"), open_synthesiser():
        pass


@pytest.mark.parametrize("ratio", [16_000 / 22_050, 0.5, 1.3])
def test_resampling_keeps_a_tone(ratio: float):
    n, frequency = 11_025, 1000.0
    x = np.sin(2 * np.pi * frequency * np.arange(n) / 22_050) * np.hanning(n)
    y = resample(x, ratio)
    assert len(y) == int(np.ceil(n * ratio))
    power = np.abs(np.fft.rfft(y, 1 << 18)) ** 2
    assert np.argmax(power) / (1 << 18) * 22_050 * ratio == pytest.approx(frequency, rel=0.005)
    assert np.sum(y * y) == pytest.approx(ratio * np.sum(x * x), rel=0.02)
    assert np.max(np.abs(y)) == pytest.approx(1, abs=0.02)


def test_resampling_down_removes_what_would_alias():
    x = np.sin(2 * np.pi * 0.45 * np.arange(8000)) * np.hanning(8000)
    assert np.max(np.abs(resample(x, 0.5))) < 1e-3


def test_trim_leaves_the_sounding_part_at_peak_one():
    x = np.concatenate([np.zeros(100), [0.25, -0.5, 0.25], np.full(50, 1e-4)])
    assert trim(x).tolist() == [0.5, -1.0, 0.5]
    assert trim(np.zeros(5)).tolist() == [0.0] * 5


# ------------------------------------------------------------------------------------------- labels and checksums


@pytest.mark.parametrize(
    ("name", "n", "first", "last"),
    [
        ("asvspoof2015", 2, "human", "spoof"), ("cremad", 6, "H", "N"), ("desed", 10, "Cat", "Frying"),
        ("esc50", 50, "dog", "hand_saw"), ("fluentspeechcommands", 248, "Change language", None),
        ("freemusicarchive", 8, "Hip-Hop", "Instrumental"), ("fsd50k", 200, None, None),
        ("fsdkaggle2018", 41, "Hi-hat", None), ("gtzan_genre", 10, "blues", "rock"),
        ("libricount", 11, "0", "10"), ("liveenv", 28, "Airplane", None), ("maestro", 87, "21", "107"),
        ("nsynthinstument", 11, "guitar", "synth_lead"), ("ravdess", 8, "neutral", "surprised"),
        ("speechcommandsv1", 30, "sheila", "eight"), ("urbansound8k", 10, "air_conditioner", "street_music"),
        ("vocalimitations", 302, None, None), ("vocalsound", 6, "laughter", "sniff"),
        ("voxceleb1", 1251, "id10003", None), ("voxlingua33", 33, "uk", "sr"),
    ],
)  # fmt: skip
def test_vocabularies_are_complete(name: str, n: int, first: str | None, last: str | None):
    classes = read_labels(name)
    assert len(classes) == len(set(classes)) == n
    assert all(classes)
    assert first is None or classes[0] == first
    assert last is None or classes[-1] == last


def test_labels_keep_their_blanks_and_unknown_vocabularies_are_refused():
    assert "BabySound " in read_labels("liveenv")
    assert list_indices("esc50") == tuple(range(50))
    with pytest.raises(ChoiceError, match="unknown label vocabulary: got esc51, expected asvspoof2015, "):
        read_labels("esc51")


def test_checksums_name_every_shard_of_the_speech_tasks():
    assert set(checksums.read_checksums("voxlingua33")) == {"train_subset_2k_0000000.tar", "dev_0000000.tar"}
    for module in MODULES:
        published = module.TASK.mini.sha256
        assert published == checksums.read_checksums(module.NAME)
        assert all(len(digest) == 64 for digest in published.values())
        patterns = module.TASK.shards.patterns.values()
        assert {p for p in patterns for shard in published if fnmatch.fnmatch(shard, p)} == set(patterns)
    assert checksums.read_checksums("no such task") == {}
    assert {module.NAME for module in MODULES} <= set(checksums.list_synthetic())


def test_the_checksum_script_refuses_an_unknown_task():
    with pytest.raises(ChoiceError, match="unknown synthetic task: got nope"):
        checksums.main(["nope"])
