"""Event tasks from shards to score: known tones at known times, for an encoder that hears them and one that cannot."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets.dataset import adapt_to_suite, prepare_dataset
from bench.evaluation.events import CEILING, LabelledEvents, embed_events, evaluate_events
from bench.evaluation.scores import Evaluation
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.loaded import load_encoder
from bench.leaderboard.files import predictions
from bench.leaderboard.files.board_json import to_json
from bench.leaderboard.summaries import build_board
from bench.metrics import accuracy, segment_f1_macro, segment_f1_micro
from bench.plugin.fixtures import Bench
from bench.probes import FrameProbe
from bench.runs.plan import Plan
from bench.scoring.bootstrap import draw_weights
from bench.scoring.measure import RESAMPLES
from bench.types import DataError, Encoder, Events, Folds, Mini, Settings, ShardSet, Splits, Task
from tasks.mini.write import Sample, write_shards
from tests.helpers import toys

PITCHES = (300, 700, 1500, 3100)
NAMES = ("low", "middle", "high", "top")


class Spectrum(torch.nn.Module):
    """[B, N] -> [B, T, D]: log power at some frequencies, of frames end to end. A good ear for tones."""

    sampling_rate, output_dim = toys.RATE, 16

    def __init__(self, hop: int = 320) -> None:
        super().__init__()
        self.hop, self.hop_size_in_ms = hop, 1000 * hop / toys.RATE
        time = torch.arange(hop) / toys.RATE
        pitches = torch.tensor([*PITCHES, *(450.0 * 1.2**i for i in range(12))])
        self.register_buffer(
            "waves", torch.hann_window(hop)[:, None] * torch.exp(2j * torch.pi * time[:, None] * pitches) / hop
        )

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        audio = torch.nn.functional.pad(audio, (0, max(0, self.hop - audio.shape[1])))
        return ((audio.unfold(1, self.hop, self.hop) + 0j) @ self.waves).abs().clamp(min=3e-3).log()


class Deaf(Spectrum):
    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.ones_like(super().forward(audio, lengths))


def scene(seed: int) -> Sample:
    """2.3 s of noise with two to four tones of 50 ms to 0.8 s."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(2.3 * toys.RATE)) / toys.RATE
    wave = 0.003 * rng.standard_normal(len(time))
    events = []
    for _ in range(rng.integers(2, 5)):
        label = int(rng.integers(0, 4))
        onset = round(float(rng.uniform(0, 2.0)), 3)
        offset = round(min(onset + float(rng.choice([0.05, 0.3, 0.8])), 2.3), 3)
        sounding = (time >= onset) & (time < offset)
        wave += 0.15 * sounding * np.sin(2 * np.pi * PITCHES[label] * time)
        events.append({"onset": onset, "offset": offset, "label": NAMES[label]})
    audio = np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)
    return Sample(f"clip{seed:04d}", audio, toys.RATE, events)


def write_scenes(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, first, n in (("train", 0, 40), ("valid", 100, 8), ("test", 200, 16)):
        write_shards(folder, split, [scene(first + i) for i in range(n)], per_shard=24)


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "name": "scenes",
        "target": Events(NAMES, separator=",", segment_in_s=0.25),
        "metric": segment_f1_macro,
        "probes": (FrameProbe(epochs=30, learning_rate=5e-2, batch_size=4),),
        "cluster": None,
    }
    return toys.task(**{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder)
    return folder


def embedded(
    chosen: Task, data: Path, cache: Path, encoder: Encoder, policy: str | None = None
) -> tuple[LabelledEvents, LoadedEncoder, Settings]:
    how = Settings("full", "strict", "cpu", "fp32", (0, 1, 2), cache, data, 1)
    ready = load_encoder(toys.spec("ear", encoder), device="cpu", precision="fp32", cache=cache)
    if policy:
        ready = replace(ready, certificate=replace(ready.certificate, policy=policy))
    found = prepare_dataset(chosen, "full", cache=cache, data=data)
    return embed_events(chosen, found, ready, how, lambda clips, encoded: None), ready, how


def run(chosen: Task, data: Path, cache: Path, encoder: Encoder) -> Evaluation:
    labelled, ready, how = embedded(chosen, data, cache, encoder)
    return evaluate_events(labelled, ready, chosen.probes[0], how)


@pytest.fixture(scope="module")
def heard(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return run(task(), data, tmp_path_factory.mktemp("cache"), Spectrum())


def test_a_good_ear_finds_the_tones(heard: Evaluation) -> None:
    score = heard.score
    assert score.value > 0.97
    assert score.secondary[CEILING] >= score.value - 0.03
    assert score.ci95[0] <= score.value <= score.ci95[1]
    assert score.ci95[1] - score.ci95[0] < 0.15
    assert (score.n, score.clusters) == (16 * 10, 16)  # 2.3 s are ten segments of 0.25 s, the last a part
    assert score.seeds == (0, 1, 2)
    assert score.value == pytest.approx(np.mean(score.seed_values))
    assert score.chance < score.majority + 1e-9 < 0.5
    assert score.policy == "padded"
    assert score.certified
    assert score.rates == {"missing": 0.0, "late events": 0.0}
    json.dumps([score.secondary, score.rates, score.value])


def test_frames_in_single_precision_are_told_and_score_the_same(heard: Evaluation, data: Path, tmp_path: Path) -> None:
    labelled, ready, how = embedded(task(), data, tmp_path, Spectrum())
    assert {frames.dtype for frames in labelled.frames} == {np.dtype(np.float16)}
    found = prepare_dataset(task(), "full", cache=tmp_path, data=data)
    whole = embed_events(task(), found, ready, replace(how, frames="fp32"), lambda clips, encoded: None)
    assert {frames.dtype for frames in whole.frames} == {np.dtype(np.float32)}
    score = evaluate_events(whole, ready, task().probes[0], how).score
    assert score.rates == {"missing": 0.0, "late events": 0.0, "fp32 frames": 1.0}
    assert score.value == pytest.approx(heard.score.value, abs=0.01)


def test_a_deaf_encoder_is_at_chance(data: Path, tmp_path: Path) -> None:
    score = run(task(), data, tmp_path, Deaf()).score
    assert score.value <= score.chance + 0.02
    assert not score.certified


def test_the_proof_gives_the_score_again(heard: Evaluation, tmp_path: Path) -> None:
    from sklearn.metrics import f1_score

    again = [f1_score(heard.answers.targets, row, average="macro") for row in heard.answers.predictions]
    assert again == pytest.approx(heard.score.seed_values)
    assert heard.answers.keys[:2] == ("clip0200@0", "clip0200@1")
    path = tmp_path / "p.safetensors"
    predictions.write_predictions(path, heard.answers)
    stored = predictions.read_predictions(path)
    assert np.array_equal(stored.targets, heard.answers.targets)
    assert np.array_equal(stored.predictions, heard.answers.predictions)
    assert stored.predictions.dtype == np.uint8
    assert (stored.keys, stored.classes) == (heard.answers.keys, NAMES)
    with pytest.raises(DataError, match="targets do not fit the keys"):
        predictions.write_predictions(
            path, replace(heard.answers, keys=heard.answers.keys[1:], folds=heard.answers.folds[1:])
        )


def test_targets_are_those_of_the_sidecars_whatever_the_hop(heard: Evaluation, data: Path, tmp_path: Path) -> None:
    other = run(task(metric=segment_f1_micro), data, tmp_path, Spectrum(hop=1024))
    assert np.array_equal(heard.answers.targets, other.answers.targets)
    assert heard.answers.keys == other.answers.keys
    assert other.score.value > 0.75
    assert other.score.secondary[CEILING] < heard.score.secondary[CEILING]
    for at, seed in enumerate(range(200, 216)):
        for event in scene(seed).sidecar:
            first, last = int(event["onset"] / 0.25), int((event["offset"] - 1e-9) / 0.25)
            assert heard.answers.targets[10 * at + first : 10 * at + last + 1, NAMES.index(event["label"])].all()


def test_batches_and_reruns_do_not_change_a_bit(heard: Evaluation, data: Path, tmp_path: Path) -> None:
    labelled, ready, how = embedded(task(), data, tmp_path, Spectrum())
    first = evaluate_events(labelled, ready, task().probes[0], how)
    assert first.score == heard.score
    assert np.array_equal(first.answers.predictions, heard.answers.predictions)
    alone, *_ = embedded(task(), data, tmp_path / "alone", Spectrum(), policy="single")
    for one, other in zip(labelled.frames, alone.frames, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_killed_run_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    class Counting(Spectrum):
        seen = 0

        def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
            type(self).seen += len(audio)
            return super().forward(audio, lengths)

    chosen = task()
    embedded(chosen, data, tmp_path, Counting())
    first = Counting.seen
    labelled, *_ = embedded(chosen, data, tmp_path, Counting())
    assert Counting.seen == first
    assert len(labelled.rows.keys) == 64
    shards = list((tmp_path / "frames").rglob("*.safetensors"))
    assert len(shards) == 4
    shards[0].unlink()
    embedded(chosen, data, tmp_path, Counting())
    assert 8 <= Counting.seen - first <= 24


def test_the_test_split_never_selects(data: Path, tmp_path: Path) -> None:
    chosen = task(split=Splits(valid="test"))
    labelled, *_ = embedded(chosen, data, tmp_path, Spectrum())
    assert labelled.problems[0].valid is None
    assert len(labelled.rows.keys) == 56


def test_late_events_are_counted_and_bad_ones_named(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    write_scenes(folder)
    clips = [scene(200 + i) for i in range(4)]
    late = {"onset": 2.3, "offset": 2.5, "label": "low"}
    clips[0] = replace(clips[0], sidecar=[late])
    write_shards(folder, "test", clips)
    evaluated = run(task(), folder, tmp_path / "cache", Spectrum())
    assert evaluated.score.rates["late events"] == pytest.approx(1 / 52)
    assert not evaluated.answers.targets[:10].any()
    clips[1] = replace(clips[1], sidecar=[{"onset": 0, "offset": 1, "label": "low,huge"}])
    write_shards(folder, "test", clips)
    with pytest.raises(DataError, match=r"unknown label 'label': got 'huge'.*\[scenes/test:clip0201, event 1\]"):
        run(task(), folder, tmp_path / "cache", Spectrum())


def test_folds_and_the_best_constant_answer(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 100), ("c", 200)):
        write_shards(tmp_path, name, [scene(first + i) for i in range(8)])
    names = ("a", "b", "c")
    patterns = ShardSet({name: f"{name}_*.tar" for name in names})
    chosen = task(shards=patterns, split=Folds(names), metric=segment_f1_micro)
    labelled, ready, how = embedded(chosen, tmp_path, tmp_path / "cache", Spectrum())
    evaluated = evaluate_events(labelled, ready, chosen.probes[0], how)
    score = evaluated.score
    assert (score.n, score.clusters) == (240, 24)
    assert score.value == pytest.approx(np.mean(list(score.subsets.values())))
    assert score.ci95[0] < score.value < score.ci95[1] <= 1
    clips, folds = evaluated.answers.clusters, evaluated.answers.folds
    assert clips is not None
    picks = [folds == fold for fold in range(3)]
    drawn = [  # by hand: each resample repeats whole clips, and a score is the mean over seeds and folds
        np.mean(
            [
                segment_f1_micro.compute(
                    *(np.repeat(a[own], weights[clips[own]], axis=0) for a in (evaluated.answers.targets, row))
                )
                for row in evaluated.answers.predictions
                for own in picks
            ]
        )
        for weights in itertools.chain.from_iterable(draw_weights(24, RESAMPLES, 0))
    ]
    assert score.ci95 == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    majority, chance = [], []
    for fold in range(3):
        train, test = (
            evaluated.answers.targets[pick]
            for pick in (evaluated.answers.folds != fold, evaluated.answers.folds == fold)
        )
        answers = [np.array(bits, dtype=np.uint8) for bits in itertools.product((0, 1), repeat=4) if any(bits)]
        every = [[segment_f1_micro.compute(t, np.tile(a, (len(t), 1))) for t in (train, test)] for a in answers]
        majority.append(max(every)[1])
        chance.append(segment_f1_micro.chance(test, 4))
    assert score.majority == pytest.approx(np.mean(majority))
    assert score.chance == pytest.approx(np.mean(chance))


def test_what_is_no_event_task(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="metric of events: got accuracy"):
        run(task(metric=accuracy), data, tmp_path, Spectrum())
    everything = [replace(scene(i), sidecar=[{"onset": 0, "offset": 9, "label": ",".join(NAMES)}]) for i in range(9)]
    write_shards(tmp_path, "train", everything[:3])
    write_shards(tmp_path, "valid", everything[3:6])
    write_shards(tmp_path, "test", everything[6:])
    with pytest.raises(DataError, match="nothing to tell apart"):
        run(task(), tmp_path, tmp_path / "cache", Spectrum())


def test_reduced_classes_of_the_embedded_version() -> None:
    small = task(mini=Mini(make=lambda folder: None, version=1, sha256={}, classes=NAMES[:2]))
    assert adapt_to_suite(small, "mini").target.n_classes == 2


def test_the_plugin_scores_an_event_task(data: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    how = Settings("full", "strict", "cpu", "fp32", (0,), tmp_path / "cache", data, 1)
    spec = toys.spec("ear", Spectrum())
    tasks = (task(), toys.task(name="clips", target=task().target))
    plan = Plan(how, tasks, (spec,), tasks)
    noted: list[tuple[str, object]] = []
    bench = Bench(plan, tmp_path / "run", request)
    bench.record = lambda name, value: noted.append((name, value))
    score = bench.score(plan.cases[0])
    assert score.value > 0.9
    assert predictions.read_predictions(tmp_path / "run" / score.predictions).targets.shape == (score.n, 4)
    assert json.loads(str(noted[-1][1]))["value"]["metric"] == "segment-F1 macro"
    board = build_board(suite="full", protocol="strict", scores=[score], failures=[], encoders=[], tasks=[task()])
    assert json.loads(to_json(board))["scores"][0]["secondary"].keys() == {CEILING}
    with pytest.raises(DataError, match="metric of events"):
        bench.score(plan.cases[1])
