"""Leaderboards for other programs: read back, and names that mean something there mean nothing."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.cli import main
from bench.leaderboard.exports.csv import to_csv
from bench.leaderboard.exports.formats import TEXT_FORMATS
from bench.leaderboard.exports.latex import to_latex
from bench.leaderboard.exports.markdown import to_markdown
from bench.types import Failure
from tests.leaderboard.test_board_json import board, encoder_row, score
from tests.leaderboard.test_cli import HOSTILE, saved


def named(name):
    failed = Failure("gtzan", name, "knn", f"boom {name}")
    return board([score(encoder=name)], [failed], encoders=[encoder_row(name)])


@given(st.floats(0.1, 0.9))
def test_csv_reads_back_exactly(value):
    row, failed = csv.DictReader(io.StringIO(to_csv(board([score(value=value)], [Failure("a", "b", "c", "boom")]))))
    assert (float(row["value"]), float(row["ci95_low"])) == (value, value - 0.01)
    assert (row["task"], row["clusters"], row["certified"], row["error"]) == ("esc50", "", "True", "")
    assert (failed["task"], failed["value"], failed["error"]) == ("a", "", "boom")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "\t=1", 'a"b,c\nd', HOSTILE])
def test_csv_has_no_formulas(name):
    row, _ = csv.DictReader(io.StringIO(to_csv(named(name))))
    assert not row["encoder"].lstrip().startswith(("=", "+", "-", "@"))
    assert "\x1b" not in row["encoder"]


@given(st.text(min_size=1, max_size=20))
def test_any_name_keeps_the_shape(name):
    whole = named(name)
    lines = [line for line in to_markdown(whole).splitlines() if line]
    assert len(lines) == 9
    assert {line.count("|") for line in lines} == {6, 9, 5}
    assert not re.search(r"[<>`*\[\]!]", "".join(lines))
    assert len(to_latex(whole).splitlines()) == 3 * 7 + 2
    assert len(list(csv.DictReader(io.StringIO(to_csv(whole))))) == 2


def test_markdown_and_latex_are_inert():
    assert "<script>" not in to_markdown(named(HOSTILE))
    assert "&#60;script&#62;alert" in to_markdown(named(HOSTILE))
    shown = to_latex(named(r"\input{x} $a_b$ 50% #&~^"))
    wanted = r"\textbackslash{}input\{x\} \$a\_b\$ 50\% \#\&\textasciitilde{}\textasciicircum{}"
    assert wanted in shown


@pytest.mark.parametrize("name", sorted(TEXT_FORMATS))
def test_export_writes_a_whole_file(name, tmp_path):
    path = saved(tmp_path)
    out = tmp_path / "out"
    assert main(["export", str(path), "--format", name, "-o", str(out)]) == 0
    assert "esc50" in out.read_text()
    before = out.read_bytes()
    path.write_text(path.read_text()[:-9])
    assert main(["export", str(path), "--format", name, "-o", str(out)]) == 2
    assert out.read_bytes() == before
    assert sorted(own.name for own in tmp_path.iterdir()) == ["leaderboard.json", "out"]
