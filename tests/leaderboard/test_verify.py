"""Scores computed again from predictions: what is stored holds, and every number that does not is named."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.evaluation.layer_curve import find_contradiction
from bench.leaderboard.cli import main
from bench.leaderboard.files import board_json, predictions
from bench.leaderboard.files.metric_names import STRICT, XARES, find_metric
from bench.leaderboard.files.sources import read_source
from bench.leaderboard.files.verify import is_same, verify_board
from bench.leaderboard.summaries import build_board
from bench.scoring.measure import ScoredPredictions, compute_result
from bench.types import ChoiceError
from tests.leaderboard.test_board_json import encoder_row, score, task

N, SEEDS, CLASSES = 24, 2, ("a", "b", "c")


def answers(metric, seed=0, right=0.5):
    """Predictions of 24 clips in 12 clusters and two folds, about ``right`` of them right."""
    rng = np.random.default_rng(seed)
    folds, clusters = np.arange(N) // 12, np.arange(N) // 2
    keys, classes = tuple(f"clip{i}" for i in range(N)), CLASSES
    if metric in ("accuracy", "balanced_accuracy"):
        targets = np.arange(N) % 3
        found = np.where(rng.random((SEEDS, N)) < right, targets, (targets + 1) % 3)
    elif metric == "mAP":
        targets = (rng.random((N, 3)) < 0.4).astype(np.uint8)
        targets[::12] = 1
        found = (rng.normal(size=(SEEDS, N, 3)) + 2 * right * targets).astype(np.float32)
    elif metric.startswith("segment-F1"):
        targets = (rng.random((N, 3)) < 0.5).astype(np.uint8)
        targets[::12] = 1
        found = np.where(rng.random((SEEDS, N, 3)) < right, targets, 1 - targets).astype(np.uint8)
    elif metric == "recall@1":
        targets, classes = np.arange(N) % 2, ("audio_to_text", "text_to_audio")
        found = np.where(rng.random((SEEDS, N)) < right, 1, rng.integers(2, 9, (SEEDS, N)))
    else:
        words = np.array(["one two", "Three, four", "five", "six seven eight"], dtype=object)
        targets, classes = words[np.arange(N) % 4], ()
        found = np.where(rng.random((SEEDS, N)) < right, targets, "two one")
    return ScoredPredictions(keys, targets, found, folds, clusters, classes, metric == "recall@1")


def run(folder, metric="accuracy", encoder="logmel", name="esc50", seed=0, right=0.5, protocol="strict"):
    """A row and its predictions file, as a run writes them."""
    own = answers(metric, seed, right)
    path = f"predictions/{name}.{encoder}.linear.safetensors"
    predictions.write_predictions(folder / path, own)
    row = score(name, encoder, "linear", metric=metric, seeds=(0, 1), predictions=path, protocol=protocol)
    row = replace(row, data=replace(row.data, classes=len(own.classes) if metric != "recall@1" else 0))
    found = asdict(compute_result(find_metric(row), own, row.data.classes, where=name))
    low_high = sorted(found.pop("fold_values"))
    found["subsets"] = dict(zip(("fold x", "fold y"), low_high, strict=True))
    return replace(row, **found)


def saved(folder, rows, tasks=None):
    names = sorted({row.task for row in rows})
    whole = build_board(
        suite="mini",
        protocol=rows[0].protocol,
        scores=rows,
        failures=[],
        encoders=[encoder_row(name) for name in sorted({row.encoder for row in rows})],
        tasks=tasks or [replace(task(name, "environment"), probes=rows_probes()) for name in names],
    )
    board_json.write_board(folder / "leaderboard.json", whole)
    return folder


def rows_probes():
    from bench.probes import LinearProbe

    return (LinearProbe(),)


METRICS = ("accuracy", "mAP", "segment-F1 macro", "segment-F1 micro", "recall@1", "iWER", "iCER")


@pytest.mark.parametrize("protocol", ["strict", "xares"])
@pytest.mark.parametrize("metric", METRICS)
def test_what_predictions_say_holds(metric, protocol, tmp_path, capsys):
    saved(tmp_path, [run(tmp_path, metric, protocol=protocol)])
    assert verify_board(read_source(tmp_path)) == []
    assert main(["verify", str(tmp_path)]) == 0
    assert "1 scores, 1 summaries, all as stored" in capsys.readouterr().out


def test_accuracy_by_hand(tmp_path):
    row = run(tmp_path)
    own = answers("accuracy")
    right = (own.targets == own.predictions).mean(axis=0)
    assert row.value == pytest.approx((right[:12].mean() + right[12:].mean()) / 2, abs=1e-12)
    assert row.chance == pytest.approx(1 / 3, abs=1e-12)
    assert (row.n, row.clusters) == (24, 12)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("value", lambda row: {"value": row.value + 1e-9}),
        ("normalized", lambda row: {"normalized": row.normalized - 1e-9}),
        ("chance_corrected", lambda row: {"chance_corrected": row.chance_corrected + 0.1}),
        ("chance", lambda row: {"chance": 0.2}),
        ("ci95", lambda row: {"ci95": (row.ci95[0] + 1e-9, row.ci95[1])}),
        ("seed_values", lambda row: {"seed_values": (row.seed_values[0], 0.9)}),
        ("secondary", lambda row: {"secondary": {}}),
        ("subsets", lambda row: {"subsets": {name: value / 2 for name, value in row.subsets.items()}}),
        ("clusters", lambda row: {"clusters": None}),
        ("seeds", lambda row: {"seeds": (0,)}),
        ("predictions", lambda row: {"n": 23}),
        ("predictions", lambda row: {"predictions": "../elsewhere.safetensors"}),
        ("predictions", lambda row: {"predictions": "/etc/passwd"}),
        ("predictions", lambda row: {"predictions": "predictions/none"}),
        ("predictions", lambda row: {"metric": "<script>"}),
    ],
)
def test_every_number_that_does_not_hold_is_named(field, change, tmp_path, capsys):
    row = run(tmp_path)
    saved(tmp_path, [replace(row, **change(row))])
    found = verify_board(read_source(tmp_path))
    assert field in [difference.field for difference in found if not difference.where.startswith("summary")]
    assert main(["verify", str(tmp_path)]) == 1
    assert f"esc50, logmel, linear: {field} is" in capsys.readouterr().out


LAYERS = {"layer 0": 0.25, "layer 1": 0.5, "layer 2": 0.75}
CURVES = [  # subsets, secondary, what is wrong: given that the row's value is 0.5
    (LAYERS, {"chosen layer": 1.0}, None),
    ({"fold 1": 0.5, **LAYERS}, {"chosen layer": 1.5}, None),
    ({"fold 1": 0.5}, {}, None),
    (LAYERS, {"chosen layer": 2.0}, "chosen layer 2 of value 0.75"),
    (LAYERS, {"chosen layer": 0.5}, "chosen layer 0.5 of value None"),
    (LAYERS, {"chosen layer": 3.0}, "chosen layer 3.0"),
    (LAYERS, {}, "chosen layer None"),
    ({}, {"chosen layer": 0.0}, "subsets without layers"),
    ({"layer 0": 0.5, "layer 2": 0.5}, {"chosen layer": 0.0}, "subsets layer 0, layer 2"),
]


@pytest.mark.parametrize(("subsets", "secondary", "wrong"), CURVES)
def test_a_curve_over_layers_agrees_with_its_row(subsets, secondary, wrong):
    found = find_contradiction(0.5, subsets, secondary)
    assert (found and found[0]) == wrong


def test_a_wrong_choice_of_layer_is_named(tmp_path):
    row = run(tmp_path)
    layers = {"layer 0": row.value / 2, "layer 1": row.value}
    for chosen, fields in ((1.0, []), (5.0, ["layers"])):
        secondary = row.secondary | {"chosen layer": chosen}
        saved(tmp_path, [replace(row, subsets=row.subsets | layers, secondary=secondary)])
        assert [difference.field for difference in verify_board(read_source(tmp_path))] == fields


@pytest.mark.parametrize(
    ("field", "value"),
    [("weighted", 0.1), ("mean", None), ("tasks", 9), ("missing", ["esc50"]), ("domains", {"environment": 0.9})],
)
def test_a_summary_that_does_not_hold_is_named(field, value, tmp_path):
    saved(tmp_path, [run(tmp_path)])
    path = tmp_path / "leaderboard.json"
    document = json.loads(path.read_text())
    document["summaries"][0][field] = value
    path.write_text(json.dumps(document))
    assert field in [difference.field for difference in verify_board(read_source(tmp_path))]
    document["summaries"] = []
    path.write_text(json.dumps(document))
    assert [difference.field for difference in verify_board(read_source(tmp_path))] == ["row"]


def test_a_summary_that_lacks_a_task_holds(tmp_path):
    tasks = [
        replace(task(name, domain), probes=rows_probes())
        for name, domain in (("esc50", "environment"), ("gtzan", "music"), ("cremad", "speech"))
    ]
    saved(tmp_path, [run(tmp_path), replace(run(tmp_path, name="gtzan"), domain="music")], tasks)
    assert verify_board(read_source(tmp_path)) == []


def test_the_protocols_have_metrics_of_their_own():
    assert set(STRICT) == set(XARES)
    assert {name for name in STRICT if STRICT[name] != XARES[name]} >= {"mAP", "segment-F1 macro", "iWER", "iCER"}
    with pytest.raises(ChoiceError, match="unknown metric"):
        find_metric(score(metric="nothing"))


@given(st.recursive(st.none() | st.floats(0, 1) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_a_value_is_the_same_as_itself(value):
    assert is_same(value, value)
    assert not is_same(value, [value, value])
