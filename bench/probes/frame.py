"""The frame probe: LayerNorm(D) -> Linear(D, C) on every frame, to tell what sounds when.

X-ARES's head and recipe for frames: binary cross-entropy over all frames and classes of a batch of clips, Adam, the
cosine of the linear probe, a frame's answer is yes where the logit is above 0. Unlike X-ARES, frames of padding take no
part (frames of a batch are put one after another, so there are none) unless ``padded``, and the batch order and initial
weights depend on (seed, problem, epoch) alone. The epoch is chosen on the validation clips, or is the last.

Frames come from a memory map: at most BLOCK floats of them are in memory at a time, however long the clips. Gradients
of the blocks of a batch are added up, so blocks change nothing but rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.nn import functional

from bench.probes.heads import Adam, Heads, compute_cosine_rate, draw_bits, draw_heads
from bench.probes.input_checks import check_split
from bench.types import DataError, ProbeResult
from bench.xares.segments import fit_to_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.types import FitSplit

BLOCK = 1 << 24  # floats of frames computed with at a time: 64 MiB


class FrameTargets(Protocol):
    """Targets of the frames and segments of clips; ``bench.scoring.segments.EventTargets`` with a metric is one."""

    def label_frames(self, clip: int) -> NDArray[np.uint8]:
        """Return [T, C], 1 for each class that sounds in a frame.

        If the probe is ``padded``, as many frames as there are labels for.
        """

    def count_frames(self, clip: int) -> int:
        """Return the number of frames that are answered for: T, or more where the test batch is padded with zeros."""

    def label_segments(self, clip: int) -> NDArray[np.uint8]:
        """Return [K, C], 1 for each class that sounds in a segment."""

    def pool_answers(self, clip: int, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return [K, C] answers for segments from those for frames, [T, C]."""

    @property
    def score(self) -> Callable[[NDArray[Any], NDArray[Any]], float]:
        """The metric of segments and answers [M, C], higher is better; it chooses the epoch."""


class Block(NamedTuple):
    """Some frames of some clips: (clip, first frame, end)."""

    parts: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class FrameProbe:
    """LayerNorm + Linear on frames. ``pos_weight`` is the weight of a yes in the loss (maestro: 10).

    ``padded``: the clips of a batch are filled up with frames of zeros to the longest of them, and these count in the
    loss like all others, as in X-ARES; so do labels beyond a clip's own frames.

    Example:
        >>> FrameProbe(epochs=8).as_published()
        FrameProbe(epochs=8, learning_rate=0.001, batch_size=32, pos_weight=None, padded=True)
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    batch_size: int = 32  # clips
    pos_weight: float | None = None
    padded: bool = False

    @property
    def name(self) -> str:
        return "linear"

    @property
    def seeded(self) -> bool:
        return True

    def as_published(self) -> FrameProbe:
        """Return the probe of protocol ``xares``."""
        return replace(self, padded=True)

    def run(
        self,
        vectors: Sequence[NDArray[Any]],
        targets: FrameTargets,
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Train one head per problem and seed, and answer for the segments of each problem's test clips.

        ``vectors`` are the frames of N clips, [T, D] each; targets of test clips are never read. Returns one result
        per problem: ``predictions`` [S, M, C] (0 or 1) for the M segments of its test clips one after another, and
        ``info`` with the chosen ``epoch`` of each seed and, if there are validation clips, their ``valid`` score.
        Raises DataError for no seeds, splits that are empty or overlap, and a train or valid set without events.
        """
        if not seeds:
            raise DataError("no probe seeds", got="none", expected="at least one", where="frame probe")
        results = []
        for place, problem in enumerate(problems):
            check_split(problem, len(vectors), f"frame probe, problem {place + 1} of {len(problems)}")
            for name, rows in (("train", problem.train), ("valid", problem.valid)):
                if rows is not None and not any(targets.label_segments(clip).any() for clip in rows.tolist()):
                    raise DataError(f"{name} set has no event", got="0", expected="at least 1", where="frame probe")
            fitted = [
                _fit_head(self, vectors, targets, problem, source=(seed, place), n_classes=n_classes, device=device)
                for seed in seeds
            ]
            predictions = np.stack([_predict_segments(heads, vectors, targets, problem.test) for heads, _, _ in fitted])
            info: dict[str, Any] = {"epoch": [epoch for _, epoch, _ in fitted]}
            if problem.valid is not None:
                info["valid"] = [score for _, _, score in fitted]
            results.append(ProbeResult(predictions, info))
        return results


def _fit_head(
    probe: FrameProbe,
    vectors: Sequence[NDArray[Any]],
    targets: FrameTargets,
    problem: FitSplit,
    *,
    source: tuple[int, int],
    n_classes: int,
    device: str,
) -> tuple[Heads, int, float]:
    """Return the head of a fit and seed, the epoch (1-based) it is of, and the validation score there."""
    heads = draw_heads([source], vectors[0].shape[1], n_classes, torch.device(device))
    best, chosen, highest = Heads(*(tensor.clone() for tensor in heads.tensors)), probe.epochs, -1.0
    adam = Adam.of([tensor[0] for tensor in heads.tensors])
    for tensor in heads.tensors:
        tensor.requires_grad_()
    truth = None if problem.valid is None else _concat_segments(targets, problem.valid)
    for epoch in range(1, probe.epochs + 1):
        order = np.argsort(draw_bits(len(problem.train), *source, epoch), kind="stable")
        rate = compute_cosine_rate(probe.learning_rate, epoch, probe.epochs)
        for start in range(0, len(order), probe.batch_size):
            batch = problem.train[order[start : start + probe.batch_size]]
            gradients = _compute_gradients(probe, heads, vectors, targets, batch)
            with torch.no_grad():
                adam.step([gradient[0] for gradient in gradients], rate)
        if problem.valid is not None and truth is not None:
            score = targets.score(truth, _predict_segments(heads, vectors, targets, problem.valid))
            if score > highest:
                highest, chosen = score, epoch
                with torch.no_grad():
                    best.copy(0, heads)
    return (heads if problem.valid is None else best), chosen, highest


def _compute_gradients(
    probe: FrameProbe, heads: Heads, vectors: Sequence[NDArray[Any]], targets: FrameTargets, batch: NDArray[np.int64]
) -> list[Tensor]:
    """Return gradients of the mean loss over all frames and classes of a batch of clips."""
    device = heads.weight.device
    lengths = [len(vectors[clip]) for clip in batch]
    longest = max(lengths)
    count = (longest * len(batch) if probe.padded else sum(lengths)) * heads.weight.shape[2]
    weight = None if probe.pos_weight is None else torch.tensor(probe.pos_weight, device=device)
    total = [torch.zeros_like(tensor) for tensor in heads.tensors]
    for block in _iterate_blocks(vectors, batch):
        y = [fit_to_length(targets.label_frames(clip)[start:stop], stop - start) for clip, start, stop in block.parts]
        truth = torch.from_numpy(np.concatenate(y)).to(device, torch.float32)
        logits = heads.logits(_normalize_frames(vectors, block, device)[None])[0]
        loss = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="sum") / count
        _accumulate(total, torch.autograd.grad(loss, heads.tensors))
    if probe.padded and count > sum(lengths) * heads.weight.shape[2]:
        loss = _compute_padding_loss(heads, targets, batch, lengths, weight) / count
        _accumulate(total, torch.autograd.grad(loss, heads.tensors))
    return total


def _accumulate(total: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Add ``gradients`` to ``total`` in place."""
    for so_far, gradient in zip(total, gradients, strict=True):
        so_far.add_(gradient)


def _compute_padding_loss(
    heads: Heads, targets: FrameTargets, batch: NDArray[np.int64], lengths: Sequence[int], weight: Tensor | None
) -> Tensor:
    """Return the summed loss of the padding of a batch: its frames have the same logits, few of them a label."""
    longest = max(lengths)
    beyond = [targets.label_frames(clip)[length:longest] for clip, length in zip(batch.tolist(), lengths, strict=True)]
    yes = torch.from_numpy(np.sum([part.sum(axis=0, dtype=np.int64) for part in beyond], axis=0)).to(heads.weight)
    no = sum(longest - length for length in lengths) - yes
    logits = _compute_zero_logits(heads)
    loss_of = functional.binary_cross_entropy_with_logits
    wrong = loss_of(logits, torch.ones_like(logits), pos_weight=weight, reduction="none")
    return (yes * wrong + no * loss_of(logits, torch.zeros_like(logits), reduction="none")).sum()


def _compute_zero_logits(heads: Heads) -> Tensor:
    """Return [C] logits of a frame of zeros, of which LayerNorm makes zeros."""
    return heads.logits(torch.zeros_like(heads.gain))[0, 0]


def _iterate_blocks(vectors: Sequence[NDArray[Any]], clips: NDArray[np.int64]) -> Iterator[Block]:
    """Yield the frames of ``clips`` in their order, at most BLOCK floats at a time."""
    limit = max(1, BLOCK // vectors[0].shape[1])
    parts: list[tuple[int, int, int]] = []
    room = limit
    for clip in clips.tolist():
        start, length = 0, len(vectors[clip])
        while start < length:
            stop = min(length, start + room)
            parts.append((clip, start, stop))
            room -= stop - start
            start = stop
            if room == 0:
                yield Block(tuple(parts))
                parts, room = [], limit
    if parts:
        yield Block(tuple(parts))


def _normalize_frames(vectors: Sequence[NDArray[Any]], block: Block, device: torch.device) -> Tensor:
    """Return [T, D] frames of a block at mean 0 and variance 1: LayerNorm without its parameters."""
    frames = np.concatenate([vectors[clip][start:stop] for clip, start, stop in block.parts], dtype=np.float32)
    x = torch.from_numpy(frames).to(device)
    return functional.layer_norm(x, (x.shape[1],))


def _predict_segments(
    heads: Heads, vectors: Sequence[NDArray[Any]], targets: FrameTargets, clips: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return [M, C] answers for the segments of ``clips``, one clip after another."""
    answers = []
    with torch.no_grad():
        for clip in clips.tolist():
            blocks = _iterate_blocks(vectors, np.array([clip]))
            parts = [
                heads.logits(_normalize_frames(vectors, block, heads.weight.device)[None])[0] > 0 for block in blocks
            ]
            parts.append((_compute_zero_logits(heads) > 0).expand(targets.count_frames(clip) - len(vectors[clip]), -1))
            answers.append(targets.pool_answers(clip, torch.cat(parts).to(torch.uint8).cpu().numpy()))
    return np.concatenate(answers)


def _concat_segments(targets: FrameTargets, clips: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return [M, C] targets of the segments of ``clips``."""
    return np.concatenate([targets.label_segments(clip) for clip in clips.tolist()])
