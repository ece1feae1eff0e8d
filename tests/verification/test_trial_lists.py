"""Trial lists: what is written reads back, every bad line is named, a submission has the form that is asked for."""

from __future__ import annotations

import io
import zipfile
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.types import DataError
from bench.verification import trial_lists
from bench.verification.trial_lists import TrialList, build_submission, format_trial_list, read_trial_list

IDS = ("id1/a.wav", "id1/b.wav", "id2/c.wav", "ä/d.wav")
FORMS = ("label first", "label last", "unlabelled")


@st.composite
def lists(draw):
    """Utterances and some of their pairs, in any order."""
    ids = draw(st.lists(st.text("abcä0/._-", min_size=1, max_size=6), min_size=2, max_size=8, unique=True))
    pairs = draw(st.lists(st.sampled_from(list(combinations(range(len(ids)), 2))), min_size=1, unique=True))
    turned = [pair[::-1] if draw(st.booleans()) else pair for pair in pairs]
    enrol, test = (np.array(side, dtype=np.int32) for side in zip(*turned, strict=True))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=len(pairs), max_size=len(pairs))), dtype=np.uint8)
    return tuple(ids), TrialList(enrol, test, labels)


@given(made=lists(), form=st.sampled_from(FORMS), block=st.integers(1, 4), end=st.sampled_from(["", "\n"]))
def test_what_is_written_reads_back(tmp_path_factory, made, form, block, end):
    ids, trials = made
    path = tmp_path_factory.mktemp("lists") / "trials.txt"
    path.write_text("".join(format_trial_list(trials, ids, form)) + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_lists, "BLOCK", block)
        found = read_trial_list(path, ids, form)
    assert found.enrol.dtype == found.test.dtype == np.int32
    np.testing.assert_array_equal(found.enrol, trials.enrol)
    np.testing.assert_array_equal(found.test, trials.test)
    if form == "unlabelled":
        assert found.labels is None
    else:
        np.testing.assert_array_equal(found.labels, trials.labels)
    assert len(found) == len(trials)


def test_published_forms(tmp_path):
    path = tmp_path / "list"
    for text, form in (
        ("1 id1/a.wav id1/b.wav\n0 id1/a.wav id2/c.wav\n", "label first"),
        ("id1/a.wav id1/b.wav target\nid1/a.wav id2/c.wav nontarget\n", "label last"),
        ("id1/a.wav id1/b.wav tgt\r\nid1/a.wav id2/c.wav imp\r\n", "label last"),
        ("id1/a.wav\tid1/b.wav\t1\nid1/a.wav  id2/c.wav 0", "label last"),
    ):
        path.write_bytes(text.encode())
        found = read_trial_list(path, IDS, form)
        assert (found.enrol.tolist(), found.test.tolist(), found.labels.tolist()) == ([0, 0], [1, 2], [1, 0])


@pytest.mark.parametrize("block", [1, 2, 100])
@pytest.mark.parametrize(
    ("form", "line", "message"),
    [
        ("label first", "1 id1/a.wav", "no trial: got 1 id1/a.wav, expected label enrol test"),
        ("label first", "1 id1/a.wav id1/b.wav 0", "no trial: got 1 id1/a.wav id1/b.wav 0"),
        ("label first", "", "no trial: got an empty line"),
        ("label first", "target id1/a.wav id2/c.wav", "unknown label: got target, expected 1 or 0"),
        ("label first", "1 id1/a.wav id3/c.wav", "unknown utterance: got id3/c.wav, expected one of 4 utterances"),
        ("label first", "1 id9/a.wav id2/c.wav", "unknown utterance: got id9/a.wav"),
        ("label first", "0 id2/c.wav id2/c.wav", "an utterance against itself: got id2/c.wav"),
        ("label first", "0 id2/c.wav id1/a.wav", "a pair twice: got id2/c.wav and id1/a.wav as in line 2"),
        ("label last", "id1/b.wav id2/c.wav yes", "unknown label: got yes, expected target or nontarget or tgt"),
        ("label last", "target id1/b.wav id2/c.wav", "unknown label: got id2/c.wav"),
        ("unlabelled", "id1/b.wav id2/c.wav 1", "no trial: got id1/b.wav id2/c.wav 1, expected enrol test"),
        ("unlabelled", "id1/b.wav id2/x.wav", "unknown utterance: got id2/x.wav"),
    ],
)
def test_a_bad_line_is_named(tmp_path, form, line, message, block, monkeypatch):
    monkeypatch.setattr(trial_lists, "BLOCK", block)
    first = TrialList(np.array([0, 0], np.int32), np.array([1, 2], np.int32), np.array([1, 0], np.uint8))
    path = tmp_path / "some list.txt"
    path.write_text(
        "".join(format_trial_list(first, IDS, form)) + line + "\n" + "".join(format_trial_list(first, IDS, form))
    )
    with pytest.raises(DataError) as caught:
        read_trial_list(path, IDS, form)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("some list.txt, line 3]")


def test_lines_that_only_add_up_are_no_trials(tmp_path):
    """Two columns and four make six: the right number, the wrong lines."""
    path = tmp_path / "list"
    for text in ("1 id1/a.wav\nid1/b.wav 0 id1/a.wav id2/c.wav\n", "1 id1/a.wav \nid1/b.wav\t0 id1/a.wav id2/c.wav\n"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"no trial: got 1 id1/a\.wav, .*line 1"):
            read_trial_list(path, IDS, "label first")


def test_repeats_may_be_allowed(tmp_path):
    path = tmp_path / "list"
    path.write_text("1 id1/a.wav id1/b.wav\n1 id1/b.wav id1/a.wav\n1 id1/a.wav id1/b.wav\n")
    found = read_trial_list(path, IDS, "label first", repeats=True)
    assert len(found) == 3
    assert found.repeated == 2
    with pytest.raises(DataError, match=r"a pair twice.*as in line 1.*line 2"):
        read_trial_list(path, IDS, "label first")


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize(
    ("form", "lines", "place"),
    [
        ("label first", ["1 id1/a.wav id1/b.wav", "0 id1/a.wav id1/b.wav"], "as target in line 1.*line 2"),
        ("label first", ["0 id1/a.wav id1/b.wav", "1 id1/b.wav id1/a.wav"], "as non-target in line 1.*line 2"),
        ("label last", ["id1/a.wav id1/b.wav tgt", "id1/a.wav id2/c.wav imp", "id1/b.wav id1/a.wav imp"], "line 3"),
        ("label last", ["id1/a.wav id1/b.wav 1", "id1/a.wav id1/b.wav nontarget"], "as target in line 1.*line 2"),
        ("label first", ["1 id1/a.wav id1/b.wav", "1 id1/a.wav id1/b.wav", "0 id1/a.wav id1/b.wav"], "line 3"),
    ],
)
def test_a_pair_has_one_label(tmp_path, form, lines, place, repeats):
    path = tmp_path / "list"
    path.write_text("\n".join(["1 id2/c.wav ä/d.wav"[: 0 if form == "label last" else None], *lines]).lstrip("\n"))
    shift = int(form == "label first")
    place = "".join(str(int(c) + shift) if c.isdigit() else c for c in place)
    with pytest.raises(DataError, match=f"a pair with two labels.*{place}"):
        read_trial_list(path, IDS, form, repeats=repeats)


def test_unreadable_lists(tmp_path):
    with pytest.raises(DataError, match="cannot read the trial list"):
        read_trial_list(tmp_path / "none", IDS, "label first")
    (tmp_path / "list").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="cannot read the trial list"):
        read_trial_list(tmp_path / "list", IDS, "label first")
    for text in ("", "\n"):
        (tmp_path / "list").write_text(text)
        with pytest.raises(DataError, match="no trials"):
            read_trial_list(tmp_path / "list", IDS, "label first")
    with pytest.raises(DataError, match=r"utterance id twice: got id1/a\.wav"):
        read_trial_list(tmp_path / "list", (*IDS, IDS[0]), "label first")
    with pytest.raises(DataError, match="a list without labels"):
        next(format_trial_list(TrialList(np.zeros(1, np.int32), np.ones(1, np.int32), None), IDS, "label last"))


def test_a_submission():
    """One zip of two files, a score a line in the list's order, exact as float32, and the same bytes every time."""
    rng = np.random.default_rng(0)
    scores = {
        "tv26_eval-U.txt": rng.standard_normal(5, dtype=np.float32),
        "tv26_eval-A.txt": np.float32([0.5, -1, 1e-9]),
    }
    made = build_submission(scores)
    assert made == build_submission(dict(reversed(scores.items())))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.namelist() == ["tv26_eval-A.txt", "tv26_eval-U.txt"]
        assert archive.read("tv26_eval-A.txt") == b"0.5\n-1\n9.99999972e-10\n"
        text = archive.read("tv26_eval-U.txt").decode()
    assert text.endswith("\n")
    np.testing.assert_array_equal(np.float32([float(line) for line in text.splitlines()]), scores["tv26_eval-U.txt"])
    with pytest.raises(DataError, match=r"no score: got NaN or infinity.*b\.txt"):
        build_submission({"b.txt": np.float32([np.nan])})
