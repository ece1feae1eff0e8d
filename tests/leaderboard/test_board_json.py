"""Leaderboards: summaries against published numbers, JSON and its schema, predictions files, tables."""

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bench.leaderboard.files import board_json, predictions
from bench.leaderboard.summaries import build_board
from bench.leaderboard.terminal import tables
from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.scoring.measure import ScoredPredictions
from bench.types import (
    BenchError,
    ClassLabel,
    Data,
    DataError,
    Failure,
    Leaderboard,
    Score,
    ShardSet,
    Splits,
    Task,
)

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "leaderboard.schema.json").read_text())


ONLY_KNN = (KNN(),)


def task(name, domain="speech", weight=1.0, private=False, probes=ONLY_KNN):
    return Task(
        name=name,
        domain=domain,
        shards=ShardSet({}),
        split=Splits(),
        target=ClassLabel("label", ("a", "b")),
        metric=accuracy,
        probes=probes,
        weight=weight,
        private=private,
    )


def score(name="esc50", encoder="logmel", probe="knn", value=0.5, **changes):
    row = Score(
        task=name,
        version=1,
        domain="environment",
        encoder=encoder,
        fingerprint="f" * 64,
        suite="mini",
        protocol="strict",
        probe=probe,
        metric="accuracy",
        value=value,
        normalized=value,
        chance_corrected=2 * value - 1,
        ci95=(value - 0.01, value + 0.01),
        n=200,
        clusters=None,
        weight=1.0,
        chance=0.5,
        majority=0.5,
        seeds=(0, 1, 2),
        seed_values=(value, value, value),
        secondary={"balanced_accuracy": 0.4},
        data=Data("mini-v1/esc50", "0" * 64, "CC0-1.0", True, True, 0.25, 2),
        rates={"missing": 0.0},
        subsets={"fold 1": value},
        predictions="predictions/esc50.logmel.knn.safetensors",
        device="cpu",
        precision="fp32",
        policy="padded",
        certified=True,
    )
    return dataclasses.replace(row, **changes)


def encoder_row(name="logmel", **changes):
    return {
        "name": name,
        "fingerprint": "f" * 64,
        "source": "",
        "revision": "",
        "licence": "Apache-2.0",
        "trained_on": [],
        "sampling_rate": 16000,
        "output_dim": 128,
        "hop_size_in_ms": 10.0,
        "policy": "padded",
        "certified": True,
        "checks": [{"name": "hop", "passed": True, "measured": "160.0", "expected": "160"}],
        **changes,
    }


def board(scores=None, failures=(), tasks=None, encoders=None, **more):
    scores = [score()] if scores is None else scores
    return build_board(
        suite="mini",
        protocol="strict",
        scores=scores,
        failures=failures,
        encoders=[encoder_row()] if encoders is None else encoders,
        tasks=[task("esc50", "environment")] if tasks is None else tasks,
        **more,
    )


# --------------------------------------------------------------------------------------------------- summaries

# Task, private, weight, and the kNN accuracies of dasheng, wav2vec2, whisper and data2vec in X-ARES's README.
PUBLISHED = [
    ("asvspoof2015", False, 2000, 0.869, 0.858, 0.843, 0.942),
    ("cremad", False, 1116, 0.38, 0.221, 0.372, 0.351),
    ("esc50", False, 400, 0.618, 0.081, 0.191, 0.04),
    ("finger_snap", True, 5000, 0.848, 0.787, 0.401, 0.461),
    ("fluentspeechcommands", False, 2000, 0.26, 0.017, 0.032, 0.63),
    ("freemusicarchive", False, 800, 0.592, 0.251, 0.406, 0.106),
    ("gtzan_genre", False, 100, 0.758, 0.303, 0.35, 0.108),
    ("inside_outside_car", True, 5000, 0.798, 0.575, 0.73, 0.588),
    ("key_scratching", True, 5000, 0.955, 0.923, 0.691, 0.55),
    ("libricount", False, 1144, 0.311, 0.235, 0.246, 0.176),
    ("librispeechmalefemale", False, 2620, 0.791, 0.606, 0.617, 0.724),
    ("nsynthinstument", False, 2000, 0.499, 0.251, 0.205, 0.179),
    ("ravdess", False, 360, 0.408, 0.169, 0.296, 0.313),
    ("speechcommandsv1", False, 2000, 0.903, 0.208, 0.096, 0.852),
    ("subway_broadcast", True, 5000, 0.949, 0.533, 0.884, 0.53),
    ("urbansound8k", False, 873, 0.662, 0.339, 0.215, 0.156),
    ("vocalimitations", False, 1867, 0.107, 0.01, 0.016, 0.018),
    ("vocalsound", False, 2000, 0.382, 0.269, 0.405, 0.308),
    ("voxceleb1", False, 2000, 0.262, 0.003, 0.01, 0.033),
    ("voxlingua33", False, 1609, 0.376, 0.034, 0.36, 0.058),
]
PEERS = ("dasheng", "wav2vec2", "whisper", "data2vec")


def published(private):
    rows = [
        score(name, peer, value=value, weight=float(weight), private=hidden)
        for name, hidden, weight, *values in PUBLISHED
        for peer, value in zip(PEERS, values, strict=True)
    ]
    tasks = [task(name, weight=float(weight), private=hidden) for name, hidden, weight, *_ in PUBLISHED]
    random.Random(0).shuffle(rows)
    result = board(rows, tasks=tasks, encoders=[encoder_row(peer) for peer in PEERS], private=private)
    return {summary["encoder"]: summary for summary in result.summaries}


def test_published_weighted_averages_of_public_tasks():
    summaries = published(private=False)
    assert [round(summaries[peer]["weighted"], 4) for peer in PEERS] == [0.5037, 0.2625, 0.2986, 0.3873]
    assert summaries["dasheng"]["tasks"] == 16


def test_published_weighted_averages_of_all_tasks():
    summaries = published(private=True)
    assert [round(summaries[peer]["weighted"], 4) for peer in PEERS] == [0.6827, 0.4686, 0.4748, 0.4549]


def test_means_and_domains():
    tasks = [task("a", "speech", 3.0), task("b", "speech"), task("c", "music"), task("d", "music", probes=())]
    rows = [score("a", value=0.2, weight=3.0), score("b", value=0.4), score("c", value=0.9)]
    (summary,) = board(rows, tasks=tasks).summaries
    assert summary == {
        "encoder": "logmel",
        "probe": "knn",
        "tasks": 3,
        "weighted": pytest.approx((3 * 0.2 + 0.4 + 0.9) / 5),
        "mean": pytest.approx(0.5),
        "chance_corrected": pytest.approx(0.0),
        "domains": {"speech": pytest.approx(0.3), "music": pytest.approx(0.9)},
        "missing": [],
    }


def test_a_missing_task_makes_every_value_that_covers_it_null():
    tasks = [task("b", "speech"), task("a", "speech"), task("c", "music"), task("z", "music", private=True)]
    (summary,) = board([score("b"), score("c", value=0.9)], [Failure("a", "logmel", "knn", "boom")], tasks).summaries
    assert summary["missing"] == ["a"]
    assert [summary[key] for key in ("weighted", "mean", "chance_corrected")] == [None, None, None]
    assert summary["domains"] == {"speech": None, "music": 0.9}


def test_probes_are_summarised_apart_and_an_encoder_that_only_failed_has_rows_too():
    tasks = [task("a", probes=(KNN(), LinearProbe())), task("b", probes=(LinearProbe(),))]
    rows = [score("a"), score("a", probe="linear"), score("b", probe="linear", value=0.7)]
    found = {
        (summary["encoder"], summary["probe"]): summary
        for summary in board(rows, [Failure("a", "broken", "knn", "boom")], tasks).summaries
    }
    assert sorted(found) == [("broken", "knn"), ("broken", "linear"), ("logmel", "knn"), ("logmel", "linear")]
    assert found["logmel", "knn"]["mean"] == 0.5
    assert found["logmel", "linear"]["mean"] == pytest.approx(0.6)
    assert found["broken", "linear"]["missing"] == ["a", "b"]


def test_weights_of_zero_give_no_weighted_mean():
    (summary,) = board([score(weight=0.0)]).summaries
    assert (summary["weighted"], summary["mean"], summary["missing"]) == (None, 0.5, [])


@given(st.permutations(range(6)))
def test_order_of_arrival_does_not_matter(order):
    tasks = [task(name, probes=(KNN(), LinearProbe())) for name in "abc"]
    rows = [
        score(name, probe=probe, value=0.1 + 0.07 * i) for i, name in enumerate("abc") for probe in ("knn", "linear")
    ]
    whole = board_json.to_json(board(rows, tasks=tasks))
    shuffled = board([rows[i] for i in order], tasks=tasks[::-1])
    assert board_json.to_json(shuffled) == whole
    assert [(s.task, s.probe) for s in shuffled.scores] == sorted((s.task, s.probe) for s in rows)


def test_scores_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match=r"a row twice.*esc50 logmel knn"):
        board([score(), score(value=0.6)])
    with pytest.raises(DataError, match="do not rank together: got mini/xares, expected mini/strict"):
        board([score(protocol="xares")])


# -------------------------------------------------------------------------------------------------------- JSON


def test_schema_is_a_schema_and_lists_every_field():
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == {own.name for own in dataclasses.fields(Leaderboard)}
    for name, kind in (("score", Score), ("data", Data), ("failure", Failure)):
        assert set(SCHEMA["$defs"][name]["properties"]) == {own.name for own in dataclasses.fields(kind)}
    documented = (ROOT / "docs" / "leaderboard-schema.md").read_text()
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        assert part["additionalProperties"] is False
        assert sorted(part["required"]) == sorted(part["properties"].keys() - {"leakage"})  # older boards lack it
        for field, definition in part["properties"].items():
            assert f"| `{field}` |" in documented
            assert definition["description"] in documented


def test_round_trip(tmp_path):
    rows = [score(), score("gtzan", clusters=12, data=dataclasses.replace(score().data, reference=None))]
    tasks = [task("esc50"), task("gtzan"), task("absent")]
    whole = board(rows, [Failure("absent", "logmel", "knn", "DataError: …")], tasks)
    board_json.write_board(tmp_path / "leaderboard.json", whole)
    assert board_json.read_board(tmp_path / "leaderboard.json") == whole
    assert (tmp_path / "leaderboard.json").read_bytes() == board_json.to_json(whole).encode()
    assert list(tmp_path.iterdir()) == [tmp_path / "leaderboard.json"]


@given(st.floats(0, 1), st.floats(-1, 1))
def test_every_float_survives_exactly(value, corrected):
    row = score(value=value, chance_corrected=corrected)
    assert board_json.from_json(board_json.to_json(board([row]))).scores == (row,)
    assert board_json.parse_score(json.loads(json.dumps(dataclasses.asdict(row)))) == row


def test_numpy_scalars_become_numbers():
    text = board_json.to_json(board([score(value=np.float32(0.5), n=np.int64(200))]))
    assert board_json.from_json(text).scores[0].n == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"majority": float("nan")}, "majority is not finite: got nan.*score of esc50, logmel, knn"),
        ({"ci95": (0.1, float("inf"))}, r"ci95\[1\] is not finite"),
        ({"secondary": {"f1": float("nan")}}, "secondary.f1 is not finite"),
        ({"secondary": {"f1": {1, 2}}}, "secondary.f1 is no plain value: got set"),
        ({"n": 0}, r"invalid at scores\[0\].n"),
        ({"policy": "whatever"}, r"invalid at scores\[0\].policy"),
        ({"rates": {"missing": 1.5}}, r"invalid at scores\[0\].rates.missing"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_json_or_the_schema_cannot_hold_is_refused_before_writing(change, message, tmp_path):
    path = tmp_path / "leaderboard.json"
    path.write_text("old")
    with pytest.raises(DataError, match=message):
        board_json.write_board(path, board([score(**change)]))
    assert path.read_text() == "old"


def _without(key):
    document = json.loads(board_json.to_json(board()))
    del document["scores"][0][key]
    return json.dumps(document)


def _with(**changes):
    return json.dumps({**json.loads(board_json.to_json(board())), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no readable JSON"),
        (board_json.to_json(board())[:400], "no readable JSON"),
        (board_json.to_json(board()).replace("0.4", "NaN"), "no readable JSON: got NaN"),
        ("[]", "no leaderboard: got list"),
        ('{"a": 1}', r"no leaderboard: got keys \['a'\]"),
        (_with(schema=2), "another schema: got 2, expected 1"),
        (_with(extra=1), "invalid at top: got .*extra"),
        (_without("fingerprint"), r"invalid at scores\[0\]: got 'fingerprint' is a required property"),
        (_with(failures=[{"task": "a"}]), r"invalid at failures\[0\]"),
    ],
)
def test_bad_files_are_refused(text, message, tmp_path):
    path = tmp_path / "theirs.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        board_json.read_board(path)
    assert caught.value.where == str(path)


def test_absent_and_undecodable_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        board_json.read_board(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot read"):
        board_json.read_board(tmp_path / "latin.json")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "leaderboard.json"
    board_json.write_board(path, board())
    before = path.read_bytes()

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(BenchError, match="No space left on device"):
        board_json.write_board(path, board([score(value=0.6)]))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------------------------------------- predictions


def proof(**changes):
    content = {
        "keys": ("a/1", "b é", "c"),
        "targets": np.array([0, 1, 1]),
        "predictions": np.array([[0, 1, 0], [1, 1, 1]]),
        "folds": np.array([0, 0, 1]),
        "clusters": np.array([5, 5, 7]),
        "classes": ("dog", "cat"),
    }
    return {**content, **changes}


@pytest.mark.parametrize("clusters", [None, np.array([5, 5, 7])], ids=["clips", "clusters"])
def test_predictions_round_trip(tmp_path, clusters):
    content = proof(clusters=clusters, predictions=np.asfortranarray(proof()["predictions"]))
    predictions.write_predictions(tmp_path / "sub" / "p.safetensors", ScoredPredictions(**content))
    found = predictions.read_predictions(tmp_path / "sub" / "p.safetensors")
    for name, value in content.items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert (found.clusters is None) == (clusters is None)


def test_predictions_are_the_same_bytes_in_every_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from bench.leaderboard.files import predictions as p;"
        "from bench.scoring.measure import ScoredPredictions;"
        "own = ScoredPredictions(('a', 'b'), np.arange(2), np.zeros((1, 2), int), np.zeros(2, int), None, ('x', 'y'));"
        "p.write_predictions(Path(sys.argv[1]), own)"
    )
    for name in ("1", "2"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], cwd=ROOT, check=True)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.array([0, 1])}, "targets do not fit the keys"),
        ({"targets": np.array([0, 1, 2])}, "targets hold no class: got 2, expected 0 to 1"),
        ({"predictions": np.array([0, 1, 1])}, "predictions do not fit"),
        ({"predictions": np.array([[0, -1, 1]])}, "predictions hold no class: got -1"),
        ({"folds": np.array([0.0, 1.0, 2.0])}, "folds do not fit"),
        ({"clusters": np.array([1])}, "clusters do not fit"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_predictions_that_do_not_fit_are_refused(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        predictions.write_predictions(tmp_path / "p", ScoredPredictions(**proof(**change)))
    assert not (tmp_path / "p").exists()


def several(**changes):
    targets = np.array([[0, 1], [1, 1], [0, 0]], dtype=np.uint8)
    scores = np.array([[[0.1, 0.9], [0.5, 0.25], [0, 1]]], dtype=np.float32)
    return proof(**{"targets": targets, "predictions": scores, **changes})


def test_predictions_of_several_labels_round_trip(tmp_path):
    predictions.write_predictions(
        tmp_path / "p", ScoredPredictions(**several(targets=several()["targets"].astype(int)))
    )
    found = predictions.read_predictions(tmp_path / "p")
    for name, value in several().items():
        np.testing.assert_array_equal(getattr(found, name), value)
    assert (found.targets.dtype, found.predictions.dtype, found.folds.dtype) == (np.uint8, np.float32, np.int64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros((3, 3), dtype=int)}, r"targets do not fit the keys: got int64 \[3, 3\]"),
        ({"targets": np.full((3, 2), 2)}, "targets are not k-hot: got 2, expected 0 to 1"),
        ({"targets": np.zeros((3, 2))}, "targets do not fit the keys: got float64"),
        ({"predictions": np.zeros((1, 3))}, r"predictions do not fit the keys: .* expected floating \[..., 3, 2\]"),
        ({"predictions": np.zeros((1, 3, 2), dtype=int)}, "predictions do not fit the keys: got int64"),
        ({"predictions": np.full((1, 3, 2), np.nan)}, "predictions hold no score"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_predictions_of_several_labels_that_do_not_fit_are_refused(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        predictions.write_predictions(tmp_path / "p", ScoredPredictions(**several(**change)))


def test_damaged_or_foreign_predictions_are_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "p.safetensors"
    with pytest.raises(DataError, match="cannot read predictions"):
        predictions.read_predictions(path)
    predictions.write_predictions(path, ScoredPredictions(**proof()))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="cannot read predictions"):
        predictions.read_predictions(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(DataError, match="no predictions file: got schema None"):
        predictions.read_predictions(path)
    for about in ("[]", "3", '{"schema": 1}', '{"schema": 1, "keys": [1], "classes": []}'):
        tensors = {name: np.zeros(1, int) for name in ("targets", "folds")} | {"predictions": np.zeros((1, 1), int)}
        save_file(tensors, path, metadata={"otoscope": about})
        with pytest.raises(DataError, match="no predictions file: got schema None"):
            predictions.read_predictions(path)


# ------------------------------------------------------------------------------------------------------- table


def lines(whole, **more):
    return [" ".join(line.split()) for line in tables.render_board(whole, width=160, **more).splitlines()]


def test_table_shows_rows_and_summary():
    shown = lines(board([score(value=0.512, ci95=(0.48, 0.55))]))
    assert shown[0] == "task encoder probe metric score [95% CI] normalized chance n flags"
    assert shown[1] == "esc50 logmel knn accuracy 0.512 [0.480, 0.550] 0.512 0.500 200"
    assert shown[3] == "summary probe S mean chance-corrected environment tasks"
    assert shown[4] == "logmel knn 0.512 0.512 0.024 0.512 1/1"


def test_table_flags_what_a_reader_must_know():
    row = score(certified=False, private=True, rates={"missing": 0.02})
    recorded = dataclasses.replace(row, data=dataclasses.replace(row.data, reference=False, synthetic=False))
    shown = lines(board([recorded], encoders=[encoder_row(trained_on=["ESC50"])]))
    assert shown[1].endswith("200 uncertified, trained on it, other data, private, 2.0% lost")
    shown = lines(board([row], encoders=[encoder_row(trained_on=["ESC50"])]))  # nobody was trained on generated clips
    assert shown[1].endswith("200 uncertified, private, 2.0% lost")
    shown = lines(board([score(secondary={"chosen layer": 3.4})]))  # the mean over folds, which chose on their own
    assert shown[1].endswith("200 layer 3.4")


def test_table_says_why_there_is_no_summary():
    tasks = [task("esc50"), task("gtzan"), *(task(f"t{i}") for i in range(10))]
    failed = Failure("gtzan", "logmel", "knn", "DataError: clip 3\nis bad")
    shown = lines(board(failures=[failed], tasks=tasks))
    assert "not scored: gtzan, logmel, knn: DataError: clip 3 is bad" in shown
    missing = "gtzan, t0, t1, t2, t3, t4, t5, t6 and 3 more"
    assert f"S of logmel, knn: not computed, missing: {missing}" in shown
    assert any(line.startswith("logmel knn - - - - 1/12") for line in shown)


def test_a_probe_that_was_not_asked_for_has_no_summary_line():
    whole = board(tasks=[task("esc50", probes=(KNN(), LinearProbe()))])
    assert len(whole.summaries) == 2
    assert "linear" not in tables.render_board(whole)


def test_names_are_not_markup():
    name = "[red]x[/red] [/oops] :smile: \x1b[31m"
    shown = tables.render_board(board([score(encoder=name)], encoders=[encoder_row(name)]), width=200)
    assert shown.count("[red]x[/red] [/oops] :smile:") == 2
    assert "\x1b" not in shown


@given(st.text(max_size=30), st.integers(20, 200), st.booleans())
def test_any_name_at_any_width_renders(name, width, colour):
    whole = board([score(encoder=name)], [Failure("esc50", name, "knn", name)], encoders=[encoder_row(name)])
    shown = tables.render_board(whole, width=width, colour=colour)
    assert ("\x1b[" in shown) == colour


def test_an_empty_leaderboard_renders_as_nothing():
    assert tables.render_board(board([], tasks=[])) == ""


def test_throughput_table():
    figures = {
        "encoder": "logmel",
        "batch_size": 8,
        "seconds": 10.0,
        "median_in_s": 0.0421,
        "rounds": 5,
        "audio_seconds_per_second": 1900.2,
        "clips_per_second": 190.02,
        "peak_memory_in_mb": None,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
    }
    shown = [" ".join(line.split()) for line in tables.render_throughput([figures]).splitlines()]
    assert shown[0] == "encoder device precision batch clip [s] median [ms] audio s/s clips/s peak [MB]"
    assert shown[1] == "logmel cpu fp32 8 10 42.1 1900 190.0 -"


def spoken(**changes):
    texts = np.array(["one two", "", "drei \u00e4"], dtype=object)
    said = np.array([["one two", "two", "drei"], ["one", "", "drei \u00e4"]], dtype=object)
    return proof(**{"targets": texts, "predictions": said, "classes": (), **changes})


def test_predictions_that_are_texts_round_trip(tmp_path):
    predictions.write_predictions(tmp_path / "p", ScoredPredictions(**spoken()))
    found = predictions.read_predictions(tmp_path / "p")
    assert found.targets.tolist() == spoken()["targets"].tolist()
    assert found.predictions.tolist() == spoken()["predictions"].tolist()
    assert found.classes == ()
    with pytest.raises(DataError, match="hold no text: got 3"):
        predictions.write_predictions(
            tmp_path / "q", ScoredPredictions(**spoken(targets=np.array(["a", "b", 3], dtype=object)))
        )
    with pytest.raises(DataError, match="predictions do not fit the keys"):
        predictions.write_predictions(
            tmp_path / "q", ScoredPredictions(**spoken(predictions=spoken()["predictions"][:, :2]))
        )


def test_predictions_that_are_ranks_round_trip(tmp_path):
    ranks = np.array([[1, 700, 3], [2, 1, 1]])
    predictions.write_predictions(tmp_path / "p", ScoredPredictions(**proof(predictions=ranks, ranks=True)))
    found = predictions.read_predictions(tmp_path / "p")
    assert found.ranks
    assert np.array_equal(found.predictions, ranks)
    with pytest.raises(DataError, match="hold no rank: got 0, expected 1 or more"):
        predictions.write_predictions(tmp_path / "q", ScoredPredictions(**proof(predictions=ranks - 1, ranks=True)))
