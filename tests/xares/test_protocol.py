"""Protocol xares: the golden numbers measured on X-ARES 0.1.3 (commit 161f0ef), and what becomes of a task."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from bench.audio import torchaudio_safe
from bench.datasets import shards
from bench.datasets.dataset import adapt_to_suite, prepare_dataset
from bench.discovery.bundled import find_bundled_tasks
from bench.evaluation.clips import embed_clips, evaluate_clips
from bench.evaluation.events import embed_events, evaluate_events
from bench.evaluation.inputs import build_fit_splits
from bench.evaluation.pipelines import choose_pipeline
from bench.extraction.engine.local import LoadedEncoder, start_engine
from bench.metrics import mean_average_precision, segment_f1_macro, segment_f1_micro
from bench.probes import KNN, FrameProbe, LinearProbe
from bench.probes.heads import compute_cosine_rate
from bench.probes.knn import scale_dimensions
from bench.store.files import Store
from bench.types import (
    ChoiceError,
    DataError,
    EncoderError,
    Events,
    FitSplit,
    Settings,
    Shard,
    ShardSet,
    Splits,
    Target,
    XaresOverrides,
)
from bench.xares import crops
from bench.xares.crops import CropOptions, cut_crops, find_survivors, iterate_chunks
from bench.xares.extraction import build_address, extract_embeddings, extract_frames, parse_clip_key
from bench.xares.protocol import apply_protocol, list_protocols
from bench.xares.segments import XaresEventTargets, count_frames_until, label_frames, pad_to_batches, pool_segments
from tasks.mini.write import Sample, write_shards
from tests.datasets.test_shards import LABEL, tar
from tests.evaluation import test_captions as retrieval
from tests.evaluation import test_transcripts as transcripts
from tests.helpers import toys

RATE = 1000
FACTS = json.loads((Path(__file__).parents[1] / "facts" / "xares_tasks.json").read_text())


class Seconds(torch.nn.Module):
    """[B, N] -> [B, whole seconds, 1]: the mean of each second. Counts its batches."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, 1, 1000.0

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, int]] = []

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        assert lengths is None, "protocol xares never tells lengths"
        self.batches.append((len(audio), audio.shape[1]))
        return audio.unfold(1, RATE, RATE).mean(dim=2, keepdim=True)


def load_toy(encoder: torch.nn.Module | None = None) -> LoadedEncoder:
    return LoadedEncoder("toy", encoder or Seconds(), "0" * 64, toys.certificate("padded"), "cpu", "fp32")


def nothing(clips: int, encoded: bool) -> None:
    pass


def constant(folder: Path, seconds: Sequence[float], per_shard: int = 12) -> list[Shard]:
    """Shards of clips of 0.1 everywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = [
        Sample(f"clip{i:03d}", np.full(round(s * RATE), 3277, dtype=np.int16), RATE, {"label": i % 2}, "wav")
        for i, s in enumerate(seconds)
    ]
    write_shards(folder, "split", clips, per_shard=per_shard)
    return [shards.verify_shard(path) for path in shards.find_shards(folder, "split_*.tar")]


# --------------------------------------------------------------------------------------------- crops and batches


@pytest.mark.parametrize(("seconds", "crops", "kept"), [(16.0, 120, 45), (13.0, 80, 40)])
def test_golden_crops_that_survive(seconds: float, crops: int, kept: int, tmp_path: Path) -> None:
    found = constant(tmp_path, [seconds] * 40)
    with start_engine(load_toy(), 1) as running:
        batches = [batch for window in iterate_chunks(found, running, CropOptions(5.0, 16)) for batch in window]
    assert sum(len(batch.crops) for batch in batches) == crops
    assert sum(len(find_survivors(batch)) for batch in batches) == kept
    assert [len(batch.crops) for batch in batches[:-1]] == [16] * (len(batches) - 1)
    made = extract_embeddings(
        found, load_toy(), CropOptions(5.0, 16), store=Store(tmp_path), threads=1, progress=nothing
    )
    assert len(made.keys) == len(set(made.keys)) == kept
    assert {parse_clip_key(key) for key in made.keys} == {f"clip{i:03d}" for i in range(40)}


def test_golden_padding_is_pooled(tmp_path: Path) -> None:
    found = constant(tmp_path, [1, 2, 3, 4, 5, 7, 8, 9, 6], per_shard=3)  # batches go over the ends of shards
    store = Store(tmp_path)
    together = extract_embeddings(found, load_toy(), CropOptions(None, 4), store=store, threads=1, progress=nothing)
    assert together.vectors[:, 0] == pytest.approx(
        [0.025, 0.05, 0.075, 0.1, 0.5 / 9, 0.7 / 9, 0.8 / 9, 0.1, 0.1], rel=1e-4
    )
    frames = extract_frames(found, load_toy(), CropOptions(None, 4), store=store, threads=1, progress=nothing)
    assert np.diff(frames.offsets).tolist() == [4, 4, 4, 4, 9, 9, 9, 9, 6]
    assert frames.frames[:4, 0].tolist() == pytest.approx([0.1, 0, 0, 0], rel=1e-4)
    assert together.seconds.tolist() == frames.seconds.tolist() == [1, 2, 3, 4, 5, 7, 8, 9, 6]
    alone = extract_embeddings(found, load_toy(), CropOptions(None, 1), store=store, threads=1, progress=nothing)
    assert alone.vectors[:, 0] == pytest.approx([0.1] * 9, rel=1e-4)


@pytest.mark.parametrize(
    ("seconds", "crop", "expected"), [(16, 5, [5, 5, 5]), (3, 5, [5]), (9.99, 10, [10]), (10, 10, [10]), (7, None, [7])]
)
def test_golden_crops(seconds: float, crop: float | None, expected: list[float]) -> None:
    audio = np.arange(1, round(seconds * RATE) + 1, dtype=np.float32)
    parts = cut_crops(audio, RATE, crop)
    assert [len(part) / RATE for part in parts] == expected
    joined = np.concatenate(parts)
    kept = min(len(joined), len(audio))
    assert np.array_equal(joined[:kept], audio[:kept])
    assert not joined[kept:].any()


def test_channels_are_resampled_before_their_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stereo = rng.integers(-9000, 9000, (2500, 2)).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, stereo, 2500, format="WAV")
    tar(tmp_path / "split_0.tar", [("a.wav", buffer.getvalue()), ("a.json", LABEL)])
    found = [shards.verify_shard(tmp_path / "split_0.tar")]
    torchaudio = torchaudio_safe.load()
    assert torchaudio is not None
    wave = torch.from_numpy((stereo / 32768).astype(np.float32).T.copy())
    expected = torchaudio.functional.resample(wave, 2500, RATE).mean(0).numpy()
    with start_engine(load_toy(), 1) as running:
        ((batch,),) = iterate_chunks(found, running, CropOptions(None, 16))
    assert np.array_equal(batch.crops[0].audio, expected)


def test_no_torchaudio_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio_safe, "load", lambda: None)
    with pytest.raises(Exception, match="pip install torchaudio"):
        extract_embeddings(
            constant(tmp_path, [1]),
            load_toy(),
            CropOptions(None, 1),
            store=Store(tmp_path),
            threads=1,
            progress=nothing,
        )


def test_a_clip_that_does_not_decode_is_skipped_and_counted(tmp_path: Path) -> None:
    data, store = tmp_path / "data" / "tones", Store(tmp_path / "cache")
    toys.write_dataset(data)
    broken = [("bad.wav", b"RIFF no wave"), ("bad.json", LABEL)]
    tar(data / "test_0000001.tar", broken)
    task = apply_protocol(toys.task(), "xares")
    settings = Settings("full", "xares", "cpu", "fp32", (0,), store.root, data.parent, 1)
    found = prepare_dataset(task, "full", cache=store.root, data=data.parent)
    seen: list[int] = []
    ready = load_toy(Tones())
    labelled = embed_clips(task, found, ready, settings, lambda clips, encoded: seen.append(clips))
    assert sum(seen) == 24 + 9 + 12
    score = evaluate_clips(labelled, ready, task.probes[1], settings).score
    assert score.rates == {"missing": pytest.approx(1 / 46)}
    assert (score.n, score.protocol, score.policy) == (12, "xares", "unmasked")
    assert score.predictions == "predictions/tones.toy.knn.xares.safetensors"
    only = tmp_path / "only"
    only.mkdir()
    tar(only / "split_0.tar", broken)
    with pytest.raises(DataError, match="no clip decodes"):
        extract_embeddings(
            [shards.verify_shard(only / "split_0.tar")],
            ready,
            CropOptions(None, 1),
            store=store,
            threads=1,
            progress=nothing,
        )


class Tones(torch.nn.Module):
    """Log power in 16 bands of 10 ms; fails when told to."""

    sampling_rate, output_dim, hop_size_in_ms = toys.RATE, 16, 10.0
    fail_after = 10**9

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.batches += 1
        if self.batches > self.fail_after:
            raise MemoryError("no room")
        return torch.fft.rfft(audio.unfold(1, 160, 160)).abs()[..., :16].add(1e-3).log()


def test_an_interrupted_split_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "CHUNK_IN_CLIPS", 8)
    toys.write_dataset(tmp_path, {"test": 30})
    found = [shards.verify_shard(path) for path in shards.find_shards(tmp_path, "test_*.tar")]
    how = CropOptions(0.1, 4)
    whole = extract_embeddings(
        found, load_toy(Tones()), how, store=Store(tmp_path / "one"), threads=2, progress=nothing
    )
    encoder, store = Tones(), Store(tmp_path / "two")
    encoder.fail_after = 5
    with pytest.raises(EncoderError, match="no room"):
        extract_embeddings(found, load_toy(encoder), how, store=store, threads=1, progress=nothing)
    assert list(store.root.rglob("*.part-*"))
    encoder = Tones()
    resumed = extract_embeddings(found, load_toy(encoder), how, store=store, threads=1, progress=nothing)
    assert resumed.vectors.tobytes() == whole.vectors.tobytes()
    assert resumed.keys == whole.keys
    with start_engine(load_toy(Tones()), 1) as running:
        assert encoder.batches == sum(map(len, iterate_chunks(found, running, how))) - 4
    assert not list(store.root.rglob("*.part-*"))


def test_the_address_holds_every_shard_and_the_batch_size(tmp_path: Path) -> None:
    found = constant(tmp_path, [1] * 30)
    addresses = {
        build_address(found, load_toy(), CropOptions(None, 16), "x"),
        build_address(found[:2], load_toy(), CropOptions(None, 16), "x"),
        build_address(found, load_toy(), CropOptions(None, 1), "x"),
        build_address(found, load_toy(), CropOptions(5.0, 16), "x"),
        build_address(found, load_toy(), CropOptions(None, 16), "y"),
    }
    assert len(addresses) == 5


# --------------------------------------------------------------------------------------------------------- heads


def test_golden_learning_rates() -> None:
    golden = [1.000e-3, 9.780e-4, 9.141e-4, 8.145e-4, 6.891e-4, 5.500e-4, 4.109e-4, 2.855e-4, 1.859e-4, 1.220e-4]
    assert [compute_cosine_rate(1e-3, epoch, 10) for epoch in range(1, 11)] == pytest.approx(golden, abs=5e-8)


def test_golden_training_matrix_of_knn_has_unit_rows() -> None:
    features = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (7, 40)).astype(np.float32))
    assert torch.linalg.vector_norm(scale_dimensions(features), dim=1).numpy() == pytest.approx(np.ones(7), rel=1e-6)
    assert not torch.allclose(torch.linalg.vector_norm(scale_dimensions(features), dim=0), torch.ones(40), atol=0.1)


def test_the_wrong_axis_lets_loud_neighbours_win() -> None:
    """Two directions, any norm, is what cosine tells apart and the published similarity does not."""
    rng = np.random.default_rng(1)
    targets = np.arange(400) % 4
    directions = np.eye(8)[targets] + 0.1 * rng.normal(size=(400, 8))
    vectors = (directions * rng.lognormal(0, 1.5, (400, 1))).astype(np.float32)
    problem = FitSplit(np.arange(300), None, np.arange(300, 400))
    (ours,) = KNN().run(vectors, targets, [problem], n_classes=4)
    (theirs,) = KNN().as_published().run(vectors, targets, [problem], n_classes=4)
    right = [float((result.predictions[0] == targets[300:]).mean()) for result in (ours, theirs)]
    assert right[0] == 1.0
    assert right[1] < 1.0


def test_golden_ties_keep_the_earlier_epoch() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(90) % 3
    vectors = (8 * np.eye(6)[targets] + rng.normal(size=(90, 6))).astype(np.float32)
    problem = FitSplit(np.arange(60), np.arange(60, 90), np.arange(60, 90))  # valid is test, as published
    probe = LinearProbe(epochs=12, learning_rate=0.05, batch_size=8)
    (result,) = probe.run(vectors, targets, [problem], n_classes=3, seeds=(0, 1))
    for seed, epoch in enumerate(result.info["epoch"]):
        assert result.info["valid"][seed] == 1.0
        assert epoch < 12
        shorter = replace(probe, epochs=12).run(vectors, targets, [problem], n_classes=3, seeds=(seed,))[0]
        assert shorter.info["epoch"] == [epoch]


# -------------------------------------------------------------------------------------------- frames and segments


@pytest.mark.parametrize(("hop", "second", "tenth"), [(10, 100, 10), (20, 50, 5), (40, 25, 3)])
def test_golden_segment_kernels(hop: float, second: int, tenth: int) -> None:
    assert count_frames_until(1.0, hop) == second
    assert count_frames_until(0.1, hop) == tenth


def test_golden_segments_and_frames() -> None:
    assert pool_segments(np.ones((60, 1), dtype=np.uint8), count_frames_until(1.0, 40)).shape == (2, 1)
    for hop in (10, 20, 40):
        assert count_frames_until(7 * (hop / 1000), hop) == 8
    erased = np.array([[0.085, 0.119, 0]])
    assert not label_frames(erased, 10, 40, 1).any()
    assert label_frames(np.array([[0.085, 0.121, 0]]), 10, 40, 1)[:, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


@given(
    st.lists(st.tuples(st.floats(0, 12), st.floats(0, 3), st.integers(0, 2)), max_size=6),
    st.sampled_from([10.0, 20.0, 40.0, 23.2]),
    st.integers(0, 400),
)
def test_labels_are_those_of_the_published_loop(
    events: list[tuple[float, float, int]], hop: float, length: int
) -> None:
    rows = np.array([(on, on + more, label) for on, more, label in events], dtype=np.float64).reshape(-1, 3)
    expected = np.zeros((length, 3), dtype=np.uint8)
    for on, off, label in rows:
        first, end = int(np.ceil(on / (hop / 1000))), int(np.ceil(off / (hop / 1000)))
        expected[first:end, int(label)] = 1
    assert np.array_equal(label_frames(rows, length, hop, 3), expected)


def test_the_metrics_count_what_is_absent_as_zero() -> None:
    rng = np.random.default_rng(0)
    targets, answers = (rng.random((40, 5)) < 0.4).astype(np.uint8), (rng.random((40, 5)) < 0.4).astype(np.uint8)
    targets[:, 3:], answers[:, 4] = 0, 0
    for metric, average in ((segment_f1_macro, "macro"), (segment_f1_micro, "micro")):
        published = metric.xares or metric
        assert published.compute(targets, answers) == pytest.approx(
            f1_score(targets, answers, average=average, zero_division=0)
        )
    scores = rng.normal(size=(40, 5)).astype(np.float32)
    assert mean_average_precision.xares is not None
    with pytest.warns(UserWarning, match="No positive class"):
        theirs = average_precision_score(targets, scores, average="macro")
    assert mean_average_precision.xares.compute(targets, scores) == pytest.approx(theirs)
    present = mean_average_precision.chance(targets, 5)
    assert mean_average_precision.xares.chance(targets, 5) == pytest.approx(present * 3 / 5)


# --------------------------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize("task", find_bundled_tasks(), ids=lambda task: task.name)
@pytest.mark.parametrize("suite", ["mini", "full"])
def test_every_task_has_a_form_in_both_protocols(task, suite: str) -> None:
    strict = adapt_to_suite(task, suite)
    assert apply_protocol(strict, "strict") is strict
    published = apply_protocol(strict, "xares")
    assert isinstance(published.target, Target)
    assert (published.name, published.protocol, published.weight) == (task.name, "xares", task.weight)
    assert [probe.name for probe in published.probes] == [probe.name for probe in strict.probes]
    for probe in published.probes:
        assert not isinstance(probe, KNN) or probe.scaled == "dimensions"
        assert not isinstance(probe, FrameProbe) or probe.padded
    if task.name in FACTS:
        facts = FACTS[task.name]
        assert task.xares.batch_size_encode == facts["batch_size_encode"]
        rows = {name: np.array([place]) for place, name in enumerate(task.shards.patterns)}
        for problem in build_fit_splits(published, rows):
            same = np.array_equal(problem.valid, problem.test)
            patterns = list(task.shards.patterns.values())
            assert facts["valid_is_test"] == (same or patterns[problem.valid[0]] == patterns[problem.test[0]])
        if suite == "full" and facts["classes"] is not None:  # captions and transcripts have none
            assert published.target.n_classes == facts["classes"]


def test_protocols_have_names() -> None:
    assert list_protocols("both") == ("strict", "xares")
    assert list_protocols("xares") == ("xares",)
    with pytest.raises(ChoiceError, match="strict or xares"):
        apply_protocol(toys.task(), "lax")
    with pytest.raises(DataError, match="expected Events"):
        apply_protocol(toys.task(xares=XaresOverrides(left_out=("low",))), "xares")


def test_rows_of_one_clip_are_resampled_together(tmp_path: Path) -> None:
    """Ten clips of three crops in batches of four: clips that straddle two batches count twice."""
    data = tmp_path / "data"
    for split in ("train", "valid", "test"):
        (data / "long").mkdir(parents=True, exist_ok=True)
        clips = [
            Sample(f"{split}{i}", toys.tone(i % 3, i, 0.35), toys.RATE, {"label": toys.CLASSES[i % 3]}, "wav")
            for i in range(12)
        ]
        write_shards(data / "long", split, clips, per_shard=12)
    task = toys.task(name="long", crop_in_s=0.1, cluster=None, xares=XaresOverrides(batch_size_encode=4))
    settings = Settings("full", "xares", "cpu", "fp32", (0,), tmp_path / "cache", data, 1)
    found, encoder = prepare_dataset(task, "full", cache=tmp_path / "cache", data=data), load_toy(Tones())
    labelled = embed_clips(apply_protocol(task, "xares"), found, encoder, settings, nothing)
    score = evaluate_clips(labelled, encoder, KNN(k=3), settings).score
    assert (score.n, score.clusters) == (18, 12)
    alone = replace(encoder, certificate=toys.certificate("single"))
    strict = embed_clips(task, found, alone, settings, nothing)
    assert evaluate_clips(strict, alone, KNN(k=3), settings).score.n == 12


def test_a_note_that_the_vocabulary_lacks_is_left_out_and_counted(tmp_path: Path) -> None:
    data = tmp_path / "data" / "notes"
    data.mkdir(parents=True)
    for split, n in (("train", 6), ("valid", 2), ("test", 4)):
        clips = []
        for i in range(n):
            sidecar = [{"start": 0.1, "end": 0.4, "note": 60 + i % 2}]
            sidecar += [{"start": 0, "end": 0.2, "note": 108}] if i == 1 else []
            clips.append(Sample(f"{split}{i}", toys.tone(i % 2, i, 0.5 + 0.1 * i), toys.RATE, sidecar, "wav"))
        write_shards(data, split, clips, per_shard=12)
    task = toys.task(
        name="notes",
        target=Events((60, 61, 108), "start", "end", "note", segment_in_s=0.1),
        metric=segment_f1_micro,
        probes=(FrameProbe(epochs=3, learning_rate=0.05, batch_size=2),),
        cluster=None,
        xares=XaresOverrides(batch_size_encode=1, left_out=(108,)),
    )
    settings = Settings("full", "xares", "cpu", "fp32", (0, 1), tmp_path / "cache", data.parent, 1)
    found, encoder = prepare_dataset(task, "full", cache=tmp_path / "cache", data=data.parent), load_toy(Tones())
    published = apply_protocol(task, "xares")
    labelled = embed_events(published, found, encoder, settings, nothing)
    assert (labelled.rates["missing"], labelled.rates["events left out"]) == (0.0, pytest.approx(3 / 12))
    assert labelled.targets.count_frames(8) == 60  # tested together with the next, which is longer
    made = evaluate_events(labelled, encoder, published.probes[0], settings)
    assert made.answers.targets.shape == (2 * (6 + 8), 2)  # two batches of two clips: 0.5 and 0.6, 0.7 and 0.8 s
    assert made.score.clusters == 4
    assert made.score.data.classes == 2


def test_a_clip_without_a_whole_segment_has_no_row() -> None:
    targets = XaresEventTargets(
        [np.array([[0.0, 0.1, 0.0]])] * 2, np.array([2, 12]), np.array([0.02, 0.12]), 10.0, 0.05, 1, lambda t, p: 0.0
    )
    assert [len(targets.label_segments(clip)) for clip in (0, 1)] == [0, 2]
    limited = replace(targets, labels_in_s=0.05)
    assert [limited.label_segments(1)[:, 0].tolist(), targets.label_segments(1)[:, 0].tolist()] == [[1, 0], [1, 1]]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 7))
def test_every_clip_has_the_length_of_its_batch(lengths: list[int], size: int) -> None:
    found = pad_to_batches(np.array(lengths), size)
    assert found.tolist() == [max(lengths[at // size * size : at // size * size + size]) for at in range(len(lengths))]


def test_splits_of_a_user_without_validation_select_on_the_test() -> None:
    task = apply_protocol(toys.task(split=Splits(valid=None), shards=ShardSet({"train": "a*", "test": "b*"})), "xares")
    (problem,) = build_fit_splits(task, {"train": np.arange(4), "test": np.arange(4, 6)})
    assert np.array_equal(problem.valid, problem.test)


def test_captions_and_transcripts_count_what_does_not_decode(tmp_path: Path) -> None:
    """Their pipelines share the published encoding, and report what it skips."""
    captions, spoken = tmp_path / "captions", tmp_path / "spoken"
    retrieval.write(captions)
    spoken.mkdir()
    for split, n in (("train", 16), ("valid", 4), ("test", 6)):
        write_shards(spoken, split, transcripts.said(split, n), per_shard=20)
    described = {"a": "A sound.", "b": "A sound", "trans": "LOW", "label": "low", "speaker": "x"}
    for folder, chosen_task, clips in ((captions, retrieval.task(), 64), (spoken, transcripts.task(), 26)):
        tar(folder / "train_0000009.tar", [("bad.wav", b"RIFF no wave"), ("bad.json", json.dumps(described).encode())])
        published = apply_protocol(
            replace(chosen_task, probes=tuple(replace(probe, epochs=1) for probe in chosen_task.probes)), "xares"
        )
        settings = Settings("full", "xares", "cpu", "fp32", (0,), tmp_path / folder.name / "cache", folder, 1)
        found = prepare_dataset(published, "full", cache=settings.cache, data=folder)
        encoder = load_toy(Tones())
        embedded = choose_pipeline(published).embed(published, found, encoder, settings, nothing)
        score = embedded.evaluate(encoder, published.probes[0], settings).score
        assert score.rates["missing"] == pytest.approx(1 / (clips + 1))
        assert (score.protocol, score.policy) == ("xares", "unmasked")
