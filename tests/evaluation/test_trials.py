"""Verification from shards to score: encoders of known worth, subsets, the proof and what it tells again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.dataset import prepare_dataset
from bench.evaluation.pipelines import choose_pipeline
from bench.evaluation.scores import Evaluation
from bench.extraction.loaded import load_encoder
from bench.leaderboard.files import predictions
from bench.leaderboard.files.board_json import from_json, to_json
from bench.leaderboard.files.sources import Source
from bench.leaderboard.files.verify import verify_board
from bench.leaderboard.ranking.comparison import compare_encoders
from bench.leaderboard.summaries import build_board
from bench.leaderboard.terminal.tables import list_flags
from bench.metrics.detection import compute_eer, rank_trials
from bench.probes import Cosine, SNorm
from bench.scoring.trials import TrialPredictions, find_highest_nontargets, select_subsets
from bench.types import DataError, Settings, Splits, Task, Trials
from tests.helpers import toys
from tests.helpers import verification_toys as hums

ENCODERS = {"oracle": hums.Oracle, "confounded": hums.Confounded, "chance": hums.Chance, "constant": hums.Constant}


def run(task: Task, name: str, data: Path, cache: Path) -> list[Evaluation]:
    settings = Settings("full", "strict", "cpu", "fp32", (0,), cache, data, threads=1)
    loaded = load_encoder(toys.spec(name, ENCODERS[name]()), device="cpu", precision="fp32", cache=cache)
    pipeline = choose_pipeline(task)
    embedded = pipeline.embed(
        task, prepare_dataset(task, "full", cache=cache, data=data), loaded, settings, lambda n, now: None
    )
    return [embedded.evaluate(loaded, probe, settings) for probe in task.probes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hums")
    hums.write(folder / "hums")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rows(data: Path, cache: Path) -> dict[str, dict[str, Evaluation]]:
    """By encoder and back-end."""
    found = {name: run(hums.task(), name, data, cache) for name in ENCODERS}
    return {name: {own.score.probe: own for own in evaluated} for name, evaluated in found.items()}


BACKENDS = [probe.name for probe in hums.task().probes]


@pytest.mark.parametrize("backend", BACKENDS)
def test_planted_encoders(rows, backend):
    oracle, chance, constant = (rows[name][backend].score for name in ("oracle", "chance", "constant"))
    assert oracle.value < 0.01
    assert chance.ci95[0] <= 0.5 <= chance.ci95[1]
    assert 0.35 < chance.value < 0.65
    assert constant.value == 0.5
    assert constant.secondary["minDCF(0.01)"] == constant.secondary["minDCF(0.05)"] == 1.0
    assert oracle.chance == constant.chance == 0.5
    assert oracle.n == 64 * 63 // 2
    assert oracle.clusters == 16
    assert oracle.data.id == "Hums"


def test_a_confounded_encoder_is_seen_in_the_buckets(rows):
    found, oracle = (rows[name]["cosine"].score.subsets for name in ("confounded", "oracle"))
    assert found["different language"] > found["same language"] + 0.05
    crossed, easy = (
        "different language in targets, same in non-targets",
        "same language in targets, different in non-targets",
    )
    assert found[crossed] > found["different language"] > found[easy]
    assert found[crossed] >= 0.5
    assert all(oracle[name] < 0.01 for name in ("same language", "different language", crossed, easy))
    counts = {name: value for name, value in found.items() if name.endswith("targets")}
    assert counts["same language: targets"] + counts["different language: targets"] == 16 * 6
    assert counts["shorter side below 0.35 s: targets"] + counts["shorter side from 0.35 s: targets"] == 16 * 6
    assert counts["gender f: non-targets"] == counts["gender m: non-targets"] == 28 * 16


def test_subsets_are_those_trials(rows):
    answers = rows["confounded"]["cosine"].answers
    assert isinstance(answers, TrialPredictions)
    of_speaker = np.array([int(own[4:6]) for own in answers.utterances])
    both = (of_speaker[answers.enrol] % 2 == 0) & (of_speaker[answers.test] % 2 == 0)
    members = dict(select_subsets(answers))
    np.testing.assert_array_equal(members["gender f"], both)
    own = compute_eer(rank_trials(answers.targets[both], answers.predictions[0][both]))
    assert rows["confounded"]["cosine"].score.subsets["gender f"] == own


def test_calibration_keeps_the_order_and_helps_cllr(rows):
    raw, calibrated = (rows["confounded"][name].score for name in ("cosine", "cosine:calibrated"))
    assert calibrated.value == pytest.approx(raw.value, abs=1e-3)
    assert calibrated.secondary["minCllr"] == pytest.approx(raw.secondary["minCllr"], abs=1e-3)
    assert calibrated.secondary["Cllr"] < raw.secondary["Cllr"]
    assert calibrated.secondary["Cllr"] >= calibrated.secondary["minCllr"]


def test_the_proof_tells_every_number_again(rows, tmp_path):
    scores = []
    for found in (rows["confounded"], rows["chance"]):
        for evaluated in found.values():
            predictions.write_predictions(tmp_path / evaluated.score.predictions, evaluated.answers)
            scores.append(evaluated.score)
    board = build_board(suite="full", protocol="strict", scores=scores, failures=[], encoders=[], tasks=[hums.task()])
    source = Source(tmp_path / "leaderboard.json", from_json(to_json(board)))
    assert verify_board(source) == []
    assert {summary["weighted"] for summary in board.summaries} == {None}
    wrong = replace(scores[0], subsets={**scores[0].subsets, "gender f": 0.123})
    changed = replace(board, scores=(wrong, *board.scores[1:]))
    same_place = [own for own in board.scores if (own.encoder, own.probe) != (wrong.encoder, wrong.probe)]
    found = verify_board(Source(source.path, replace(changed, scores=(wrong, *same_place))))
    assert [difference.field for difference in found] == ["subsets"]


def test_the_file_is_read_as_written(rows, tmp_path):
    answers = rows["oracle"]["asnorm"].answers
    path = tmp_path / "one.safetensors"
    predictions.write_predictions(path, answers)
    again = predictions.read_predictions(path)
    assert isinstance(again, TrialPredictions)
    for name, value in asdict(answers).items():
        np.testing.assert_equal(asdict(again)[name], json.loads(json.dumps(value)) if name == "info" else value)
    assert again.info["backend"]["cohort_size"] == 36
    assert again.info["crop_in_s"] is None
    predictions.write_predictions(tmp_path / "two.safetensors", again)
    assert (tmp_path / "two.safetensors").read_bytes() == path.read_bytes()
    for changes, message in (
        ({"predictions": np.full_like(answers.predictions, np.nan)}, "predictions hold no score"),
        ({"speakers": answers.speakers[1:]}, "speakers of trials"),
        ({"test": answers.test + 64}, "trials of no utterance"),
        ({"attributes": {}}, "attributes of utterances"),
    ):
        with pytest.raises(DataError, match=message):
            predictions.write_predictions(path, replace(answers, **changes))


def test_the_likeliest_wrong_labels_come_first(rows):
    answers = rows["confounded"]["cosine"].answers
    found = find_highest_nontargets(answers, 5)
    scores = answers.predictions[0][answers.targets == 0]
    assert [score for _, _, score in found] == sorted(map(float, scores), reverse=True)[:5]
    assert all(enrol[:6] != test[:6] for enrol, test, _ in found)


def test_an_encoder_that_heard_the_corpus_is_marked(rows):
    score = rows["oracle"]["cosine"].score
    assert "trained on it" in list_flags(score, ("hums",))
    assert "trained on it" not in list_flags(score, ("humming",))
    assert "minDCF unlike EER" in list_flags(replace(score, value=0.0307, secondary={"minDCF(0.01)": 0.82}, n=10**6))


def test_two_encoders_compare(rows, tmp_path):
    scores = []
    for name in ("confounded", "oracle"):
        evaluated = rows[name]["cosine"]
        predictions.write_predictions(tmp_path / evaluated.score.predictions, evaluated.answers)
        scores.append(evaluated.score)
    board = build_board(suite="full", protocol="strict", scores=scores, failures=[], encoders=[], tasks=[hums.task()])
    source = Source(tmp_path / "leaderboard.json", board)
    (row,) = compare_encoders(source, source, ("confounded", "oracle"), resamples=200).rows
    assert row.verdict == "win"
    assert row.paired.difference == pytest.approx(scores[1].value - scores[0].value)


def test_chunks_are_recorded(data, cache):
    (evaluated,) = run(hums.task(crop_in_s=0.1, probes=(Cosine(),)), "oracle", data, cache)
    assert evaluated.answers.info["crop_in_s"] == 0.1
    assert evaluated.score.value < 0.01


def test_without_a_training_set(data, cache):
    task = hums.task(split=Splits(train=None, valid=None), probes=(Cosine(),))
    (evaluated,) = run(task, "oracle", data, cache)
    assert evaluated.score.value < 0.01
    with pytest.raises(DataError, match="no mean to subtract"):
        run(replace(task, probes=(Cosine(centred=True),)), "oracle", data, cache)
    with pytest.raises(DataError, match="no mean to subtract"):
        run(replace(task, probes=(SNorm(),)), "oracle", data, cache)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 test00/0.wav test99/0.wav\n", r"unknown utterance: got test99/0.wav.*trials.txt, line 3"),
        ("1 test00/0.wav test00/0.wav\n", r"an utterance against itself: got test00/0.wav.*trials.txt, line 3"),
        ("1 test00/1.wav test00/0.wav\n", r"a pair twice: got test00/1.wav and test00/0.wav as in line 1.*line 3"),
        ("2 test00/2.wav test00/0.wav\n", r"unknown label: got 2, expected 1 or 0.*line 3"),
        ("1 test00/2.wav\n", r"no trial: got 1 test00/2.wav, expected label enrol test.*line 3"),
        ("1 train00/0.wav test00/0.wav\n", r"unknown utterance: got train00/0.wav"),
    ],
)
def test_a_bad_list_is_named_by_line(tmp_path, cache, line, message):
    good = ["1 test00/0.wav test00/1.wav\n", "0 test00/0.wav test01/1.wav\n"]
    hums.write(tmp_path / "hums", [*good, line])
    with pytest.raises(DataError, match=message):
        run(hums.task(), "oracle", tmp_path, cache)


def test_what_else_is_refused(tmp_path, cache, data):
    unlabelled = replace(hums.task().target, form="unlabelled")
    hums.write(tmp_path / "hums", ["test00/0.wav test00/1.wav\n"])
    with pytest.raises(DataError, match=r"trials without labels.*python -m bench\.submit scores this one"):
        run(hums.task(target=unlabelled), "oracle", tmp_path, cache)
    with pytest.raises(DataError, match=r"no trial list: got .*, expected nowhere\.txt"):
        run(hums.task(target=Trials("nowhere.txt")), "oracle", data, cache)
    hums.write(tmp_path / "hums", ["1 test00/0.wav test00/1.wav\n"])
    with pytest.raises(DataError, match="one kind of trial only"):
        run(hums.task(), "oracle", tmp_path, cache)
    same = Trials("trials.txt", utterance="gender")
    with pytest.raises(DataError, match="utterance id twice"):
        run(hums.task(target=same), "oracle", data, cache)
    with pytest.raises(DataError, match=r"id missing.*expected a key 'uttid'"):
        run(hums.task(target=Trials("trials.txt", utterance="uttid")), "oracle", data, cache)
