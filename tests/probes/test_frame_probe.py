"""The frame probe: the published loop in plain torch as a second implementation, blocks, seeds, selection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.metrics import segment_f1_micro
from bench.probes import FrameProbe
from bench.probes import frame as module
from bench.probes.heads import draw_bits, draw_heads
from bench.scoring.segments import EventTargets
from bench.types import DataError, FitSplit

N, D, C, HOP = 24, 6, 3, 0.1
PROBE = FrameProbe(epochs=4, batch_size=5, learning_rate=1e-2, pos_weight=3.0)


def clips(seed: int = 0) -> tuple[list[np.ndarray], EventTargets]:
    """Clips of 5 to 14 frames in which class c raises dimension c while it sounds."""
    rng = np.random.default_rng(seed)
    frames, spans, events = [], [], []
    for index in range(N):
        t = 5 + index % 10
        edges = np.arange(t + 1) * HOP
        onsets = rng.integers(0, t - 1, 2) * HOP
        own = np.stack([onsets, onsets + 2 * HOP, rng.integers(0, C, 2)], axis=1)
        x = rng.standard_normal((t, D)).astype(np.float32)
        for onset, offset, label in own:
            x[round(onset / HOP) : round(offset / HOP), int(label)] += 6
        frames.append(x)
        spans.append(np.stack([edges[:-1], edges[1:]], axis=1))
        events.append(own)
    seconds = np.array([span[-1, 1] for span in spans])
    return frames, EventTargets(events, spans, seconds, 0.2, C, segment_f1_micro.compute)


PROBLEM = FitSplit(np.arange(14), np.arange(14, 18), np.arange(18, N))


def published(frames: list[np.ndarray], targets: EventTargets, seed: int, epochs: int) -> list[torch.nn.Sequential]:
    """The head after each epoch, trained as X-ARES does: padded batches, here with the padding masked."""
    head = torch.nn.Sequential(torch.nn.LayerNorm(D), torch.nn.Linear(D, C))
    start = draw_heads([(seed, 0)], D, C, torch.device("cpu"))
    head[1].weight.data = start.weight[0].T.clone()
    head[1].bias.data = start.offset[0, 0].clone()
    optimiser = torch.optim.Adam(head.parameters(), lr=PROBE.learning_rate)
    heads = []
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = PROBE.learning_rate * (0.1 + 0.9 * (1 + np.cos(np.pi * epoch / epochs)) / 2)
        order = PROBLEM.train[np.argsort(draw_bits(14, seed, 0, epoch + 1), kind="stable")]
        for batch in (order[at : at + PROBE.batch_size] for at in range(0, 14, PROBE.batch_size)):
            x = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(frames[i]) for i in batch], batch_first=True)
            y = torch.nn.utils.rnn.pad_sequence(
                [torch.from_numpy(targets.label_frames(i)) for i in batch], batch_first=True
            )
            mask = torch.arange(x.shape[1]) < torch.tensor([len(frames[i]) for i in batch])[:, None]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                head(x)[mask], y[mask].float(), pos_weight=torch.tensor(3.0)
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        heads.append(torch.nn.Sequential(torch.nn.LayerNorm(D), torch.nn.Linear(D, C)))
        heads[-1].load_state_dict(head.state_dict())
    return heads


def answers(head: torch.nn.Module, frames: list[np.ndarray], targets: EventTargets, rows: np.ndarray) -> np.ndarray:
    said = [(torch.sigmoid(head(torch.from_numpy(frames[i]))) > 0.5).numpy().astype(np.uint8) for i in rows]
    return np.concatenate([targets.pool_answers(i, one) for i, one in zip(rows, said, strict=True)])


def test_as_the_published_loop_with_padding_masked() -> None:
    frames, targets = clips()
    blind = replace(PROBLEM, valid=None)
    (result,) = PROBE.run(frames, targets, [blind], n_classes=C, seeds=(0, 1))
    for row, seed in enumerate((0, 1)):
        head = published(frames, targets, seed, PROBE.epochs)[-1]
        assert np.array_equal(result.predictions[row], answers(head, frames, targets, PROBLEM.test))
    assert result.info == {"epoch": [4, 4]}
    assert result.predictions.shape == (2, sum(len(targets.label_segments(i)) for i in PROBLEM.test), C)
    fitted, _, _ = module._fit_head(PROBE, frames, targets, blind, source=(0, 0), n_classes=C, device="cpu")
    head = published(frames, targets, 0, PROBE.epochs)[-1]
    assert torch.allclose(fitted.weight[0].T, head[1].weight, atol=1e-5)
    assert torch.allclose(fitted.gain[0, 0], head[0].weight, atol=1e-5)


def test_the_epoch_is_chosen_on_validation_clips() -> None:
    frames, targets = clips()
    (result,) = PROBE.run(frames, targets, [PROBLEM], n_classes=C, seeds=(0,))
    truth = np.concatenate([targets.label_segments(i) for i in PROBLEM.valid])
    heads = published(frames, targets, 0, PROBE.epochs)
    scores = [segment_f1_micro.compute(truth, answers(head, frames, targets, PROBLEM.valid)) for head in heads]
    best = int(np.argmax(scores))  # the earliest of equals
    assert result.info == {"epoch": [best + 1], "valid": [pytest.approx(scores[best])]}
    assert np.array_equal(result.predictions[0], answers(heads[best], frames, targets, PROBLEM.test))


def test_blocks_change_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, targets = clips()
    how = {"source": (0, 0), "n_classes": C, "device": "cpu"}
    whole, _, _ = module._fit_head(PROBE, frames, targets, PROBLEM, **how)  # type: ignore[arg-type]
    for block in (7 * D, 1):  # cuts clips; one frame at a time
        monkeypatch.setattr(module, "BLOCK", block)
        assert (
            max(sum(b - a for _, a, b in one.parts) for one in module._iterate_blocks(frames, PROBLEM.train)) <= block
        )
        parts, _, _ = module._fit_head(PROBE, frames, targets, PROBLEM, **how)  # type: ignore[arg-type]
        for one, other in zip(whole.tensors, parts.tensors, strict=True):
            assert torch.allclose(one, other, atol=1e-5)
    covered = [part for block in module._iterate_blocks(frames, PROBLEM.train) for part in block.parts]
    assert [(clip, start) for clip, start, _ in covered] == [
        (i, t) for i in PROBLEM.train for t in range(len(frames[i]))
    ]


def test_the_same_bits_whatever_ran_before_and_with_other_seeds_beside() -> None:
    frames, targets = clips()
    torch.manual_seed(1)
    first = PROBE.run(frames, targets, [PROBLEM], n_classes=C, seeds=(0, 1, 2))[0].predictions
    torch.rand(5)
    again = PROBE.run(frames, targets, [PROBLEM], n_classes=C, seeds=(2,))[0].predictions
    assert np.array_equal(first[2], again[0])


def test_test_clips_are_never_looked_up() -> None:
    frames, targets = clips()
    asked: set[int] = set()

    class Watched(EventTargets):
        def label_frames(self, clip: int) -> np.ndarray:
            asked.add(clip)
            return EventTargets.label_frames(self, clip)

        def label_segments(self, clip: int) -> np.ndarray:
            asked.add(clip)
            return EventTargets.label_segments(self, clip)

    watched = Watched(targets.events, targets.spans, targets.seconds, 0.2, C, targets.score)
    PROBE.run(frames, watched, [PROBLEM], n_classes=C, seeds=(0,))
    assert asked == set(range(18))


def test_half_precision_frames_will_do() -> None:
    frames, targets = clips()
    halves = [x.astype(np.float16) for x in frames]
    full, half = (PROBE.run(x, targets, [PROBLEM], n_classes=C, seeds=(0,))[0] for x in (frames, halves))
    assert (full.predictions != half.predictions).mean() < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": np.arange(0)}, "train set is empty"),
        ({"test": np.arange(0)}, "test set is empty"),
        ({"test": np.arange(10, N)}, "train and test overlap"),
        ({"valid": np.arange(10, 18)}, "train and valid overlap"),
        ({"test": np.arange(20, N + 1)}, "test rows out of range"),
    ],
)
def test_splits_without_meaning(change: dict[str, np.ndarray], message: str) -> None:
    frames, targets = clips()
    with pytest.raises(DataError, match=message):
        PROBE.run(frames, targets, [replace(PROBLEM, **change)], n_classes=C, seeds=(0,))


def test_nothing_to_learn_from() -> None:
    frames, targets = clips()
    silent = replace(targets, events=[events[:0] for events in targets.events])
    with pytest.raises(DataError, match="train set has no event"):
        PROBE.run(frames, silent, [PROBLEM], n_classes=C, seeds=(0,))
    with pytest.raises(DataError, match="no probe seeds"):
        PROBE.run(frames, targets, [PROBLEM], n_classes=C, seeds=())
