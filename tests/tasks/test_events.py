"""Events and the time grid: bad sidecars are named, no event is lost, every encoder gets the same segments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.loading.frame_rule import compute_frame_borders, count_frames
from bench.scoring import segments
from bench.types import ClassLabel, DataError, Event, Events
from tests.helpers import toys

DESED = Events(("Speech", "Dog", "Cat"), separator=",")
PIANO = Events(tuple(range(21, 109)), "start", "end", "note", segment_in_s=0.1)


def test_events_of_a_sidecar() -> None:
    sidecar = [{"onset": 0, "offset": 1.5, "label": "Dog,Speech"}, {"onset": 2.0, "offset": 2.0, "label": "Cat"}]
    assert DESED(sidecar, "x") == (Event(0.0, 1.5, 1), Event(0.0, 1.5, 0), Event(2.0, 2.0, 2))
    assert DESED([], "x") == ()
    assert PIANO([{"start": 0.5, "end": 0.6, "note": 108, "velocity": 3}], "x") == (Event(0.5, 0.6, 87),)
    assert (DESED.n_classes, PIANO.n_classes) == (3, 88)


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ({"onset": 0}, r"events missing: got a dict, expected a list \[x\]"),
        ([{"onset": 0, "offset": 1}], r"no event: got \['offset', 'onset'\].*\[x, event 1\]"),
        (["Dog"], r"no event: got 'Dog'"),
        ([{"onset": 0, "offset": 1, "label": "Dog,Cow"}], r"unknown label 'label': got 'Cow', expected one of 3"),
        ([{"onset": 0, "offset": 1, "label": None}], r"unknown label 'label': got None"),
        ([{"onset": 0, "offset": 1, "label": ["Dog"]}], r"unknown label"),
        ([{"onset": 2, "offset": 1, "label": "Dog"}], r"event ends before it begins: got onset 2, offset 1"),
        ([{"onset": -0.1, "offset": 1, "label": "Dog"}], r"time 'onset': got -0.1"),
        ([{"onset": 0, "offset": math.nan, "label": "Dog"}], r"time 'offset': got nan"),
        ([{"onset": 0, "offset": math.inf, "label": "Dog"}], r"time 'offset': got inf"),
        ([{"onset": "0", "offset": 1, "label": "Dog"}], r"time 'onset': got '0'"),
        ([{"onset": True, "offset": 1, "label": "Dog"}], r"time 'onset': got True"),
    ],
)
def test_a_sidecar_that_is_no_list_of_events(sidecar: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        DESED(sidecar, "x")  # type: ignore[arg-type]


def test_notes_are_no_truth_values_and_lists_are_no_labels() -> None:
    with pytest.raises(DataError, match="unknown label 'note': got 109"):
        PIANO([{"start": 0, "end": 1, "note": 109}], "x")
    with pytest.raises(DataError, match="got True"):
        Events((0, 1))([{"onset": 0, "offset": 1, "label": True}], "x")
    with pytest.raises(DataError, match=r"label missing: got a list, expected a key 'label' \[x\]"):
        ClassLabel("label", ("a",))([{"label": "a"}], "x")  # type: ignore[arg-type]


def rows(*events: tuple[float, float, int]) -> np.ndarray:
    return np.array(events, dtype=np.float64).reshape(-1, 3)


@pytest.mark.parametrize("hop_in_ms", [10, 20, 40])
def test_a_multiple_of_the_hop_is_that_frame(hop_in_ms: int) -> None:
    hop = hop_in_ms / 1000
    borders = np.arange(1501) * hop
    written = [round(t * hop_in_ms / 1000, 3) for t in range(1501)]  # as a label file has it
    assert math.ceil(written[7] / hop) == 8  # what X-ARES computes
    for onsets, offsets in ((borders[:-1], borders[1:]), (np.array(written[:-1]), np.array(written[1:]))):
        first, last = segments.find_overlaps(borders, onsets, offsets)
        assert first.tolist() == last.tolist() == list(range(1500))


def test_an_offset_just_past_a_border_does_not_reach_into_the_next_frame() -> None:
    borders = np.arange(11) * 0.1
    first, last = segments.find_overlaps(borders, borders[2:3], borders[4:5] + 1e-9)
    assert (first.tolist(), last.tolist()) == ([2], [3])


def test_an_event_inside_one_frame_is_kept() -> None:
    borders = np.arange(26) * 0.04
    assert np.flatnonzero(segments.mark_events(rows((0.085, 0.119, 0)), borders, 1)[:, 0]).tolist() == [2]
    assert np.flatnonzero(segments.mark_events(rows((0.08, 0.08, 0)), borders, 1)[:, 0]).tolist() == [2]
    assert np.flatnonzero(segments.mark_events(rows((0.07, 0.13, 0)), borders, 1)[:, 0]).tolist() == [1, 2, 3]


def test_the_tail_is_a_segment_unless_it_is_a_rounding() -> None:
    assert len(segments.cut_segments(2.4, 1.0)) - 1 == 3
    assert len(segments.cut_segments(10.0, 1.0)) - 1 == 10
    assert len(segments.cut_segments(160001 / 16000, 1.0)) - 1 == 10
    assert segments.cut_segments(160001 / 16000, 1.0)[-1] == 160001 / 16000
    assert len(segments.cut_segments(0.7, 0.1)) - 1 == 7  # 0.7 / 0.1 = 6.999999999999999
    assert len(segments.cut_segments(0.05, 1.0)) - 1 == 1


times = st.floats(0, 12, allow_nan=False)


@given(st.floats(0.002, 12), st.sampled_from([0.1, 0.5, 1.0, 0.3]))
def test_the_grid_covers_the_clip_and_no_more(seconds: float, segment: float) -> None:
    borders = segments.cut_segments(seconds, segment)
    assert borders[0] == 0
    assert borders[-1] >= seconds
    assert borders[-2] < seconds
    assert np.allclose(np.diff(borders)[:-1], segment)
    assert abs(borders[-1] - borders[-2] - segment) <= segments.SHORTEST_TAIL_IN_S + 1e-9


@given(
    st.lists(st.tuples(times, times), min_size=1, max_size=6),
    st.floats(0.05, 12),
    st.sampled_from([(160, 400), (160, 160), (320, 400), (640, 1), (160, 0), (5120, 5120), (1600, 6400)]),
)
def test_no_event_is_lost_in_frames_or_segments(
    pairs: list[tuple[float, float]], seconds: float, rule: tuple[int, int]
) -> None:
    n = math.ceil(seconds * 16000)
    seconds = n / 16000
    certificate = toys.certificate(hop=float(rule[0]), first=float(rule[1]))
    _, borders = compute_frame_borders(certificate, n, count_frames(n, rule[1], rule[0]))
    edges = np.array(borders) / 16000
    spans = np.stack([edges[:-1], edges[1:]], axis=1)
    assert (spans[:, 1] > spans[:, 0]).all()
    assert spans[0, 0] == 0
    assert spans[-1, 1] == seconds
    events = [Event(min(pair), max(pair), label) for label, pair in enumerate(pairs)]
    heard, late = segments.select_audible(events, seconds)
    assert late == sum(event.onset >= seconds - segments.EPSILON_IN_S for event in events)
    assert len(heard) + late == len(events)
    targets = segments.EventTargets([heard], [spans], np.array([seconds]), 0.1, len(events), lambda t, p: 0.0)
    truth = targets.label_segments(0)
    answers = targets.pool_answers(0, targets.label_frames(0))
    cells = targets.cut_segments(0)
    for label, event in enumerate(events):
        if event.onset >= seconds - segments.EPSILON_IN_S:
            assert not truth[:, label].any()
            continue
        assert targets.label_frames(0)[:, label].any()
        inside = (cells[:-1] < event.offset - 1e-6) & (cells[1:] > event.onset + 1e-6)
        inside |= (cells[:-1] <= event.onset + 1e-6) & (event.onset + 1e-6 < cells[1:])
        assert np.array_equal(truth[:, label].astype(bool), inside)
        assert (answers[:, label] >= truth[:, label]).all()  # perfect frames miss nothing


def test_segments_do_not_depend_on_the_encoder() -> None:
    events = rows((0.05, 0.32, 0), (1.23, 1.24, 1), (1.95, 5.0, 2))
    made = []
    for hop in (0.01, 0.032, 0.5, 2.0):
        edges = np.append(np.arange(0, 2.0, hop), 2.0)
        spans = np.stack([edges[:-1], edges[1:]], axis=1)
        targets = segments.EventTargets([events], [spans], np.array([2.0]), 0.1, 3, lambda t, p: 0.0)
        made.append(targets.label_segments(0))
        assert targets.pool_answers(0, targets.label_frames(0)).shape == (20, 3)
    assert all(np.array_equal(made[0], other) for other in made)
    assert made[0].sum(axis=0).tolist() == [4, 1, 1]


def test_a_long_frame_answers_for_every_segment_it_touches() -> None:
    spans = np.array([[0.0, 0.32], [0.32, 0.64], [0.64, 0.7]])
    answers = segments.pool_answers(np.array([[1], [0], [1]], dtype=np.uint8), spans, segments.cut_segments(0.7, 0.1))
    assert answers[:, 0].tolist() == [1, 1, 1, 1, 0, 0, 1]


def test_overlapping_crops_are_told_apart_and_both_count() -> None:
    spans = np.array([[0.0, 0.5], [0.5, 1.0], [0.7, 1.2], [1.2, 1.7]])  # the second crop begins at 0.7 s
    assert segments.find_runs(spans) == [slice(0, 2), slice(2, 4)]
    labels = segments.label_frames(rows((0.8, 0.9, 0), (1.3, 1.3, 1)), spans, 2)
    assert labels.tolist() == [[0, 0], [1, 0], [1, 0], [0, 1]]
    answers = segments.pool_answers(
        np.array([[0], [0], [1], [0]], dtype=np.uint8), spans, segments.cut_segments(1.7, 0.5)
    )
    assert answers[:, 0].tolist() == [0, 1, 1, 0]
    answers = segments.pool_answers(
        np.array([[1], [0], [0], [1]], dtype=np.uint8), spans, segments.cut_segments(1.7, 0.5)
    )
    assert answers[:, 0].tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("hop", "first", "n", "count", "expected"),
    [
        (160.0, 400.0, 880, 4, (0, [0, 280, 440, 600, 880])),  # windows of 400: centres 200, 360, ...
        (160.0, 160.0, 480, 3, (0, [0, 160, 320, 480])),  # frames end to end
        (160.0, 1.0, 400, 3, (0, [0, 160, 320, 400])),  # the last is part padding
        (160.0, 0.0, 320, 3, (0, [0, 80, 240, 320])),  # centred on 0, 160, 320
        (160.0, -320.0, 320, 5, (1, [0, 80, 240, 320])),  # padded by a frame on both sides: those are no time
        (160.0, 400.0, 100, 1, (0, [0, 100])),  # shorter than a window
        (160.0, None, 300, 3, (0, [0, 100, 200, 300])),  # no rule: shared evenly
    ],
)
def test_when_frames_are(
    hop: float, first: float | None, n: int, count: int, expected: tuple[int, list[float]]
) -> None:
    assert compute_frame_borders(toys.certificate(hop=hop, first=first), n, count) == expected
