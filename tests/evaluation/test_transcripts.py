"""The pipeline of a transcription task: shards -> frames -> transcripts -> Score, and the small LibriSpeech."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest

from bench.datasets.dataset import adapt_to_suite, prepare_dataset
from bench.evaluation.pipelines import FunctionPipeline, choose_pipeline
from bench.evaluation.scores import Evaluation
from bench.evaluation.transcripts import CUT, embed_transcripts, evaluate_transcripts
from bench.extraction.batched_chunk import Progress
from bench.extraction.loaded import load_encoder
from bench.leaderboard.files import predictions
from bench.metrics.error_rates import build_word_error_rate_inverse, to_plain_words
from bench.probes import SmallLM, SpeechToText
from bench.types import DataError, Settings, Task, Transcript
from tasks.mini.speech import books
from tasks.mini.speech.synthesis import open_synthesiser
from tasks.mini.write import Sample, write_shards
from tasks.speech import librispeech, librispeechmalefemale
from tests.evaluation.test_events import Spectrum
from tests.helpers import toys

SILENT: Progress = lambda clips, encoded: None  # noqa: E731
PROBE = SpeechToText(
    epochs=14, learning_rate=5e-3, batch_size=8, language_model=SmallLM(layers=2, width=32), stack=2,
    max_new_tokens=5, repetition_penalty=1.0,
)  # fmt: skip


def said(split: str, n: int) -> list[Sample]:
    """``n`` clips of one or two tones, which are their words; two clips of each speaker."""
    made = []
    for i in range(n):
        words = [(i + len(split)) % 3, *([(i // 3) % 3] if i % 2 else [])]
        audio = np.concatenate(
            [toys.tone(word, 100 * ord(split[1]) + 2 * i + at, 0.12) for at, word in enumerate(words)]
        )
        text = " ".join(toys.CLASSES[word].upper() for word in words)
        made.append(Sample(f"{split}-{i:03d}", audio, toys.RATE, {"trans": text, "speaker": f"{split}{i // 2}"}))
    return made


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "name": "spoken",
        "target": Transcript("trans"),
        "metric": build_word_error_rate_inverse(to_plain_words),
        "probes": (PROBE,),
    }
    return toys.task(**{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "spoken"
    folder.mkdir()
    for split, n in (("train", 180), ("valid", 12), ("test", 18)):
        write_shards(folder, split, said(split, n), per_shard=50)
    return folder


def run(chosen: Task, data: Path, cache: Path, seeds: tuple[int, ...] = (0, 1)) -> Evaluation:
    how = Settings("full", "strict", "cpu", "fp32", seeds, cache, data, 1)
    ready = load_encoder(toys.spec("ear", Spectrum()), device="cpu", precision="fp32", cache=cache)
    pipeline = choose_pipeline(chosen)
    assert pipeline == FunctionPipeline(embed_transcripts, evaluate_transcripts)
    found = prepare_dataset(chosen, "full", cache=cache, data=data)
    return pipeline.embed(chosen, found, ready, how, SILENT).evaluate(ready, chosen.probes[0], how)


@pytest.fixture(scope="module")
def heard(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return run(task(), data, tmp_path_factory.mktemp("cache"))


def test_a_good_ear_writes_what_is_said(heard: Evaluation) -> None:
    score = heard.score
    assert (score.metric, score.probe, score.n, score.clusters) == ("iWER", "linear", 18, 9)
    assert score.value > 0.8
    assert score.value == pytest.approx(np.mean(score.seed_values))
    assert score.ci95[0] <= score.value <= score.ci95[1]
    assert score.chance == 0
    assert 0 < score.majority < 0.6
    assert set(score.secondary) == {"iCER"}
    assert 0.6 < score.secondary["iCER"] <= 1
    assert score.rates == {"missing": 0.0, CUT: 0.0}
    assert score.data.classes == 0
    json.dumps([score.secondary, score.rates, score.value, score.majority])


def test_the_proof_gives_the_score_again(heard: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    predictions.write_predictions(path, heard.answers)
    stored = predictions.read_predictions(path)
    assert stored.keys[:2] == ("test-000", "test-001")
    lower = [text.lower() for text in stored.targets]
    again = [1 - jiwer.wer(lower, [text.lower() for text in row]) for row in stored.predictions]
    assert again == pytest.approx(heard.score.seed_values)


def test_a_clip_without_a_transcript_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "spoken"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        clips = said(split, 2)
        write_shards(folder, split, [clips[0], replace(clips[1], sidecar={"trans": " "})])
    with pytest.raises(DataError, match=r"no transcript 'trans': got ' ', expected some words.*spoken/train:train-001"):
        run(task(), folder, tmp_path / "cache")


# ------------------------------------------------------------------------------------------ the small LibriSpeech


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One sentence of every speaker, made twice."""
    folders = tuple(tmp_path_factory.mktemp("books") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(books, "PER_SPEAKER", dict.fromkeys(books.PER_SPEAKER, 1))
        for folder in folders:
            books.make(folder)
    return folders[0], folders[1]


def sidecars(folder: Path, split: str) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob(f"{books.SPLITS[split]}*.tar")):
        with tarfile.open(path) as tar:
            found += [json.load(tar.extractfile(member)) for member in tar if member.name.endswith(".json")]
    return found


def test_the_same_bytes_twice(made: tuple[Path, Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made)
    assert first == second
    assert set(first) == set(librispeech.TASK.mini.sha256)


def test_splits_share_no_speaker_and_women_and_men_are_as_many(made: tuple[Path, Path]) -> None:
    speakers, timbres = [], []
    for split, count in books.SPEAKERS.items():
        own = sidecars(made[0], split)
        assert Counter(sidecar["gender"] for sidecar in own) == {"F": count // 2, "M": count // 2}
        speakers += [sidecar["speaker"] for sidecar in own]
        timbres += [name for gender in ("F", "M") for name in books.TIMBRES[split][gender]]
        for sidecar in own:
            assert set(sidecar) == {"trans", "gender", "speaker"}
            assert 2 <= len(sidecar["trans"].split()) <= 5
            assert sidecar["trans"] == sidecar["trans"].upper()
            assert librispeechmalefemale.TASK.target(sidecar, "x") == "MF".index(sidecar["gender"])
    assert len(set(speakers)) == len(speakers) == sum(books.SPEAKERS.values())
    assert len(set(timbres)) == len(timbres)


def test_a_speaker_keeps_the_voice_and_says_different_things() -> None:
    reader = books.list_speakers("test")[3]
    assert reader == books.list_speakers("test")[3]
    with open_synthesiser() as say:
        patched = {"SPEAKERS": {"test": 1}}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in patched.items():
                patch.setattr(books, name, value)
            texts = [sample.sidecar["trans"] for sample in books.make_samples(say, "test", 6)]
    assert len(set(texts)) >= 5


def test_two_tasks_share_the_generated_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        for stem in books.SPLITS.values():
            write_shards(folder, stem, [toys.samples(stem, 1)[0]])

    found = [
        prepare_dataset(replace(task, mini=replace(task.mini, make=make)), "mini", cache=tmp_path, data=None)
        for task in (librispeech.TASK, librispeechmalefemale.TASK)
    ]
    assert len(calls) == 1
    assert found[0].sha256 == found[1].sha256
    assert {path.parent for shards in found[1].splits.values() for path in (shard.path for shard in shards)} == {
        tmp_path / "mini" / f"librispeech-v{books.VERSION}"
    }
    assert librispeech.TASK.shards == librispeechmalefemale.TASK.shards


def test_the_embedded_suite_needs_no_language_model() -> None:
    probes = adapt_to_suite(librispeech.TASK, "mini").probes
    assert [type(probe.language_model) for probe in probes] == [SmallLM]
    assert [probe.name for probe in probes] == [probe.name for probe in librispeech.TASK.probes] == ["linear"]
