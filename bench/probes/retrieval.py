"""The retrieval probe: two towers that put a clip and its captions at one place, trained on frozen embeddings.

X-ARES's head and recipe: LayerNorm(D) -> Linear(D, 1024) -> GELU -> Linear(1024, 1024) on a clip's embedding, a text
side (``bench.probes.text``), Adam, the cosine of the linear probe, batches of 128 pairs of a clip and one caption.
Unlike X-ARES, the loss compares directions, as the score does, and takes other captions of a clip for right
(``bench.probes.contrastive``); the order and the initial weights depend on (seed, problem, epoch) alone; the epoch is
chosen on a validation split that is not the test split, or is the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from bench.metrics.retrieval import compute_ranks, list_kinds, recall_at_1
from bench.probes.contrastive import LARGEST_LOG_SCALE, LOG_SCALE, compute_contrastive_loss
from bench.probes.heads import Adam, compute_cosine_rate, draw_bits
from bench.probes.input_checks import check_finite, check_split
from bench.probes.text import Tokens
from bench.probes.towers import VectorTower, draw_parameters
from bench.types import DataError, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.probes.contrastive import Similarity
    from bench.probes.text import TextSide
    from bench.probes.towers import Tower
    from bench.types import FitSplit

ROWS = 4096  # clips or captions embedded at a time
WHERE = "retrieval probe"


class CaptionPairs(NamedTuple):
    """Clips and their captions; ``owners`` has the clip of each caption."""

    audio: Tower  # of N clips
    text: Tower  # of T captions, clip by clip
    owners: NDArray[np.int64]  # [T]

    def captions(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the captions of ``clips``, clip by clip."""
        first, last = (np.searchsorted(self.owners, clips, side) for side in ("left", "right"))
        return np.concatenate([np.arange(start, stop) for start, stop in zip(first, last, strict=True)])


@dataclass(frozen=True, slots=True)
class RetrievalProbe:
    """Two towers. The defaults are those of X-ARES but for the objective, which ``dot`` makes X-ARES's, too.

    Example:
        >>> RetrievalProbe(text=Tokens("words"), epochs=5).as_published().objective
        'dot'
    """

    text: TextSide = field(default_factory=Tokens)
    epochs: int = 20
    learning_rate: float = 1e-3
    batch_size: int = 128  # pairs
    width: int = 1024
    objective: Similarity = "cosine"

    @property
    def name(self) -> str:
        """``linear`` with the published text side, whose score stands among those of the linear probe."""
        return f"retrieval:{self.text.name}" if self.text.name else "linear"

    @property
    def seeded(self) -> bool:
        return True

    def as_published(self) -> RetrievalProbe:
        """Return the probe of protocol ``xares``."""
        return replace(self, objective="dot")

    def run(
        self,
        vectors: NDArray[np.float32],
        targets: Sequence[tuple[str, ...]] | NDArray[Any],
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Train two towers per problem and seed, and rank the test clips and their captions for each other.

        ``vectors`` [N, D] float32, ``targets`` N tuples of captions; captions of test clips are embedded, never learnt
        from. Where a problem has validation clips, the epoch with the highest recall@1 among them counts, the earliest
        of equals; otherwise the last. Returns one result per problem: ``predictions`` [S, A + T] ranks of the right
        answers as of ``bench.metrics.retrieval.compute_ranks``, by cosine, of its A test clips and T captions, and
        ``info`` with the chosen ``epoch`` of each seed and, if there are validation clips, their ``valid`` recall. The
        result depends on the arguments only; for the same bits every time, the caller keeps torch to one thread.
        Raises DataError for embeddings that are not finite, clips without captions, no seeds, splits that are empty or
        overlap, fewer than two training clips and a text model that cannot be had.
        """
        if vectors.ndim != 2 or vectors.shape[1] < 1 or len(vectors) != len(targets) or not all(map(len, targets)):
            got = f"vectors {list(vectors.shape)}, {len(targets)} clips with captions"
            expected = "[N, D] and one caption or more for each of N clips"
            raise DataError("embeddings and captions do not match", got=got, expected=expected, where=WHERE)
        check_finite(vectors, WHERE)
        if not seeds:
            raise DataError("no probe seeds", got="none", expected="at least one", where=WHERE)
        captions = [caption for of_clip in targets for caption in of_clip]
        owners = np.repeat(np.arange(len(targets)), [len(of_clip) for of_clip in targets])
        audio = VectorTower(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)).to(device), self.width)
        results = []
        for place, problem in enumerate(problems):
            where = f"{WHERE}, problem {place + 1} of {len(problems)}"
            check_split(problem, len(vectors), where)
            if len(problem.train) < 2:
                raise DataError("train set cannot teach a distinction", got="1 clip", expected="2 or more", where=where)
            train = np.flatnonzero(np.isin(owners, problem.train))
            pairs = CaptionPairs(audio, self.text.tower(captions, train, self.width, device), owners)
            fitted = [_fit_towers(self, pairs, problem, (seed, place), device) for seed in seeds]
            info: dict[str, Any] = {"epoch": [epoch for _, epoch, _ in fitted]}
            if problem.valid is not None:
                info["valid"] = [score for _, _, score in fitted]
            gallery = [compute_gallery_ranks(pairs, values, problem.test, device) for values, _, _ in fitted]
            results.append(ProbeResult(np.stack(gallery), info))
        return results


def _fit_towers(
    probe: RetrievalProbe, pairs: CaptionPairs, problem: FitSplit, source: tuple[int, int], device: str
) -> tuple[list[Tensor], int, float]:
    """Return the parameters of both towers and the log-scale, their epoch (1-based) and validation recall."""
    values = [*draw_parameters([*pairs.audio.parameters, *pairs.text.parameters], source, device)]
    values.append(torch.tensor(LOG_SCALE, device=device))
    adam = Adam.of(values)
    best, chosen, highest = values, probe.epochs, -1.0
    train = np.flatnonzero(np.isin(pairs.owners, problem.train))
    for epoch in range(1, probe.epochs + 1):
        order = train[np.argsort(draw_bits(len(train), *source, epoch), kind="stable")]
        rate = compute_cosine_rate(probe.learning_rate, epoch, probe.epochs)
        for start in range(0, len(order), probe.batch_size):
            _train_step(probe, pairs, adam, order[start : start + probe.batch_size], rate)
        if problem.valid is not None:
            in_gallery = compute_gallery_ranks(pairs, values, problem.valid, device)
            score = recall_at_1.compute(
                list_kinds(len(problem.valid), len(in_gallery) - len(problem.valid)), in_gallery
            )
            if score > highest:
                best, chosen, highest = [value.detach().clone() for value in values], epoch, score
    return best, chosen, highest


def _train_step(
    probe: RetrievalProbe, pairs: CaptionPairs, adam: Adam, captions: NDArray[np.int64], rate: float
) -> None:
    """Take one step on the pairs of some captions."""
    values = adam.parameters
    rows, clips = (torch.from_numpy(a).to(values[0].device) for a in (captions, pairs.owners[captions]))
    for value in values:
        value.requires_grad_()
    audio, text = embed_pairs(pairs, values, clips, rows)
    loss = compute_contrastive_loss(probe.objective, audio, text, clips, values[-1])
    gradients = torch.autograd.grad(loss, values)
    with torch.no_grad():
        adam.step(gradients, rate)
        if probe.objective == "cosine":
            values[-1].clamp_(max=LARGEST_LOG_SCALE)


def embed_pairs(
    pairs: CaptionPairs, values: Sequence[Tensor], clips: Tensor, captions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return [B, W] embeddings each, of clips and captions, under both towers' values and the log-scale."""
    at = len(pairs.audio.parameters)
    return pairs.audio(values[:at], clips), pairs.text(values[at:-1], captions)


def compute_gallery_ranks(
    pairs: CaptionPairs, values: Sequence[Tensor], clips: NDArray[np.int64], device: str
) -> NDArray[np.int64]:
    """Return [A + T] ranks of the right answers among ``clips`` [A] and their T captions, by cosine."""
    captions = pairs.captions(clips)
    at = len(pairs.audio.parameters)
    with torch.no_grad():
        audio = _embed_directions(pairs.audio, values[:at], clips, device)
        text = _embed_directions(pairs.text, values[at:-1], captions, device)
        place = {int(clip): row for row, clip in enumerate(clips)}
        owners = np.array([place[int(owner)] for owner in pairs.owners[captions]])
        return compute_ranks(owners, len(clips), lambda start, stop: (text[start:stop] @ audio.T).cpu().numpy())


def _embed_directions(tower: Tower, values: Sequence[Tensor], rows: NDArray[np.int64], device: str) -> Tensor:
    """Return [B, W] embeddings of unit length."""
    blocks = torch.split(torch.from_numpy(rows).to(device), ROWS)
    return functional.normalize(torch.cat([tower(values, block) for block in blocks]), dim=1)
