"""Retrieval tasks from shards to score: tones that captions name, for a good ear and for a deaf one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.dataset import prepare_dataset
from bench.evaluation.captions import embed_captions, evaluate_captions
from bench.evaluation.pipelines import FunctionPipeline, choose_pipeline
from bench.evaluation.scores import Evaluation
from bench.extraction.loaded import load_encoder
from bench.leaderboard.files import predictions
from bench.leaderboard.files.board_json import to_json
from bench.leaderboard.summaries import build_board
from bench.metrics import recall_at_1
from bench.metrics.retrieval import KINDS
from bench.probes import FrozenText, LinearProbe, RetrievalProbe, Tokens
from bench.runs.model_choice import replace_text_encoder
from bench.types import Captions, ChoiceError, DataError, Encoder, Settings, Splits, Task
from tasks.mini.write import Sample, write_shards
from tests.helpers import toys

PITCHES = {"low": 300, "middle": 700, "high": 1500, "top": 3100}
LENGTHS = {"short": 0.25, "long": 0.7}
SIZES = {"train": 40, "valid": 8, "test": 16}


class Ear(torch.nn.Module):
    """[B, N] -> [B, T, D]: log power at some frequencies, of frames end to end."""

    sampling_rate, output_dim, hop_size_in_ms = toys.RATE, 16, 20.0

    def __init__(self) -> None:
        super().__init__()
        time = torch.arange(320) / toys.RATE
        pitches = torch.tensor([*PITCHES.values(), *(450.0 * 1.2**i for i in range(12))])
        waves = torch.hann_window(320)[:, None] * torch.exp(2j * torch.pi * time[:, None] * pitches) / 320
        self.register_buffer("waves", waves)

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        audio = torch.nn.functional.pad(audio, (0, max(0, 320 - audio.shape[1])))
        return ((audio.unfold(1, 320, 320) + 0j) @ self.waves).abs().clamp(min=3e-3).log()


class Deaf(Ear):
    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.ones_like(super().forward(audio, lengths))


def clip(split: str, index: int) -> Sample:
    """One or two tones, told twice."""
    rng = np.random.default_rng((len(split), index))
    names = [str(name) for name in rng.permutation(list(PITCHES))[: 1 + index % 2]]
    length = str(rng.choice(list(LENGTHS)))
    time = np.arange(round(LENGTHS[length] * toys.RATE)) / toys.RATE
    wave = sum(0.2 * np.sin(2 * np.pi * PITCHES[name] * time) for name in names)
    audio = np.rint((wave + 0.003 * rng.standard_normal(len(time))) * 32767).astype(np.int16)
    tones = " and ".join(names)
    sidecar = {"a": f"A {length} sound: {tones}.", "b": f"{' and '.join(reversed(names))}, {length}"}
    return Sample(f"{split}{index:03d}", audio, toys.RATE, sidecar)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, n in SIZES.items():
        write_shards(folder, split, [clip(split, i) for i in range(n)], per_shard=24)


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "name": "tones",
        "target": Captions(2),
        "metric": recall_at_1,
        "probes": (RetrievalProbe(Tokens("words"), epochs=8, batch_size=16, width=32, learning_rate=5e-3),),
        "cluster": None,
    }
    return toys.task(**{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tones"
    write(folder)
    return folder


def run(chosen: Task, data: Path, cache: Path, encoder: Encoder) -> Evaluation:
    how = Settings("full", "strict", "cpu", "fp32", (0, 1, 2), cache, data, 1)
    ready = load_encoder(toys.spec("ear", encoder), device="cpu", precision="fp32", cache=cache)
    found = prepare_dataset(chosen, "full", cache=cache, data=data)
    embedded = choose_pipeline(chosen).embed(chosen, found, ready, how, lambda clips, encoded: None)
    return embedded.evaluate(ready, chosen.probes[0], how)


@pytest.fixture(scope="module")
def heard(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return run(task(), data, tmp_path_factory.mktemp("cache"), Ear())


def test_captions_have_a_pipeline_of_their_own() -> None:
    assert choose_pipeline(task()) == FunctionPipeline(embed_captions, evaluate_captions)


def test_a_good_ear_finds_the_tones(heard: Evaluation) -> None:
    score = heard.score
    assert 0.3 < score.value < 1  # some test clips hold the same tones: nobody tells them apart
    assert score.probe == "linear"
    assert (score.n, score.clusters) == (16 + 32, 16)
    assert score.ci95[0] <= score.value <= score.ci95[1]
    assert score.chance == score.majority == 1 / 16
    assert score.seeds == (0, 1, 2)
    assert score.value == pytest.approx(np.mean(score.seed_values))
    both = [score.secondary[f"{kind}_r@1"] for kind in KINDS]
    assert score.value == pytest.approx(np.mean(both))
    assert score.secondary["text_to_audio_r@10"] >= score.secondary["text_to_audio_r@5"] > both[1]
    assert score.data.classes == 0
    json.dumps([score.secondary, score.value])


def test_a_deaf_encoder_is_at_chance(data: Path, tmp_path: Path) -> None:
    score = run(task(), data, tmp_path, Deaf()).score
    assert score.value <= score.chance


def test_the_proof_gives_the_score_again(heard: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    predictions.write_predictions(path, heard.answers)
    stored = predictions.read_predictions(path)
    assert stored.ranks
    assert stored.classes == KINDS
    assert stored.keys[:2] == ("test000", "test001")
    assert stored.keys[16:19] == ("test000@0", "test000@1", "test001@0")
    assert stored.clusters is not None
    assert stored.clusters[0] == stored.clusters[16] == stored.clusters[17] != stored.clusters[18]
    again = [recall_at_1.compute(stored.targets, row) for row in stored.predictions]
    assert again == pytest.approx(heard.score.seed_values)
    (recall,) = (metric for metric in recall_at_1.secondary if metric.name == "audio_to_text_r@5")
    each = [recall.compute(stored.targets, row) for row in stored.predictions]
    assert heard.score.secondary[recall.name] == pytest.approx(np.mean(each))


def test_the_row_is_a_row_of_the_schema(heard: Evaluation) -> None:
    board = build_board(suite="full", protocol="strict", scores=[heard.score], failures=[], encoders=[], tasks=[task()])
    assert json.loads(to_json(board))["scores"][0]["data"]["classes"] == 0
    assert board.summaries[0]["weighted"] == heard.score.normalized


def test_a_rerun_does_not_change_a_bit(heard: Evaluation, data: Path, tmp_path: Path) -> None:
    again = run(task(), data, tmp_path, Ear())
    assert again.score == heard.score
    assert np.array_equal(again.answers.predictions, heard.answers.predictions)


def test_the_test_split_never_selects(data: Path, tmp_path: Path) -> None:
    assert run(task(split=Splits(valid="test")), data, tmp_path, Ear()).score.n == 48


def test_a_bad_caption_names_its_clip(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tones"
    write(folder)
    clips = [clip("test", i) for i in range(4)]
    write_shards(folder, "test", [*clips[:3], replace(clips[3], sidecar={"a": "one", "b": 2})])
    with pytest.raises(DataError, match=r"caption 'b': got 2, expected a text \[tones/test:test003\]"):
        run(task(), folder, tmp_path / "cache", Ear())
    with pytest.raises(DataError, match="no retrieval task: got ClassLabel"):
        embed_captions(toys.task(), None, None, None, None)  # type: ignore[arg-type]


class TestCaptions:
    @given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4, unique=True))
    def test_are_every_value_in_order(self, texts: list[str]) -> None:
        sidecar = {str(9 - at): text for at, text in enumerate(texts)}
        assert Captions(None)(sidecar, "x") == Captions(len(texts))(sidecar, "x") == tuple(texts)

    @pytest.mark.parametrize("counts", [(2, 2), (1, 3)])
    def test_stack_is_one_tuple_each(self, counts: tuple[int, ...]) -> None:
        stacked = Captions(None).stack([("a",) * count for count in counts])
        assert stacked.shape == (2,)
        assert [len(captions) for captions in stacked] == list(counts)

    @pytest.mark.parametrize(
        ("sidecar", "message"),
        [
            ({}, "no caption: got an empty sidecar"),
            (["a", "b"], "no caption: got a list"),
            ({"a": "one", "b": None}, "caption 'b': got None"),
            ({"a": "one", "b": " \n"}, "caption 'b': got ' "),
            ({"a": "one"}, r"captions of a clip: got 1: 'a', expected 2 \[here\]"),
        ],
    )
    def test_bad_ones_are_refused(self, sidecar: object, message: str) -> None:
        with pytest.raises(DataError, match=message):
            Captions(2)(sidecar, "here")  # type: ignore[arg-type]


def test_a_text_encoder_replaces_the_text_side_alone() -> None:
    tasks = (task(), toys.task(name="other"))
    changed = replace_text_encoder(tasks, "some/encoder")
    assert changed[0] == replace(tasks[0], probes=(replace(tasks[0].probes[0], text=FrozenText("some/encoder")),))
    assert changed[1] == tasks[1]
    assert isinstance(changed[1].probes[0], LinearProbe)
    assert replace_text_encoder(tasks, None) == tasks
    with pytest.raises(ChoiceError, match="no text side: got some/encoder"):
        replace_text_encoder(tasks[1:], "some/encoder")


def test_the_summary_of_the_linear_probe_still_asks_for_the_published_text_side(heard: Evaluation) -> None:
    """What ``--text-encoder`` scored is no row of ``linear``, so that summary is incomplete and says so."""
    row = replace(heard.score, probe="retrieval:some/encoder")
    board = build_board(suite="full", protocol="strict", scores=[row], failures=[], encoders=[], tasks=[task()])
    (summary,) = board.summaries
    assert (summary["probe"], summary["weighted"], summary["missing"]) == ("linear", None, ["tones"])
