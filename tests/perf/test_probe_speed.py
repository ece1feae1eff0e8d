"""The probing benchmark: both sides solve the same problem, and every line of its table is there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.probes import KNN, LinearProbe, RidgeProbe
from encoders.logmel import load
from perf import probe_speed, probe_workloads, xares_loops
from perf.fresh_process import run_alone

SIZE = dataclasses.replace(probe_workloads.SMALL, clips=90, spread=0.5, many_clips=300)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[xares_loops.Files, xares_loops.Tars, Path]:
    return probe_workloads.make_frames(SIZE, tmp_path_factory.mktemp("frames"))


def test_both_ways_of_storing_hold_the_same_frames(stored: tuple[xares_loops.Files, xares_loops.Tars, Path]) -> None:
    files, tars, _ = stored
    for fold in files.folds:
        for (frames, label), (other, same) in zip(files.read([fold], None), tars.read([fold], None), strict=True):
            assert label == same
            assert frames.shape == (SIZE.frames, SIZE.dim)
            np.testing.assert_array_equal(frames, other)
    drawn = [label for _, label in tars.read([0, 1], np.random.default_rng(0))]
    assert sorted(drawn) == sorted(label for _, label in files.read([0, 1], None))


def test_knn_answers_as_the_published_loop(stored: tuple[xares_loops.Files, xares_loops.Tars, Path]) -> None:
    files, tars, path = stored
    assert xares_loops.run_knn(tars) == xares_loops.run_knn(files)
    assert probe_speed.probe_stored(path, KNN().as_published(), SIZE) == pytest.approx(xares_loops.run_knn(files))


def test_the_linear_probe_does_as_well_as_the_published_loop(
    stored: tuple[xares_loops.Files, xares_loops.Tars, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, _, path = stored
    monkeypatch.setattr(xares_loops, "BATCH", 8)
    monkeypatch.setattr(xares_loops, "RATE", 0.02)
    ours = probe_speed.probe_stored(path, LinearProbe(batch_size=8, learning_rate=0.02), SIZE)
    assert ours == pytest.approx(xares_loops.train_linear(files), abs=0.15)
    assert ours > 2 / SIZE.classes


def test_from_shards_both_ways_lead_to_scores(tmp_path: Path) -> None:
    task = probe_workloads.make_shards(SIZE, tmp_path / "shards")
    assert sorted(path.name for path in (tmp_path / "shards").iterdir())[0].startswith("fold0_")
    linear, knn = probe_speed.score_task(task, tmp_path)
    assert linear > 1.5 / SIZE.classes
    assert knn > 0.9
    encoder = load("cpu")
    silence = [("a", np.zeros(4000, np.float32), 1), ("b", np.zeros(8000, np.float32), 0)]
    tars = xares_loops.Tars(tmp_path / "frames", 2, (0,))
    xares_loops.encode(encoder, silence, 0, tars)
    (first, one), (second, zero) = tars.read([0], None)
    assert (one, zero) == (1, 0)
    assert first.shape == second.shape  # padded to the longest of what is encoded together, as published


@pytest.mark.parametrize("probe", [LinearProbe(learning_rate=0.02), KNN(), RidgeProbe()], ids=lambda probe: probe.name)
def test_a_large_task_is_fitted(probe, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, SIZE.many_classes, SIZE.many_clips)
    np.save(tmp_path / "x.npy", (np.eye(SIZE.many_classes, SIZE.dim)[labels] * 9).astype(np.float32))
    reached = probe_speed.probe_many(tmp_path / "x.npy", labels, probe, SIZE)
    assert reached > 2 / SIZE.many_classes


def test_transcripts_are_learnt(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    assert probe_speed.probe_transcripts(tmp_path / "frames.npy", dataclasses.replace(SIZE, utterances=160)) > 0.3


def test_word_accuracy_counts_words_at_their_places() -> None:
    texts, answers = np.array(["one two", "three"], object), np.array(["one three two", ""], object)
    assert probe_speed.compute_word_accuracy(texts, answers) == pytest.approx(1 / 3)


def test_a_measurement_has_a_process_of_its_own() -> None:
    measured = run_alone(np.ones, 1 << 22)
    assert measured.result.sum() == 1 << 22
    assert measured.peak_mib >= measured.before_mib + 31
    assert measured.seconds > 0


def longer(path: Path) -> int:
    with path.open("ab") as file:
        return file.write(b".") and file.tell()


def test_a_measurement_is_repeated(tmp_path: Path) -> None:
    assert run_alone(longer, tmp_path / "calls", repeats=3).result == 3


def test_the_table_has_a_line_for_each_measurement(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_speed, "SMALL", dataclasses.replace(SIZE, many_clips=80, many_epochs=1, utterances=16))
    assert probe_speed.main(["--small", "transcripts"]) == 0
    title, line = capsys.readouterr().out.splitlines()
    assert title.split()[:2] == ["seconds", "accuracy"]
    assert line.startswith("transcripts, 16 utterances")
    with pytest.raises(SystemExit):
        probe_speed.main(["nothing"])
    assert "choices: esc50" in capsys.readouterr().err
