"""The contract of every bundled task, and the published facts against a second copy (X-ARES 0.1.3, commit 161f0ef)."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.dataset import adapt_to_suite, list_splits
from bench.discovery.bundled import find_bundled_tasks
from bench.probes import KNN, CausalLM, FrameProbe, LinearProbe, RetrievalProbe, SpeechToText
from bench.types import DOMAINS, Captions, ClassLabel, DataError, Events, Folds, MultiLabel, Task, Transcript, Trials

FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "facts" / "xares_tasks.json").read_text())
TASKS = find_bundled_tasks()
SMALL = [task for task in TASKS if task.mini is not None]
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
published_task = pytest.mark.parametrize("task", [t for t in TASKS if t.name in FACTS], ids=lambda task: task.name)


def test_two_tasks_in_each_domain_at_least() -> None:
    for domain in DOMAINS:
        assert sum(task.domain == domain for task in SMALL) >= 2


@every_task
def test_a_task_is_complete(task: Task) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", task.name)
    assert set(list_splits(task)) <= set(task.shards.patterns) or (task.shards.corpus is not None and task.mini is None)
    assert task.version >= 1
    assert (task.weight == 0) == isinstance(task.target, Trials)  # the summary of X-ARES knows no verification
    assert task.description
    assert task.source
    assert task.licence
    assert len({probe.name for probe in task.probes}) == len(task.probes) >= 1
    if isinstance(task.target, Captions):
        assert task.cluster is None  # it would be read as a caption
    if isinstance(task.target, Captions | Transcript):
        assert task.target.n_classes == 0
        return
    if isinstance(task.target, Trials):
        assert task.metric.name == "EER"
        assert task.mini is None or task.target.file in task.mini.sha256
        return
    classes = task.target.classes  # type: ignore[attr-defined]
    assert len(set(classes)) == len(classes) == task.target.n_classes >= 2


@pytest.mark.parametrize("task", SMALL, ids=lambda task: task.name)
def test_the_embedded_version_has_the_same_shape(task: Task) -> None:
    assert task.mini is not None
    small = adapt_to_suite(task, "mini")
    assert type(small.target) is type(task.target)
    if task.mini.classes is not None:
        assert isinstance(small.target, ClassLabel | MultiLabel | Events)
        assert isinstance(task.target, ClassLabel | MultiLabel | Events)
        assert set(small.target.classes) <= set(task.target.classes)
    else:
        assert small.target == task.target
    assert task.mini.licence
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in task.mini.sha256.values())
    for name in list_splits(task):
        assert any(fnmatch(shard, task.shards.patterns[name]) for shard in task.mini.sha256), name
    patterns = {task.shards.patterns[name] for name in list_splits(task)}  # validation and test may be the same shards
    used = set(task.mini.sha256)
    if isinstance(task.target, Trials):  # several tasks share the folder, each with a list of its own
        used = {shard for shard in used if shard.endswith(".tar") and "test" in shard}
    for shard in used:
        assert sum(fnmatch(shard, pattern) for pattern in patterns) == 1, shard


def test_what_is_generated_for_several_tasks_is_the_same() -> None:
    by_folder: dict[str, Task] = {}
    for task in SMALL:
        assert task.mini is not None
        first = by_folder.setdefault(task.mini.folder or task.name, task).mini
        assert first is not None
        assert (first.make, first.version, first.sha256) == (task.mini.make, task.mini.version, task.mini.sha256)


@pytest.mark.parametrize(
    "task", [t for t in TASKS if isinstance(t.target, ClassLabel | MultiLabel)], ids=lambda task: task.name
)
def test_every_class_is_its_own_target(task: Task) -> None:
    assert isinstance(task.target, ClassLabel | MultiLabel)
    key = task.target.key
    found = [task.target({key: value}, "x") for value in task.target.classes]
    each = range(task.target.n_classes)
    expected = np.eye(task.target.n_classes) if isinstance(task.target, MultiLabel) else np.array(each)
    assert np.array_equal(task.target.stack(found), expected)
    with pytest.raises(DataError, match="unknown label"):
        task.target({key: "no such class"}, "x")
    with pytest.raises(DataError, match="label missing"):
        task.target({}, "x")


@published_task
def test_published_facts(task: Task) -> None:
    facts = FACTS[task.name]
    assert task.domain == facts["domain"]
    assert task.shards.zenodo == facts["zenodo"]
    assert task.weight == facts["weight"]
    assert task.crop_in_s == facts["crop_in_s"]
    assert task.private == facts["private"]
    if isinstance(task.target, ClassLabel | MultiLabel | Transcript):
        assert task.target.key == facts["label_key"]
    strict = {"maestro": 88}  # the published 87 leave the highest piano key out
    assert task.target.n_classes == (strict.get(task.name, facts["classes"]) or 0)
    if isinstance(task.split, Folds):
        assert list(task.split.names) == facts["folds"]
        assert dict(task.shards.patterns) == facts["patterns"]
    else:
        for role in ("train", "valid", "test"):
            name = getattr(task.split, role)
            published = facts["patterns"][facts["splits"][role]]
            if name is None:  # not used here where it is the test split
                assert published == facts["patterns"][facts["splits"]["test"]]
            else:
                assert task.shards.patterns[name] == published


def test_the_private_tasks_are_here_and_have_no_record() -> None:
    private = {task.name for task in TASKS if task.private}
    assert private == {name for name, facts in FACTS.items() if facts["private"]}
    assert len(private) == 5
    for task in TASKS:
        if task.private:
            assert task.mini is None
            assert task.shards.zenodo is None
    liveenv = next(task for task in TASKS if task.name == "liveenv")
    assert isinstance(liveenv.target, ClassLabel)
    assert liveenv.target({"soundevent": "BabySound "}, "x") == 5
    with pytest.raises(DataError, match="unknown label"):
        liveenv.target({"soundevent": "BabySound"}, "x")


def test_a_number_may_be_written_as_text() -> None:
    task = next(task for task in TASKS if task.name == "subway_broadcast")
    for value, place in (("0", 0), (1, 1), ("1", 1), (" 1 ", 1), (False, 0), (True, 1)):
        assert task.target({"broadcasting": value}, "x") == place
    for value in ("2", "", "1.5", "yes", None, "-1"):
        with pytest.raises(DataError, match="unknown label"):
            task.target({"broadcasting": value}, "x")


@published_task
def test_published_heads(task: Task) -> None:
    facts = FACTS[task.name]
    heads = LinearProbe | FrameProbe | RetrievalProbe | SpeechToText
    linear = next(probe for probe in task.probes if isinstance(probe, heads))
    assert (linear.epochs, linear.learning_rate, linear.batch_size) == (
        facts["epochs"],
        facts["learning_rate"],
        facts["batch_size"],
    )
    assert any(isinstance(probe, KNN) for probe in task.probes) == facts["knn"]
    for probe in task.probes:
        if isinstance(probe, KNN):
            assert (probe.k, probe.temperature) == (10, 0.07)
    if isinstance(linear, SpeechToText):
        assert linear == SpeechToText(10, 1e-3, 4, CausalLM("Qwen/Qwen2.5-0.5B", "linear"), 1, 200, 1.1)
    names = {"iWER": "WER_inv", "recall@1": "recallatk_r1"}
    assert names.get(task.metric.name, task.metric.name.replace("segment-F1 ", "segmentf1_")) == facts["metric"]
