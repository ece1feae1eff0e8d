"""The report page as a file: inert names, the same bytes, its size, what predictions say of mistakes, the server."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import http.client
import json
import math
import threading
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.leaderboard.cli import build_parser, main
from bench.leaderboard.files import board_json, predictions
from bench.leaderboard.files.sources import Source
from bench.leaderboard.page import contents, document, mistakes
from bench.leaderboard.page.server import MOST_RUNS, compute_version, make_server
from bench.scoring.measure import ScoredPredictions
from bench.scoring.trials import TrialPredictions
from bench.types import BenchError, Failure
from bench.types.trials import Trials
from tests.leaderboard.test_board_json import ROOT, board, encoder_row, score, task

HOSTILE = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<!--<script>",
    "]]>{{7*7}}${7*7}",
    "\u202eevil\u2028\u0000&lt;b&gt;",
    '"><svg onload=window.hit=1>',
]


def source(path, whole=None):
    return Source(path / "leaderboard.json", board() if whole is None else whole)


def hostile_board(names=HOSTILE):
    scores = [score(name, f"e{name}", value=0.5) for name in names]
    scores = [dataclasses.replace(own, data=dataclasses.replace(own.data, id=own.task)) for own in scores]
    rows = [encoder_row(f"e{name}", source=name, licence=name, trained_on=[name]) for name in names]
    failures = [Failure("esc50", f"e{name}", "knn", name) for name in names]
    return board(scores, failures, [task(name) for name in [*names, "esc50"]], rows)


class Page(html.parser.HTMLParser):
    """Tags with their attributes, the texts of style and scripts, and the data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], {"style": [], "script": [], "title": []}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag if tag in self.texts else None
        if self.inside:
            self.texts[tag].append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside][-1] += data

    @property
    def data(self):
        return json.loads(self.texts["script"][0])

    @property
    def policy(self):
        (content,) = (own["content"] for tag, own in self.tags if own.get("http-equiv") == "Content-Security-Policy")
        return dict(rule.split(" ", 1) for rule in content.split("; "))


def page(*sources, **more):
    return document.render_page(contents.build_contents(sources, **more))


def test_names_change_no_tag_of_the_page(tmp_path):
    plain = Page(page(source(tmp_path, hostile_board([f"name{i}" for i in range(len(HOSTILE))]))))
    text = page(source(tmp_path, hostile_board()), problems=HOSTILE)
    assert Page(text).tags == plain.tags
    assert not any(name in text for name in HOSTILE)
    names = Page(text).data["boards"][0]["tasks"]
    assert HOSTILE[0] in names
    assert not any("\u202e" in name or "\0" in name for name in names)


def test_only_the_own_script_and_style_may_run(tmp_path):
    found = Page(page(source(tmp_path)))
    digest = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (found.texts["style"][0], found.texts["script"][1])
    ]
    assert found.policy == {
        "default-src": "'none'",
        "style-src": digest[0],
        "script-src": digest[1],
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert all(own.get("href", "#").startswith("#") and "src" not in own for _, own in found.tags)
    assert not any("style" in own or any(name.startswith("on") for name in own) for _, own in found.tags)


@settings(max_examples=40)
@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_an_island_is_its_data_and_no_markup(value):
    text = document.encode_data({"value": value})
    assert json.loads(text) == {"value": value}
    assert not set(text) & set("<>&\u2028\u2029")


@given(st.lists(st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2) | st.text(alphabet="ab")))
def test_columns_hold_what_was_put_in(values):
    found = contents.encode_column(values)
    assert (found["all"] if "all" in found else [found["of"][index] for index in found["at"]]) == values


def test_the_same_input_gives_the_same_bytes(tmp_path):
    many = board([score(name, encoder) for name in ("a", "b") for encoder in ("logmel", "other")])
    assert page(source(tmp_path, many)) == page(source(tmp_path, many))


def answered(generator, n=400, classes=50):
    """Predictions of a row as they are stored: right on about a half, by classes and clips."""
    targets = np.arange(n) % classes
    noise = generator.integers(0, classes, (3, n))
    answers = np.where(generator.random((3, n)) < 0.5, targets, noise)
    keys = tuple(f"clip-of-a-dataset-{index:06d}" for index in range(n))
    names = tuple(f"class number {index}" for index in range(classes))
    return ScoredPredictions(keys, targets, answers, np.zeros(n, np.int64), None, names)


def big(encoders=50, tasks=30):
    generator = np.random.default_rng(0)
    names = [(f"task_{index:02d}", ("speech", "environment", "music")[index % 3]) for index in range(tasks)]
    scores = [
        score(name, f"family/encoder-{index:02d}", probe, value=round(value, 16), domain=domain, n=400 + place)
        for place, (name, domain) in enumerate(names)
        for index in range(encoders)
        for probe in ("linear", "knn")
        for value in [float(generator.uniform(0.05, 0.95))]
    ]
    scores = [
        dataclasses.replace(
            own,
            seed_values=tuple(own.value + float(generator.normal(0, 0.01)) for _ in range(3)),
            subsets={f"fold {fold}": own.value + float(generator.normal(0, 0.02)) for fold in range(5)},
            predictions=f"predictions/{own.task}.{own.encoder.replace('/', '_')}.{own.probe}.safetensors",
            fingerprint=hashlib.sha256(own.encoder.encode()).hexdigest(),
        )
        for own in scores
    ]
    rows = [
        encoder_row(f"family/encoder-{index:02d}", checks=encoder_row()["checks"] * 14) for index in range(encoders)
    ]
    return board(scores, tasks=[task(name, domain) for name, domain in names], encoders=rows)


def test_fifty_encoders_on_sixty_rows_stay_below_three_megabytes(tmp_path):
    whole = big()
    assert len(whole.scores) == 3000
    found = contents.build_contents([source(tmp_path, whole)], read=reader())
    text = document.render_page(found)
    assert len(text.encode()) < 3_000_000
    assert all(own["worst"] and own["cells"] for own in found["boards"][0]["mistakes"])


def reader():
    """Predictions of any row: clips named after its task, answers of its own."""
    shared = [answered(np.random.default_rng(seed)) for seed in range(20)]

    def read(_, own):
        place = hashlib.sha256(f"{own.task} {own.encoder} {own.probe}".encode()).digest()[0]
        found = shared[place % len(shared)]
        return dataclasses.replace(found, keys=tuple(f"{own.task}/{key}" for key in found.keys))

    return read


# ------------------------------------------------------------------------------------------------ mistakes


def stored(targets, answers, classes=("a", "b", "c"), keys=None, **more):
    n = len(targets)
    return ScoredPredictions(
        tuple(keys or (f"k{index}" for index in range(n))),
        np.asarray(targets),
        np.asarray(answers),
        np.zeros(n, np.int64),
        None,
        tuple(classes),
        **more,
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 40))
def test_a_whole_matrix_is_that_of_scikit_learn(seed, classes, n):
    from sklearn.metrics import confusion_matrix

    generator = np.random.default_rng(seed)
    targets, answers = generator.integers(0, classes, n), generator.integers(0, classes, (2, n))
    texts = mistakes.TextTable()
    own = mistakes.rate_classes(stored(targets, answers, [f"c{i}" for i in range(classes)]), 10_000, texts)
    assert own["whole"]
    present = [int(texts.listed()[index][1:]) for index in own["classes"]]
    assume(len(present) > 1)
    expected = confusion_matrix(np.tile(targets, 2), answers.ravel(), labels=present)
    matrix = np.zeros_like(expected)
    for at in range(0, len(own["cells"]), 3):
        target, answer, count = own["cells"][at : at + 3]
        matrix[target, answer] = count
    np.testing.assert_array_equal(matrix, expected)
    assert own["totals"] == expected.sum(axis=1).tolist()


def test_without_room_the_most_frequent_confusions_stay():
    generator = np.random.default_rng(0)
    found = answered(generator)
    texts = mistakes.TextTable()
    own = mistakes.rate_classes(found, 200, texts)
    assert not own["whole"]
    counts = own["cells"][2::3]
    assert len(counts) == 200 // mistakes.CELL
    assert counts == sorted(counts, reverse=True)
    wrong = found.predictions[found.predictions != found.targets]
    assert counts[0] == max(
        np.sum((found.predictions == p) & (found.targets == t)) for t in range(50) for p in range(50) if t != p
    )
    assert own["confused"] <= len(wrong)


@given(st.integers(0, 2**32 - 1))
def test_labels_are_ranked_as_scikit_learn_ranks_them(seed):
    from sklearn.metrics import label_ranking_average_precision_score

    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 2, (6, 4)).astype(np.uint8)
    targets[0] = 0
    scores = generator.permutation(6 * 4 * 2).reshape(2, 6, 4).astype(np.float32)
    quality = mistakes.rate_clips(stored(targets, scores, "abcd")).quality
    assert math.isnan(quality[0])
    for clip in np.flatnonzero(targets.any(axis=1)):
        expected = [label_ranking_average_precision_score(targets[[clip]], own[[clip]]) for own in scores]
        assert quality[clip] == pytest.approx(np.mean(expected))


def test_events_are_scored_by_recording():
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], np.uint8)
    answers = np.array([[[1, 0], [0, 0], [0, 0], [1, 1]]], np.uint8)
    found = mistakes.rate_clips(stored(targets, answers, "ab", keys=["one@0", "one@1", "quiet@0", "two@0"]))
    assert list(found.keys) == ["one", "quiet", "two"]
    np.testing.assert_allclose(found.quality, [2 / 3, np.nan, 2 / 3])
    assert (found.target(0), found.answer(0), found.target(1), found.answer(2)) == ("a", "a", "nothing", "a, b")
    texts = mistakes.TextTable()
    own = mistakes.rate_classes(stored(targets, answers, "ab"), 1000, texts)
    assert [(texts.listed()[name], value, support) for name, value, support in own["by_class"]] == [
        ("a", 0.5, 2),
        ("b", 1.0, 1),
    ]


def test_ranks_and_transcripts_name_the_worst():
    ranked = stored([0, 1, 0], [[1, 4, 2]], ("audio", "text"), ranks=True)
    texts = mistakes.TextTable()
    (row,), hard = mistakes.describe_task([ranked], 1000, texts)
    assert row["within"][0] == [1, 0.3333]
    assert [texts.listed()[index] for index in row["worst"][0][:3]] == ["k1", "text", "rank 4"]
    assert hard == []
    said = stored(
        np.array(["a b c d", "hello"], dtype=object), np.array([["a b x", "hello"]], dtype=object), classes=()
    )
    (row,), _ = mistakes.describe_task([said], 1000, texts)
    assert len(row["worst"]) == 1
    assert [texts.listed()[index] for index in row["worst"][0][:3]] == ["k0", "a b c d", "a b x"]
    assert row["worst"][0][3] == 0.5


def test_worst_clips_are_those_that_others_do_best():
    one = stored([0, 1, 2, 0], [[0, 0, 0, 1]])
    other = stored([0, 1, 2, 0], [[0, 1, 0, 2]])
    texts = mistakes.TextTable()
    (first, _), hard = mistakes.describe_task([one, other], 10_000, texts)
    assert [texts.listed()[clip[0]] for clip in first["worst"]] == ["k1", "k2", "k3"]
    assert [clip[4] for clip in first["worst"]] == [1.0, 0.0, 0.0]
    assert [(texts.listed()[key], mean, rows) for key, mean, rows in hard][:2] == [("k2", 0.0, 2), ("k3", 0.0, 2)]


# ---------------------------------------------------------------------------------- what lies beside a leaderboard


def test_predictions_that_are_absent_damaged_or_elsewhere_are_said_row_by_row(tmp_path):
    rows = [score(name, n=4, predictions=f"predictions/{name}.safetensors") for name in ("absent", "damaged", "whole")]
    rows.append(score("zelsewhere", predictions="../../etc/passwd"))
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "damaged.safetensors").write_bytes(b"no")
    own = stored([0, 1, 2, 0], [[0, 1, 2, 1]])
    predictions.write_predictions(tmp_path / "predictions" / "whole.safetensors", own)
    absent, damaged, whole, elsewhere = contents.build_contents([source(tmp_path, board(rows))])["boards"][0][
        "mistakes"
    ]
    assert absent is None
    assert damaged["error"].startswith("cannot read predictions")
    assert whole["kind"] == "classes"
    assert elsewhere["error"].startswith("predictions elsewhere")


RUN = {
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 1.5,
    "machine": {"gpus": [], "cores": 2},
    "versions": {"torch": "2", "jiwer": None},
    "throughput": [
        {
            **{"encoder": "logmel", "batch_size": 8, "seconds": 2.0, "device": "cpu", "precision": "fp32"},
            **{"audio_seconds_per_second": 100.0, "clips_per_second": 50.0},
        }
    ],
}


def test_run_json_gives_speed_machine_and_versions(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    found = contents.build_contents([source(tmp_path)])["boards"][0]["run"]
    assert found["machine"] == {"gpus": "none", "cores": "2"}
    assert found["versions"] == {"torch": "2"}
    assert found["throughput"][0]["audio_seconds_per_second"] == 100.0


@pytest.mark.parametrize("text", ["{", "[]", '{"started": 1}', json.dumps(RUN).replace("1.5", "NaN"), "\udcff"])
def test_a_run_json_that_cannot_be_read_is_told_and_hides_nothing(text, tmp_path):
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    found = contents.build_contents([source(tmp_path)])["boards"][0]
    assert found["run"]["error"].startswith("run.json cannot be read")
    assert page(source(tmp_path))
    assert len(found["scores"]["task"]["at"]) == 1


def test_failures_and_missing_summaries_are_kept_as_such(tmp_path):
    whole = board([], [Failure("esc50", "logmel", "knn", "broken")], [task("esc50")], encoders=[])
    own = contents.build_contents([source(tmp_path, whole)])["boards"][0]
    assert own["failures"] == [[0, 0, "knn", "broken"]]
    assert own["scores"] == {}
    assert own["summaries"][0]["weighted"] is None
    assert own["summaries"][0]["missing"] == ["esc50"]
    assert own["encoders"] == [{"name": "logmel"}]


def test_runs_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / one / "run" / name for one in "ab" for name in ("leaderboard.json", "leaderboard.xares.json")]
    found = contents.label_boards([Source(path, board()) for path in paths])
    assert found == ["run", "run/leaderboard.xares.json", "run (2)", "run/leaderboard.xares.json (2)"]


# ---------------------------------------------------------------------------------------------- command and server


def test_report_writes_a_page_of_several_runs(tmp_path, capsys):
    for name in ("one", "two"):
        board_json.write_board(tmp_path / name / "leaderboard.json", board())
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: 2 leaderboards, ")
    assert [own["label"] for own in Page(out.read_text()).data["boards"]] == ["one", "two"]


def test_report_of_a_file_that_cannot_be_used_writes_nothing(tmp_path, capsys):
    (tmp_path / "leaderboard.json").write_text("{")
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "report.html")]) == 2
    assert capsys.readouterr().err.startswith("error: no readable JSON")
    assert [path.name for path in tmp_path.iterdir()] == ["leaderboard.json"]


@pytest.fixture
def served(tmp_path):
    board_json.write_board(tmp_path / "first" / "leaderboard.json", board())
    own, watched = make_server(tmp_path, pause=0.02)
    threads = [threading.Thread(target=call) for call in (lambda: own.serve_forever(0.01), watched.watch)]
    for thread in threads:
        thread.start()
    yield own.server_address[1], tmp_path, watched
    watched.stop()
    own.shutdown()
    own.server_close()
    for thread in threads:
        thread.join()


def asked(port, path="/", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().decode() if "event-stream" not in answer.headers["Content-Type"] else answer
    connection.close()
    return found


def test_the_served_page_may_only_ask_its_own_server(served):
    port, folder, _ = served
    status, text = asked(port)
    assert status == 200
    assert Page(text).policy["connect-src"] == "'self'"
    assert [own["label"] for own in Page(text).data["boards"]] == ["first"]
    assert ("meta", {"name": "otoscope-live", "content": compute_version(folder)}) in Page(text).tags


@pytest.mark.parametrize(
    "path",
    [
        "/first/leaderboard.json",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/..%2fetc/passwd",
        "/\\..\\..",
        "http://127.0.0.1/etc/passwd",
        "/?file=../x",
        "/events/../../x",
    ],
)
def test_no_address_is_a_path(path, served):
    status, text = asked(served[0], path)
    assert status == 404
    assert "root:" not in text


def test_other_names_of_this_machine_and_other_methods_are_refused(served):
    assert asked(served[0], Host="evil.example:80")[0] == 421
    assert asked(served[0], Host="")[0] == 421
    assert asked(served[0], method="POST")[0] == 501
    assert asked(served[0], Host="localhost")[0] == 200


def test_a_new_run_is_told_and_a_broken_one_named(served):
    port, folder, watched = served
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/events")
    events = connection.getresponse()
    first = events.readline()
    assert first == f"data: {watched.version}\n".encode()
    events.readline()
    board_json.write_board(folder / "second" / "leaderboard.json", board())
    (folder / "third").mkdir()
    (folder / "third" / "leaderboard.json").write_text("{")
    assert events.readline().startswith(b"data: ")
    connection.close()
    until = time.monotonic() + 5
    while time.monotonic() < until and watched.version != compute_version(folder):
        time.sleep(0.01)
    found = Page(asked(port)[1]).data
    assert {own["label"] for own in found["boards"]} == {"first", "second"}
    assert len(found["problems"]) == 1
    assert "third/leaderboard.json" in found["problems"][0]


def test_a_page_holds_the_latest_runs(tmp_path):
    from bench.leaderboard.page.server import render_folder as of_folder

    for index in range(MOST_RUNS + 2):
        board_json.write_board(tmp_path / f"run{index:02d}" / "leaderboard.json", board())
    found = Page(of_folder(tmp_path, live="x")).data
    assert len(found["boards"]) == MOST_RUNS
    assert found["boards"][0]["label"] == f"run{MOST_RUNS + 1:02d}"
    assert found["problems"] == [f"2 older runs; {MOST_RUNS} are shown"]


def test_what_cannot_be_served_is_one_error(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    own, _ = make_server(tmp_path)
    with pytest.raises(BenchError, match="cannot listen"):
        make_server(tmp_path, own.server_address[1])
    own.server_close()
    with pytest.raises(BenchError, match="cannot listen"):
        make_server(tmp_path, 99_999)


def test_documented_commands_are_commands(tmp_path, capsys, monkeypatch):
    for name in ("first", "second"):
        board_json.write_board(tmp_path / "results" / name / "leaderboard.json", board())
    monkeypatch.chdir(tmp_path)
    told = [line.split() for line in (ROOT / "docs" / "report.md").read_text().splitlines()]
    lines = [line[3:] for line in told if line[:3] == ["python", "-m", "bench.leaderboard"]]
    assert [line[0] for line in lines] == ["report", "serve"]
    assert main(lines[0]) == 0
    assert (tmp_path / "report.html").stat().st_size > 10_000
    asked_for = build_parser().parse_args(lines[1])
    assert (str(asked_for.folder), asked_for.port) == ("results", 8642)


def test_ten_thousand_tasks_are_a_page(tmp_path):
    one = board()
    many = dataclasses.replace(one, scores=tuple(score(f"task{index}") for index in range(10_000)))
    assert len(page(source(tmp_path, many)).encode()) < 3_000_000


def test_trials_that_are_hard_to_tell_apart():
    said = np.array([[0.9, 0.1, 0.8, 0.2, 0.3]], np.float32)
    trials = TrialPredictions(
        enrol=np.array([0, 0, 0, 1, 1], np.int32),
        test=np.array([1, 1, 2, 2, 2], np.int32),
        targets=np.array([1, 1, 0, 0, 0], np.uint8),
        predictions=said,
        utterances=("u", "v", "w"),
        speakers=np.array([0, 0, 1], np.int32),
        seconds=np.ones(3),
        attributes={},
        asked=Trials("trials.txt"),
        info={},
    )
    texts = mistakes.TextTable()
    (row, _), hard = mistakes.describe_task([trials, trials], 10_000, texts)
    told = [(*(texts.listed()[index] for index in clip[:3]), *clip[3:]) for clip in row["worst"]]
    assert told == [
        ("u / v", "same speaker", "0.100", 0.0, None),
        ("u / w", "different speakers", "0.800", 0.5, None),
        ("v / w", "different speakers", "0.300", 0.5, None),
        ("v / w", "different speakers", "0.200", 0.5, None),
    ]
    assert hard == []
