"""Ranks with uncertainty, on samples whose order is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from bench.leaderboard.cli import main
from bench.leaderboard.files.sources import read_source
from bench.leaderboard.ranking.ranks import Ranking, assign_letters, mark_unstable, order_encoders, rank_encoders
from bench.types import DataError
from tests.leaderboard.test_verify import run, saved


def places(summary, errors, count=4000, tasks=None):
    names = [f"e{i}" for i in range(len(summary))]
    drawn = np.asarray(summary) + np.asarray(errors) * np.random.default_rng(0).normal(size=(count, len(summary)))
    normalized = np.atleast_2d(summary) if tasks is None else np.asarray(tasks)
    weights = np.full(len(normalized), 1 / len(normalized))
    return {place.encoder: place for place in order_encoders(names, normalized, weights, drawn)}


def test_what_is_clear_and_what_is_not():
    found = places([0.5, 0.49, 0.3], [0.02, 0.02, 0.02])
    assert [found[name].rank for name in ("e0", "e1", "e2")] == [1, 2, 3]
    assert found["e0"].group == found["e1"].group == "a"
    assert found["e2"].group == "b"
    assert (found["e0"].interval, found["e1"].interval, found["e2"].interval) == ((1, 2), (1, 2), (3, 3))
    expected = 0.638  # P(z < 0.01 / (0.02 sqrt 2))
    assert found["e0"].best == pytest.approx(expected, abs=0.02)
    assert sum(place.best for place in found.values()) == pytest.approx(1.0)


def test_groups_overlap_where_neighbours_are_close():
    noise = 0.01 * np.random.default_rng(0).normal(size=(4000, 3))
    assert assign_letters(noise + np.array([0.54, 0.52, 0.50])) == ["a", "ab", "b"]
    assert assign_letters(noise + np.array([0.9, 0.5, 0.1])) == ["a", "b", "c"]
    assert assign_letters(np.zeros((10, 3))) == ["a", "a", "a"]


def test_borda_and_mean_rank_by_hand():
    tasks = [[0.9, 0.5, 0.5], [0.1, 0.2, 0.3]]
    found = places([0.5, 0.35, 0.4], [0.01] * 3, tasks=tasks)
    assert found["e0"].mean_rank == 2.0  # first and third
    assert found["e1"].mean_rank == 2.25
    assert found["e2"].mean_rank == 1.75
    assert found["e0"].borda == pytest.approx(0.5)  # two of four
    assert [found[name].borda_rank for name in ("e0", "e1", "e2")] == [2, 3, 1]
    assert found["e0"].rank == 1  # S and Borda need not agree


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0, 0.2))
def test_ranks_are_those_of_the_values_and_inside_their_intervals(summary, error):
    found = places(summary, [error] * len(summary), count=200)
    expected = rankdata(-np.asarray(summary).round(12), method="min")
    for index, name in enumerate(sorted(found, key=lambda own: int(own[1:]))):
        assert found[name].rank == expected[index]
        assert found[name].interval[0] <= found[name].rank <= found[name].interval[1]
        assert found[name].ci95[0] <= found[name].summary <= found[name].ci95[1]
        assert found[name].group


def test_an_order_that_flips_between_probes_is_unstable():
    both = [
        Ranking(probe, ("t",), (), tuple(places(values, [0.01] * 3).values()))
        for probe, values in (("knn", [0.5, 0.4, 0.1]), ("linear", [0.4, 0.5, 0.1]))
    ]
    for ranking in mark_unstable(both):
        marked = {place.encoder: place.unstable for place in ranking.places}
        assert marked == {"e0": ("e1",), "e1": ("e0",), "e2": ()}
    apart = [replace(ranking, tasks=(ranking.probe,)) for ranking in both]  # no task in common: nothing flips
    assert not any(place.unstable for ranking in mark_unstable(apart) for place in ranking.places)


def three(tmp_path):
    rows = [
        run(tmp_path, encoder=name, name=task, seed=seed, right=right)
        for task, seed in (("esc50", 0), ("gtzan", 1))
        for name, right in (("best", 1.0), ("same", 1.0), ("worse", 0.2))
    ]
    return saved(tmp_path, rows)


def test_encoders_of_one_board(tmp_path, capsys):
    (found,) = rank_encoders([read_source(three(tmp_path))])
    assert found.tasks == ("esc50", "gtzan")
    marks = {place.encoder: (place.rank, place.group) for place in found.places}
    assert marks == {"best": (1, "a"), "same": (1, "a"), "worse": (3, "b")}
    assert main(["rank", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("linear, 2 tasks\n")
    assert "not separable at 95%" in out


def test_tasks_that_not_all_have_are_left_out(tmp_path):
    source = read_source(three(tmp_path))
    rows = [row for row in source.board.scores if (row.task, row.encoder) != ("gtzan", "worse")]
    saved(tmp_path, rows)
    (found,) = rank_encoders([read_source(tmp_path)])
    assert (found.tasks, found.left_out) == (("esc50",), ("gtzan",))


def test_one_encoder_cannot_be_ranked(tmp_path):
    saved(tmp_path, [run(tmp_path)])
    with pytest.raises(DataError, match="nothing to rank"):
        rank_encoders([read_source(tmp_path)])


def test_boards_that_do_not_merge_are_not_ranked(tmp_path):
    first = saved(tmp_path / "a", [run(tmp_path / "a")])
    second = saved(tmp_path / "b", [replace(run(tmp_path / "b", encoder="other"), version=2)])
    with pytest.raises(DataError, match="version of esc50 differs"):
        rank_encoders([read_source(first), read_source(second)])
