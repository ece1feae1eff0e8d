"""The tables that others published: complete, within range, consistent with their stated averages, and never ranked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bench.discovery.bundled import ROOT, find_bundled_tasks
from bench.leaderboard.files.published_tables import PublishedTable, read_published_tables
from bench.leaderboard.summaries import build_board, summarise_encoder
from bench.leaderboard.terminal import tables
from bench.types import DataError, Score
from tests.leaderboard.test_board_json import PEERS, PUBLISHED, encoder_row, score

README, ICME = read_published_tables(ROOT / "tasks" / "published.json")
FACTS = json.loads((Path(__file__).parents[1] / "facts" / "xares_tasks.json").read_text())


def test_every_system_has_every_task() -> None:
    public = {name for name, facts in FACTS.items() if not facts["private"]}
    assert tuple(README.systems) == PEERS
    assert len(ICME.systems) == 7
    for reported in (README, ICME):
        assert reported.source
        for heads in reported.systems.values():
            assert set(heads["mlp"]) == set(FACTS)
            assert set(heads["knn"]) == {name for name, facts in FACTS.items() if facts["knn"]}
            assert len(public & set(heads["knn"])) == 16


def test_the_readme_is_that_of_the_second_copy() -> None:
    for name, _, _, *values in PUBLISHED:
        assert [README.value(peer, name, "knn") for peer in PEERS] == values


def rows(reported: PublishedTable) -> dict[tuple[str, str, str], Score]:
    return {
        (name, system, "knn"): score(name, system, value=value, weight=float(FACTS[name]["weight"]))
        for system, heads in reported.systems.items()
        for name, value in heads["knn"].items()
    }


def test_the_summary_of_the_published_rows_is_the_published_summary() -> None:
    tasks = [
        task for task in find_bundled_tasks() if task.name in README.systems["dasheng"]["knn"] and not task.private
    ]
    assert len(tasks) == 16
    found = [summarise_encoder(rows(README), peer, "knn", tasks)["weighted"] for peer in PEERS]
    assert found == pytest.approx([0.5037, 0.2625, 0.2986, 0.3873], abs=5e-5)


def test_reported_values_stand_beside_own_rows_only_where_these_are_comparable() -> None:
    own = score("esc50", value=0.123, suite="full", protocol="xares")
    described = {"failures": [], "encoders": [encoder_row()], "tasks": []}
    board = build_board(suite="full", protocol="xares", scores=[own], **described)
    text = tables.render_published((README, ICME), board)
    assert text.count("reported, not measured here and not ranked") == 2
    assert "github.com/jimbozhang/xares" in text
    line = next(line for line in text.splitlines() if line.startswith("esc50"))
    assert line.split() == ["esc50", "knn", "0.123", "0.618", "0.081", "0.191", "0.040"]
    for suite, protocol in (("full", "strict"), ("mini", "xares")):
        other = dataclasses.replace(own, suite=suite, protocol=protocol)
        text = tables.render_published(
            (README,), build_board(suite=suite, protocol=protocol, scores=[other], **described)
        )
        assert "0.618" in text
        assert "0.123" not in text
        assert "logmel" not in text
    elsewhere = score("tones", suite="full", protocol="xares")
    board = build_board(suite="full", protocol="xares", scores=[elsewhere], **described)
    assert not tables.render_published((README, ICME), board).strip()


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("[]", "published tables"),
        ("{", "published tables"),
        ('{"tables": [{"name": "x"}]}', "published tables"),
        ('{"tables": [{"name": "", "source": "", "note": "", "systems": {"a": {"mlp": {"t": 1.2}}}}]}', "got 1.2"),
        ('{"tables": [{"name": "", "source": "", "note": "", "systems": {"a": {"svm": {}}}}]}', "mlp or knn"),
    ],
)
def test_a_broken_file_is_said(content: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "published.json").write_text(content)
    with pytest.raises(DataError, match=wrong):
        read_published_tables(tmp_path / "published.json")
