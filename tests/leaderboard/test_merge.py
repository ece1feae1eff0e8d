"""Leaderboards into one: what belongs together is joined in any order, what does not is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.cli import main
from bench.leaderboard.files import board_json
from bench.leaderboard.files.merging import merge_boards
from bench.leaderboard.files.sources import Source, read_source
from bench.leaderboard.files.verify import verify_board
from bench.types import DataError, Failure
from tests.leaderboard.test_board_json import board, encoder_row, score, task
from tests.leaderboard.test_verify import run, saved

TASKS = [task("a"), task("b", "music")]
ROWS = [score("a"), score("b", value=0.7, domain="music"), score("a", "other", value=0.4)]


def source(name, *rows, **more):
    encoders = [encoder_row(own) for own in sorted({row.encoder for row in rows})]
    rows = [replace(row, domain={"a": "speech", "b": "music"}.get(row.task, row.domain)) for row in rows]
    return Source(Path(name), board(rows, **{"tasks": TASKS, "encoders": encoders, **more}))


@given(st.permutations(ROWS), st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_parts_in_any_order_give_the_whole(rows, parts):
    whole = source("whole", *ROWS).board
    boards = [
        source(f"{part}", *(row for row, own in zip(rows, parts, strict=True) if own == part)) for part in {*parts}
    ]
    assert board_json.to_json(merge_boards(boards)) == board_json.to_json(whole)
    assert merge_boards([*boards, *boards]) == whole


def test_what_is_missing_stays_missing():
    failed = Failure("b", "logmel", "knn", "boom")
    (first,) = [source("first", ROWS[0], failures=[failed])]
    merged = merge_boards([first, source("second", ROWS[2])])
    assert merged.failures == (failed,)
    assert [own["missing"] for own in merged.summaries] == [["b"], ["b"]]
    assert merged.summaries[0]["mean"] is None
    assert merged.summaries[0]["domains"] == {"speech": 0.5, "music": None}
    assert merge_boards([first, source("second", *ROWS)]).failures == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version of a differs: no common ranking: got 2, expected 1 as in first"),
        ({"data": replace(score().data, sha256="1" * 64)}, r"data \(sha256\) of a differs"),
        ({"metric": "mAP"}, "metric of a differs"),
        ({"encoder": "logmel", "value": 0.4}, "row a, logmel, knn twice: got other .*value"),
        ({"encoder": "logmel", "precision": "bf16", "value": 0.5}, "row a, logmel, knn twice: got other precision"),
    ],
)
def test_what_does_not_rank_together_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        merge_boards([source("first", ROWS[0]), source("second", replace(score("a", "other"), **change))])


def test_other_suites_protocols_encoders_and_task_lists_are_refused():
    first = source("first", ROWS[0])
    for what, value in (("protocol", "xares"), ("suite", "full")):
        with pytest.raises(DataError, match=f"{what} differs: no common ranking: got {value}"):
            merge_boards([first, Source(Path("second"), replace(first.board, **{what: value}))])
    with pytest.raises(DataError, match="encoder logmel twice: got other fingerprint, expected as in first"):
        merge_boards([first, source("second", ROWS[1], encoders=[encoder_row(fingerprint="0" * 64)])])
    with pytest.raises(DataError, match="tasks of the suite differ, knn: got c"):
        merge_boards([first, source("second", ROWS[2], tasks=[*TASKS, task("c")])])


def test_a_merged_run_can_be_verified(tmp_path, capsys):
    for name, encoder in (("one", "logmel"), ("two", "other")):
        saved(tmp_path / name, [run(tmp_path / name, encoder=encoder, seed=len(encoder))])
    assert main(["merge", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "both")]) == 0
    assert "2 scores of 2 encoders" in capsys.readouterr().out
    assert verify_board(read_source(tmp_path / "both")) == []


def test_absent_predictions_are_said_and_differing_ones_refused(tmp_path, capsys):
    for name in ("one", "two"):
        saved(tmp_path / name, [run(tmp_path / name)])
    proof = next((tmp_path / "two").glob("predictions/*"))
    proof.write_bytes(proof.read_bytes() + b"x")
    merged = ["merge", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "both")]
    assert main(merged) == 2
    assert "predictions differ" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()
    proof.unlink()
    next((tmp_path / "one").glob("predictions/*")).unlink()
    assert main(merged) == 0
    assert "without the predictions of 1 rows" in capsys.readouterr().err
