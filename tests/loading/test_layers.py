"""Hidden layers: one as an encoder, all in one pass, and the best of them chosen without the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.datasets.dataset import prepare_dataset
from bench.evaluation.clips import embed_clips, evaluate_clips
from bench.evaluation.layer_curve import CHOSEN
from bench.extraction.loaded import load_encoder
from bench.loading.certificate import certify
from bench.loading.fingerprint import compute_fingerprint
from bench.loading.layers import select_layer
from bench.metrics import accuracy
from bench.probes import KNN, FrameProbe, LinearProbe
from bench.probes.layered import LayeredProbe, build_selection_split
from bench.types import ChoiceError, EncoderError, EncoderSpec, FitSplit, Settings
from tests.helpers import planted, toys


class Deep(planted.GoodWithoutLengths):
    """Layer 1 and 2 are functions of layer 0; the output is layer 2."""

    def hidden_states(self, audio: Tensor) -> list[Tensor]:
        first = self.frames(audio)
        return [first, torch.tanh(first)[..., :5], 2 * first]

    def forward(self, audio: Tensor) -> Tensor:
        return self.hidden_states(audio)[-1]


class DeepWithLengths(Deep):
    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        return super().hidden_states(audio)

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.hidden_states(audio, lengths)[-1]


class Crooked(Deep):
    def hidden_states(self, audio: Tensor) -> list[Tensor]:
        return [state[:, ::2] for state in super().hidden_states(audio)]

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio)


def spec(kind: type) -> EncoderSpec:
    return EncoderSpec("deep", lambda _: kind())


@pytest.mark.parametrize("kind", [Deep, DeepWithLengths])
def test_a_layer_is_an_encoder(kind: type) -> None:
    audio = torch.randn(2, 8000)
    states = kind().hidden_states(audio)
    prints = {compute_fingerprint(kind())}
    for index, state in enumerate(states):
        layer = select_layer(spec(kind), str(index))
        assert layer.name == f"deep.layer{index}"
        encoder = layer.load("cpu")
        assert torch.equal(encoder(audio), state)
        assert encoder.output_dim == state.shape[2]
        certificate = certify(encoder)
        assert certificate.passed
        assert certificate.policy == ("padded" if kind is DeepWithLengths else "equal_length")
        prints.add(compute_fingerprint(encoder))
    every = select_layer(spec(kind), "all").load("cpu")
    assert torch.equal(every(audio), torch.cat(states, dim=2))
    assert certify(every).passed
    prints.add(compute_fingerprint(every))
    assert len(prints) == len(states) + 2


def test_wrong_layers_are_named() -> None:
    with pytest.raises(ChoiceError, match="a number from 0, or all"):
        select_layer(spec(Deep), "last")
    with pytest.raises(EncoderError, match="no such layer: got 3, expected 0 to 2, or all"):
        select_layer(spec(Deep), "3").load("cpu")
    with pytest.raises(EncoderError, match="got no hidden_states"):
        select_layer(spec(planted.Good), "0").load("cpu")
    with pytest.raises(EncoderError, match=r"hidden layers: .* expected \[1, 98, D\] each"):
        select_layer(spec(Crooked), "0").load("cpu")


@pytest.fixture(scope="module")
def layers() -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Three layers of which the middle one knows the classes."""
    rng = np.random.default_rng(0)
    targets = np.arange(160) % 4
    known = rng.standard_normal((160, 6)) + 3 * np.eye(6)[targets]
    parts = [rng.standard_normal((160, 5)), known, rng.standard_normal((160, 3)) + 0.3 * targets[:, None]]
    return np.concatenate(parts, axis=1).astype(np.float32), targets, (5, 6, 3)


@pytest.mark.parametrize("probe", [LinearProbe(epochs=10), KNN(k=5)])
@pytest.mark.parametrize("valid", [True, False])
def test_the_best_layer_is_chosen_on_validation_data(probe, valid, layers) -> None:
    vectors, targets, widths = layers
    rows = np.arange(160)
    problem = FitSplit(rows[:100], rows[100:120] if valid else None, rows[120:])

    def quality(problem: FitSplit, row: np.ndarray) -> float:
        return accuracy.compute(targets[problem.test], row)

    layered = LayeredProbe(probe, widths, quality)
    (result,) = layered.run(vectors, targets, [problem], n_classes=4, seeds=(0, 1))
    (alone,) = probe.run(vectors[:, 5:11], targets, [problem], n_classes=4, seeds=(0, 1))
    assert result.info["layer"] == 1
    assert np.array_equal(result.predictions, alone.predictions)
    assert [predictions.shape for predictions in result.info["layers"]] == [alone.predictions.shape] * 3
    shuffled = targets.copy()
    shuffled[120:] = np.random.default_rng(1).permutation(shuffled[120:])
    (blind,) = layered.run(vectors, shuffled, [problem], n_classes=4, seeds=(0, 1))
    assert blind.info["layer"] == 1
    assert np.array_equal(blind.predictions, result.predictions)


def test_layers_are_compared_on_whole_clusters() -> None:
    clusters = np.repeat(np.arange(20), 4)
    inner = build_selection_split(FitSplit(np.arange(60), None, np.arange(60, 80)), clusters)
    assert not set(clusters[inner.train]) & set(clusters[inner.test])
    assert len(inner.test) == 12
    assert sorted([*inner.train, *inner.test]) == list(range(60))
    single = build_selection_split(FitSplit(np.arange(60), None, np.arange(60, 80)), None)
    assert len(single.test) == 12


def test_the_curve_and_the_choice_stand_in_the_row(tmp_path: Path) -> None:
    settings = Settings("full", "strict", "cpu", "fp32", (0, 1), tmp_path / "cache", toys.write_dataset(tmp_path), 1)
    every = load_encoder(
        select_layer(spec(DeepWithLengths), "all"), device="cpu", precision="fp32", cache=settings.cache
    )
    task = toys.task()
    data = prepare_dataset(task, "full", cache=settings.cache, data=settings.data)
    labelled = embed_clips(task, data, every, settings, lambda count, now: None)
    assert labelled.embeddings.vectors.shape[1] == sum(every.encoder.widths)  # type: ignore[attr-defined]
    for probe in task.probes:
        score = evaluate_clips(labelled, every, probe, settings).score
        assert score.probe == probe.name
        layers = {name: value for name, value in score.subsets.items() if name.startswith("layer")}
        assert list(layers) == ["layer 0", "layer 1", "layer 2"]
        assert score.value == layers[f"layer {score.secondary[CHOSEN]:.0f}"]
        one = load_encoder(
            select_layer(spec(DeepWithLengths), "1"), device="cpu", precision="fp32", cache=settings.cache
        )
        alone = evaluate_clips(
            embed_clips(task, data, one, settings, lambda count, now: None), one, probe, settings
        ).score
        assert alone.value == layers["layer 1"]
        assert not alone.subsets


def test_all_stories_take_layers(tmp_path: Path) -> None:
    """Frames of several layers are cut into layers as vectors are."""
    layered = LayeredProbe(FrameProbe(), (2, 3), lambda problem, row: 0.0)
    frames = [np.arange(20.0).reshape(4, 5), np.arange(10.0).reshape(2, 5)]
    first, second = layered.split_layers(frames)
    assert [part.shape for part in first] == [(4, 2), (2, 2)]
    assert np.array_equal(second[1], frames[1][:, 2:])
