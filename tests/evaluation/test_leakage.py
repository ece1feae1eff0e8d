"""Equal audio in two splits is counted on the row and in the report; labels that cannot be right are errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.audio import torchaudio_safe
from bench.datasets.dataset import prepare_dataset
from bench.evaluation.class_checks import check_event_classes
from bench.evaluation.leakage import (
    SplitAudio,
    TaskAudio,
    compare_audio,
    list_audio,
    read_audio,
    write_audio,
)
from bench.evaluation.pipelines import EmbeddedTask, choose_pipeline
from bench.extraction.loaded import load_encoder
from bench.leaderboard.terminal.tables import list_flags
from bench.probes import KNN
from bench.types import ClassLabel, DataError, Events, FitSplit, Score, Settings, Task
from bench.types.rates import (
    CLIPS_IN_TRAINING,
    CONTRADICTED_CLIPS,
    FLAGGED,
    UNTESTED_CLASSES,
    UNTRAINED_CLIPS,
    UNUSED_CLASSES,
)
from bench.xares.protocol import apply_protocol
from tasks.mini.write import Sample, write_shards
from tests.extraction.test_pooled import Mean
from tests.helpers import toys

FOLDS = ("a", "b", "c")


def make_splits(names: Sequence[str] = ("train", "valid", "test")) -> dict[str, list[Sample]]:
    return {name: toys.samples(name, 9) for name in names}


def embed(tmp_path: Path, splits: Mapping[str, list[Sample]], task: Task) -> tuple[EmbeddedTask, Any, Settings]:
    folder = tmp_path / task.name
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, samples in splits.items():
            write_shards(folder, name, samples, per_shard=5)
    cache = tmp_path / "cache"
    settings = Settings("full", task.protocol, "cpu", "fp32", (0,), cache, tmp_path, threads=1)
    loaded = load_encoder(toys.spec("mean", Mean()), device="cpu", precision="fp32", cache=cache)
    data = prepare_dataset(task, "full", cache=cache, data=tmp_path)
    return choose_pipeline(task).embed(task, data, loaded, settings, lambda n, now: None), loaded, settings


def score(tmp_path: Path, splits: Mapping[str, list[Sample]], task: Task | None = None) -> Score:
    task = task or toys.task(probes=(KNN(k=3),), cluster=None)
    embedded, loaded, settings = embed(tmp_path, splits, task)
    return embedded.evaluate(loaded, task.probes[0], settings).score


def relabel(samples: Sequence[Sample], label: str) -> list[Sample]:
    return [replace(own, sidecar={**own.sidecar, "label": label}) for own in samples]


def test_sound_data_has_no_flag(tmp_path: Path) -> None:
    found = score(tmp_path, make_splits())
    assert not set(found.rates) & set(FLAGGED)
    assert list_flags(found) == []


@pytest.mark.parametrize("protocol", ["strict", "xares"])
def test_test_clips_that_are_in_training(tmp_path: Path, protocol: str) -> None:
    """Of another key, container, shard and sidecar: by their samples alone."""
    if protocol == "xares" and torchaudio_safe.load() is None:
        pytest.skip("no torchaudio")
    splits = make_splits()
    for place in (0, 4):
        original = splits["test"][place]
        container = "wav" if original.container == "flac" else "flac"
        splits["train"][place + 1] = replace(original, key=f"copy{place}", container=container)
    task = apply_protocol(toys.task(probes=(KNN(k=3),), cluster=None), protocol)
    found = score(tmp_path, splits, task)
    assert found.rates[CLIPS_IN_TRAINING] == 2 / 9
    assert "22.2% test clips also in training" in list_flags(found)
    embedded, _, _ = embed(tmp_path, splits, task)
    (pair,) = compare_audio([list_audio(embedded.labelled.rows)])
    assert pair == {
        "task": "tones",
        "split": "test",
        "other_task": "tones",
        "other_split": "train",
        "clips": 2,
        "share": 2 / 9,
    }


def test_folds_share_clips(tmp_path: Path) -> None:
    splits = make_splits(FOLDS)
    splits["b"][2] = replace(splits["a"][2], key="copy")
    task = replace(toys.folded(), probes=(KNN(k=3),), cluster=None)
    found = score(tmp_path, splits, task)
    assert found.rates[CLIPS_IN_TRAINING] == 2 / 27  # the clip and its copy, each once
    embedded, _, _ = embed(tmp_path, splits, task)
    (pair,) = compare_audio([list_audio(embedded.labelled.rows)])
    assert (pair["split"], pair["other_split"], pair["clips"]) == ("a", "b", 1)


def test_equal_audio_with_other_labels(tmp_path: Path) -> None:
    splits = make_splits()
    splits["train"][1] = replace(splits["train"][0], key="twin", sidecar=splits["train"][1].sidecar)
    found = score(tmp_path, splits)
    assert found.rates[CONTRADICTED_CLIPS] == 2 / 27
    assert CLIPS_IN_TRAINING not in found.rates


def audio(task: str, **splits: str) -> TaskAudio:
    return TaskAudio(
        task, "strict", {name: SplitAudio((f"{task} {name}",), tuple(own)) for name, own in splits.items()}
    )


def test_the_report_over_tasks_does_not_depend_on_order() -> None:
    tasks = [audio("b", test="abca", train="xyz"), audio("a", test="xq", train="ar"), audio("c", test="nn", train="m")]
    found = compare_audio(tasks)
    assert found == compare_audio(tasks[::-1])
    pairs = [(own["task"], own["split"], own["other_task"], own["other_split"]) for own in found]
    assert pairs == [("a", "test", "b", "train"), ("a", "train", "b", "test")]
    assert [(own["clips"], own["share"]) for own in found] == [(1, 0.5), (1, 0.5)]


def test_splits_of_the_same_shards_are_no_news() -> None:
    one = TaskAudio("a", "strict", {"test": SplitAudio(("s",), ("x",)), "valid": SplitAudio(("s",), ("x",))})
    two = TaskAudio("b", "strict", {"test": SplitAudio(("s",), ("x",)), "train": SplitAudio(("t",), ("x",))})
    pairs = [(own["task"], own["split"], own["other_task"], own["other_split"]) for own in compare_audio([one, two])]
    assert pairs == [("a", "test", "b", "train"), ("a", "valid", "b", "train"), ("b", "test", "b", "train")]


def test_digests_are_kept_in_the_run(tmp_path: Path) -> None:
    tasks = [audio("a b/c", test="abc"), replace(audio("a b/c", test="ab"), protocol="xares")]
    for own in (*tasks, *tasks):
        write_audio(tmp_path, own)
    assert sorted(read_audio(tmp_path), key=lambda own: own.protocol) == tasks
    assert read_audio(tmp_path / "none") == []
    next((tmp_path / "digests").glob("*.json")).write_text(json.dumps([1]))
    with pytest.raises(DataError, match="digests of audio"):
        read_audio(tmp_path)


# ------------------------------------------------------------------------------------------------------ classes


def test_a_class_that_never_occurs_is_said_and_chance_is_that_of_the_others(tmp_path: Path) -> None:
    target = ClassLabel("label", (*toys.CLASSES, "higher"))
    found = score(tmp_path, make_splits(), toys.task(probes=(KNN(k=3),), cluster=None, target=target))
    assert found.rates[UNUSED_CLASSES] == 1 / 4
    assert found.chance == 1 / 3
    assert found.data.classes == 4
    assert "25.0% classes that never occur" in list_flags(found)


def test_a_class_without_test_clips(tmp_path: Path) -> None:
    splits = make_splits()
    splits["test"] = [own for own in splits["test"] if own.sidecar["label"] != "high"]
    found = score(tmp_path, splits)
    assert found.rates[UNTESTED_CLASSES] == 1 / 3
    assert found.chance == 1 / 2
    assert UNUSED_CLASSES not in found.rates


def test_a_class_without_a_training_clip(tmp_path: Path) -> None:
    splits = make_splits()
    splits["train"] = [own for own in splits["train"] if own.sidecar["label"] != "high"]
    found = score(tmp_path, splits)
    assert found.rates[UNTRAINED_CLIPS] == 1 / 3
    assert "33.3% test clips of untrained classes" in list_flags(found)


def test_a_class_in_one_fold_alone(tmp_path: Path) -> None:
    splits = make_splits(FOLDS)
    for name in "bc":
        splits[name] = [own for own in splits[name] if own.sidecar["label"] != "high"]
    found = score(tmp_path, splits, replace(toys.folded(), probes=(KNN(k=3),), cluster=None))
    assert found.rates[UNTRAINED_CLIPS] == 3 / 21  # those of fold a, when it is tested
    assert found.chance == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3)


@pytest.mark.parametrize(("split", "name"), [("train", "training"), ("test", "test")])
def test_one_class_alone_is_no_task(tmp_path: Path, split: str, name: str) -> None:
    splits = make_splits()
    splits[split] = relabel(splits[split], "low")
    with pytest.raises(DataError, match=f"labels of the {name} clips: got the same label in all 9 clips"):
        score(tmp_path, splits)


def test_one_class_in_a_fold(tmp_path: Path) -> None:
    splits = make_splits(FOLDS)
    splits["b"] = relabel(splits["b"], "low")
    with pytest.raises(DataError, match=r"labels of the test clips.*folded, fold b"):
        score(tmp_path, splits, replace(toys.folded(), probes=(KNN(k=3),), cluster=None))


def test_k_hot_labels_that_never_differ_in_training(tmp_path: Path) -> None:
    splits = {name: toys.chords(name, 14) for name in ("train", "valid", "test")}
    splits["train"] = [replace(own, sidecar={**own.sidecar, "tags": "low;high"}) for own in splits["train"]]
    with pytest.raises(DataError, match="labels of the training clips"):
        score(tmp_path, splits, toys.many(cluster=None))


def test_k_hot_classes_are_counted_by_clip(tmp_path: Path) -> None:
    splits = {name: toys.chords(name, 14) for name in ("train", "valid", "test")}
    without = [own for own in splits["train"] if "high" not in own.sidecar["tags"]]
    found = score(tmp_path, splits | {"train": without}, toys.many(cluster=None))
    high = sum("high" in own.sidecar["tags"] for own in splits["test"])
    assert found.rates[UNTRAINED_CLIPS] == high / 14


@pytest.mark.parametrize("value", [None, True, 1.0, " a", "", ["a"], {"a": 1}])
def test_what_names_a_cluster(tmp_path: Path, value: object) -> None:
    splits = make_splits()
    splits["test"][3] = replace(splits["test"][3], sidecar={**splits["test"][3].sidecar, "speaker": value})
    with pytest.raises(DataError, match="cluster key 'speaker'"):
        score(tmp_path, splits, toys.task(probes=(KNN(k=3),)))


def test_events_without_any_in_training(tmp_path: Path) -> None:

    task = toys.task(target=Events(("cat", "dog", "cow")))
    targets = np.uint8([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]])
    rows = np.arange(4)
    found = check_event_classes(task, targets, (FitSplit(rows[:2], None, rows[2:]),))
    assert found == {UNUSED_CLASSES: 1 / 3, UNTRAINED_CLIPS: 1 / 2}
    with pytest.raises(DataError, match="labels of the training clips: got no event in 2 clips"):
        check_event_classes(task, targets, (FitSplit(rows[[1, 3]], None, rows[[0, 2]]),))
