"""From a folder of shards to a score, and every kind of bad data on the way: one clear error each, nothing lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from bench.datasets.dataset import adapt_to_suite, prepare_dataset
from bench.discovery.bundled import find_bundled_encoders
from bench.evaluation.clips import embed_clips, evaluate_clips
from bench.evaluation.inputs import build_fit_splits
from bench.evaluation.scores import Evaluation
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.loaded import load_encoder
from bench.leaderboard.files import predictions
from bench.metrics import equal_error_rate, mean_average_precision
from bench.scoring.measure import compute_interval
from bench.store.files import sanitize_name
from bench.types import (
    ClassLabel,
    DataError,
    EncoderError,
    EncoderSpec,
    Folds,
    Mini,
    MultiLabel,
    Settings,
    ShardSet,
    Splits,
    Statistic,
    Task,
)
from tasks.mini.write import Sample, write_shards
from tests.datasets.test_shards import SOUND, tar
from tests.helpers import planted, toys


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    toys.write_dataset(folder / "tones")
    for name in ("a", "b", "c"):
        write_shards(folder / "tones", name, toys.samples(name, 12))
    return folder / "tones"


def settings(data: Path, cache: Path) -> Settings:
    return Settings("full", "strict", "cpu", "fp32", (0, 1, 2), cache, data, 1)


def ready(spec: EncoderSpec, cache: Path) -> LoadedEncoder:
    return load_encoder(spec, device="cpu", precision="fp32", cache=cache)


def run(task: Task, data: Path, cache: Path, spec: EncoderSpec | None = None) -> list[Evaluation]:
    chosen = settings(data, cache)
    loaded = ready(spec or find_bundled_encoders()["logmel"], cache)
    found = prepare_dataset(task, "full", cache=cache, data=data)
    labelled = embed_clips(task, found, loaded, chosen, lambda clips, encoded: None)
    return [evaluate_clips(labelled, loaded, probe, chosen) for probe in task.probes]


def test_a_score_carries_its_proof(data: Path, tmp_path: Path) -> None:
    linear, knn = run(toys.task(), data, tmp_path)
    assert knn.score.value == 1.0
    assert knn.score.n == 12
    assert knn.score.clusters == 6
    assert knn.score.chance == pytest.approx(1 / 3)
    assert knn.score.seeds == ()
    assert linear.score.seeds == (0, 1, 2)
    assert linear.score.value == pytest.approx(np.mean(linear.score.seed_values))
    for evaluated in (linear, knn):
        recomputed = (evaluated.answers.predictions == evaluated.answers.targets).mean()
        assert evaluated.score.value == pytest.approx(recomputed)
        assert evaluated.score.ci95[0] <= evaluated.score.value <= evaluated.score.ci95[1]
        assert evaluated.answers.keys == tuple(f"test-{i:03d}" for i in range(12))
        json.dumps(evaluated.score.secondary)
    assert linear.score.fingerprint == knn.score.fingerprint


def test_folds_are_each_the_test_set_once(data: Path, tmp_path: Path) -> None:
    _, knn = run(toys.folded(), data, tmp_path)
    assert knn.score.n == 36
    assert sorted(knn.score.subsets) == ["fold a", "fold b", "fold c"]
    assert knn.score.value == pytest.approx(np.mean(list(knn.score.subsets.values())))
    assert len(set(knn.answers.keys)) == 36


@pytest.fixture(scope="module")
def chords(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chords")
    for split, n in {"train": 60, "valid": 20, "test": 30}.items():
        write_shards(folder, split, toys.chords(split, n))
    return folder


def test_several_labels_per_clip_from_shards_to_proof(chords: Path, tmp_path: Path) -> None:
    (found,) = run(toys.many(), chords, tmp_path / "cache")
    score = found.score
    assert (found.answers.targets.shape, found.answers.targets.dtype) == ((30, 3), np.uint8)
    assert (found.answers.predictions.shape, found.answers.predictions.dtype) == ((3, 30, 3), np.float32)
    assert (score.metric, score.n, score.clusters, score.secondary) == ("mAP", 30, 15, {})
    expected = [average_precision_score(found.answers.targets, row) for row in found.answers.predictions]
    assert score.seed_values == pytest.approx(expected)
    assert score.value == pytest.approx(np.mean(expected))
    assert score.value > 0.9
    assert score.ci95[0] < score.value <= score.ci95[1] <= 1
    assert score.majority == pytest.approx(found.answers.targets.mean())
    assert score.majority < score.chance < 0.6
    assert score.chance_corrected == pytest.approx((score.value - score.chance) / (1 - score.chance))
    predictions.write_predictions(tmp_path / "proof", found.answers)
    again = predictions.read_predictions(tmp_path / "proof")
    assert again.predictions.dtype == np.float32
    assert again.targets.dtype == np.uint8
    assert (
        compute_interval(mean_average_precision, again.targets, again.predictions, again.folds, again.clusters)
        == score.ci95
    )


def test_the_floor_of_several_labels_is_its_majority(chords: Path, tmp_path: Path) -> None:
    (found,) = run(toys.many(), chords, tmp_path, find_bundled_encoders()["constant"])
    assert found.score.value == pytest.approx(found.score.majority, abs=0.02)  # pooling rounds by length


def test_several_labels_in_folds(chords: Path, tmp_path: Path) -> None:
    names = ("train", "valid", "test")
    (found,) = run(toys.many(split=Folds(names)), chords, tmp_path)
    assert found.score.n == 110
    assert found.score.value == pytest.approx(np.mean([found.score.subsets[f"fold {name}"] for name in names]))
    parts = [found.answers.targets[found.answers.folds == fold] for fold in range(3)]
    chances = [mean_average_precision.chance(part, 3) for part in parts]
    assert found.score.chance == pytest.approx(np.mean(chances))


def test_several_labels_have_no_neighbours_votes(chords: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="votes need one label per clip"):
        run(toys.many(probes=(toys.KNN(),)), chords, tmp_path)
    with pytest.raises(DataError, match=r"empty label 'tags': got '', expected at least one class \[chords/train:"):
        run(toys.many(target=MultiLabel("tags", toys.CLASSES)), chords, tmp_path)


def test_a_metric_prepared_for_resampling_has_the_interval_of_one_that_is_not() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((40, 3)) < 0.3).astype(np.uint8)
    scores = (rng.random((2, 40, 3)) + 0.4 * targets).astype(np.float32)
    folds, clusters = np.arange(40) % 2, np.arange(40) // 3
    slow = replace(mean_average_precision, resampling=Statistic(centred=True))
    one, other = (
        compute_interval(metric, targets, scores, folds, clusters) for metric in (mean_average_precision, slow)
    )
    assert one == pytest.approx(other, abs=1e-12)


def test_the_interval_of_a_metric_where_less_is_better() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 2
    scores = (rng.normal(size=(2, 60)) + targets).astype(np.float32)
    low, high = compute_interval(equal_error_rate, targets, scores, np.zeros(60, int), None)
    value = np.mean([equal_error_rate.compute(targets, row) for row in scores])
    assert 0 < low < value < high < 0.6


def test_test_data_is_never_validation_data() -> None:
    rows = {"train": np.arange(4), "valid": np.arange(4, 6), "test": np.arange(6, 8)}
    assert build_fit_splits(toys.task(), rows)[0].valid is not None
    shards = ShardSet({"train": "train*.tar", "valid": "test*.tar", "test": "test*.tar"})
    assert build_fit_splits(toys.task(shards=shards), rows)[0].valid is None
    assert build_fit_splits(toys.task(split=Splits(valid=None)), rows)[0].valid is None
    assert all(problem.valid is None for problem in build_fit_splits(toys.folded(), dict.fromkeys("abc", np.arange(3))))


def test_scores_are_the_same_bit_for_bit(data: Path, tmp_path: Path) -> None:
    first, second = (run(toys.task(), data, tmp_path / name) for name in ("one", "two"))
    assert [e.score for e in first] == [e.score for e in second]


def test_an_unsafe_encoder_is_scored_safely_and_flagged(data: Path, tmp_path: Path) -> None:
    fine = run(toys.task(), data, tmp_path, toys.spec("good", planted.Good()))[1].score
    bad = run(toys.task(), data, tmp_path, toys.spec("bad", planted.PaddingSensitive()))[1].score
    assert (fine.policy, fine.certified) == ("padded", True)
    assert (bad.policy, bad.certified) == ("equal_length", False)
    assert bad.n == 12
    worst = run(toys.task(), data, tmp_path, toys.spec("worst", planted.BatchNormalising()))[1].score
    assert (worst.policy, worst.certified) == ("single", False)


def test_a_mini_task_is_made_once_checked_and_made_again_when_damaged(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        toys.write_dataset(folder)

    task = toys.task(mini=Mini(make=make, version=3, sha256={}, classes=("low", "middle", "high")))
    first = prepare_dataset(adapt_to_suite(task, "mini"), "mini", cache=tmp_path, data=None)
    again = prepare_dataset(adapt_to_suite(task, "mini"), "mini", cache=tmp_path, data=None)
    assert len(made) == 1
    assert first == again
    assert first.synthetic
    assert first.reference is False
    digests = {shard.path.name: shard.sha256 for found in first.splits.values() for shard in found}
    known = replace(task, mini=replace(task.mini, sha256=digests))
    assert prepare_dataset(known, "mini", cache=tmp_path, data=None).reference is True
    shard = first.splits["test"][0].path
    shard.write_bytes(shard.read_bytes()[:-600])
    with pytest.warns(UserWarning, match="generated again"):
        repaired = prepare_dataset(task, "mini", cache=tmp_path, data=None)
    assert len(made) == 2
    assert repaired == first
    assert sorted(path.name for path in (tmp_path / "mini").iterdir()) == ["tones-v3"]


def test_reduced_classes_of_the_embedded_version() -> None:
    task = toys.task(mini=Mini(make=lambda folder: None, version=1, sha256={}, classes=("low", "high")))
    assert adapt_to_suite(task, "mini").target.n_classes == 2
    assert adapt_to_suite(task, "full").target.n_classes == 3
    several = adapt_to_suite(replace(task, target=MultiLabel("tags", toys.CLASSES)), "mini").target
    assert several({"tags": "high"}, "x").tolist() == [0, 1]


def sample(name: str, sidecar: object) -> Sample:
    return Sample(name, toys.tone(0, 5, 0.3), toys.RATE, sidecar)


def faulty(folder: Path, fault: str) -> Task:
    """The toy dataset with one fault planted, and the task that meets it."""
    toys.write_dataset(folder)
    test = folder / "test_0000000.tar"
    if fault == "truncated shard":
        test.write_bytes(test.read_bytes()[:5000])
    elif fault == "clip does not decode":
        tar(test, [("x.flac", b"junk"), ("x.json", b'{"label": "low", "speaker": "s"}')])
    elif fault == "no label":
        write_shards(folder, "test", [sample("x", {"speaker": "s"})])
    elif fault == "unknown label":
        write_shards(folder, "test", [sample("x", {"label": "huge", "speaker": "s"})])
    elif fault == "no sidecar":
        tar(test, [("x.flac", SOUND)])
    elif fault == "empty shard":
        tar(test, [])
    elif fault == "no shard":
        test.unlink()
    elif fault == "test shard in training":
        (folder / "train_0000009.tar").write_bytes(test.read_bytes())
    elif fault == "fewer neighbours than k":
        return toys.task(probes=(replace(toys.task().probes[1], k=30),))
    elif fault == "half the speakers":
        write_shards(folder, "test", [sample("x", {"label": "low", "speaker": "s"}), sample("y", {"label": "low"})])
    elif fault == "samples missing":
        return toys.task(shards=replace(toys.task().shards, samples={"train": 25}))
    return toys.task()


MESSAGES = {
    "truncated shard": r"shard is cut short: got 5000 bytes",
    "clip does not decode": r"clip does not decode: got 4 bytes .*test_0000000\.tar:x",
    "no label": r"label missing: got \['speaker'\], expected a key 'label' \[tones/test:x\]",
    "unknown label": r"unknown label 'label': got 'huge', expected one of 3 classes \('low', 'middle', 'high'\)",
    "no sidecar": r"sidecar missing",
    "empty shard": r"shard is empty",
    "no shard": r"no shard found: got \['train_0000000\.tar', .* expected test_\*\.tar",
    "test shard in training": r"train and test share shards",
    "fewer neighbours than k": r"30.*24|24.*30",
    "half the speakers": r"cluster key 'speaker': got 1 of 35 sidecars without it",
    "samples missing": r"split train is incomplete: got 24 clips, expected 25",
}


@pytest.mark.parametrize("fault", MESSAGES)
def test_each_fault_has_its_own_message(fault: str, tmp_path: Path) -> None:
    task = faulty(tmp_path / "tones", fault)
    with pytest.raises(DataError, match=MESSAGES[fault]):
        run(task, tmp_path / "tones", tmp_path / "cache")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (planted.LyingWidth(), r"24"),
        (planted.WrongRank(), r"output: got \[1, 12\], expected \[1, T, D\]"),
        (planted.NotANumber(), r"finite"),
    ],
)
def test_an_encoder_that_cannot_be_scored_says_why(
    encoder: planted.Good, message: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(EncoderError, match=message):
        run(toys.task(), data, tmp_path, toys.spec("planted", encoder))


def test_a_lying_hop_is_flagged(data: Path, tmp_path: Path) -> None:
    loaded = ready(toys.spec("liar", planted.LyingHop()), tmp_path)
    assert next(check.name for check in loaded.certificate.checks if not check.passed) == "hop"
    assert not run(toys.task(), data, tmp_path, toys.spec("liar", planted.LyingHop()))[1].score.certified


def test_names_of_files() -> None:
    assert sanitize_name("logmel") == "logmel"
    assert sanitize_name("hf:a/b").startswith("hf_a_b-")
    assert sanitize_name("hf:a/b") != sanitize_name("hf:a_b")


def test_full_suite_without_data_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data DIR"):
        prepare_dataset(toys.task(), "full", cache=tmp_path, data=None)
    with pytest.raises(DataError, match="no synthetic version of tones"):
        prepare_dataset(toys.task(), "mini", cache=tmp_path, data=None)


def test_labels_are_checked() -> None:
    label = ClassLabel("label", ("a", 1))
    assert label({"label": "a"}, "x") == 0
    assert label({"label": 1}, "x") == 1
    with pytest.raises(DataError, match="got '1'"):
        label({"label": "1"}, "x")
