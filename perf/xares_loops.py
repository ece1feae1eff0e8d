"""X-ARES 0.1.3's way from shards to scores, as plain loops: what ours is measured against.

Frames of every clip are stored in tar files. Each fold, and in it each epoch, reads them again, pads them to the
longest of the batch, takes the mean and trains a LayerNorm and a Linear by Adam with a cosine to a tenth of the
learning rate; the fold that is tested chooses the epoch. kNN pools all clips of each fold once more, scales each
dimension over the training clips and lets 10 neighbours vote with softmax(similarity / 0.07).

What could only slow it down is left out: checkpoints, logging, and the key collisions of crops. ``Files`` leaves out
the tar files, too: what no such loop can do without.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

BATCH = 32
EPOCHS = 10
RATE = 1e-3
ENCODED_TOGETHER = 16
Sample = tuple["NDArray[np.float32]", int]
"""Frames [T, D] and the class of a clip."""


class Stored(Protocol):
    """Stored frames of the clips of some folds."""

    @property
    def n_classes(self) -> int: ...

    @property
    def folds(self) -> tuple[int, ...]: ...

    def read(self, folds: Sequence[int], rng: np.random.Generator | None) -> Iterator[Sample]:
        """Read all clips of ``folds`` now; in a new order with ``rng``."""


@dataclass(frozen=True, slots=True)
class Files:
    """A .npy file [T, D] float32 for each clip: less work than what is published."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]  # [N]
    fold: NDArray[np.int64]  # [N]
    n_classes: int
    folds: tuple[int, ...]

    def read(self, folds: Sequence[int], rng: np.random.Generator | None) -> Iterator[Sample]:
        rows = np.flatnonzero(np.isin(self.fold, folds))
        for row in rows if rng is None else rng.permutation(rows):
            yield np.load(self.paths[row]), int(self.labels[row])


@dataclass(frozen=True, slots=True)
class Tars:
    """Tar files of .npy and .json through webdataset, shuffled by way of two buffers: as published."""

    folder: Path
    n_classes: int
    folds: tuple[int, ...]

    def write(self, fold: int, clips: Iterable[tuple[str, NDArray[np.float32], int]]) -> None:
        """The frames of the clips (key, frames, label) of one fold."""
        import webdataset

        self.folder.mkdir(parents=True, exist_ok=True)
        pattern = str(self.folder / f"fold{fold}-%06d.tar")
        with webdataset.ShardWriter(pattern, maxcount=2000, verbose=0) as writer:
            for key, frames, label in clips:
                writer.write({"__key__": key, "npy": frames, "json": {"label": label}})

    def read(self, folds: Sequence[int], rng: np.random.Generator | None) -> Iterator[Sample]:
        import webdataset
        import webdataset.tariterators

        samples = webdataset.tariterators.group_by_keys(webdataset.tariterators.tar_file_expander(self._streams(folds)))
        if rng is not None:
            samples = webdataset.shuffle(512)(webdataset.shuffle(2000, initial=500)(samples))
        for sample in samples:
            yield np.load(io.BytesIO(sample["npy"])), json.loads(sample["json"])["label"]

    def _streams(self, folds: Sequence[int]) -> Iterator[dict[str, Any]]:
        for path in sorted(path for fold in folds for path in self.folder.glob(f"fold{fold}-*.tar")):
            with path.open("rb") as stream:
                yield {"url": str(path), "stream": stream}


def encode(encoder: Any, clips: Iterable[tuple[str, NDArray[np.float32], int]], fold: int, to: Tars) -> None:
    """Store the frames of clips (key, mono audio at the encoder's rate, label), 16 encoded at a time."""
    to.write(fold, _encode_batches(encoder, clips))


def _encode_batches(
    encoder: Any, clips: Iterable[tuple[str, NDArray[np.float32], int]]
) -> Iterator[tuple[str, NDArray[np.float32], int]]:
    whole = iter(clips)
    while batch := list(islice(whole, ENCODED_TOGETHER)):
        padded = np.zeros((len(batch), max(len(audio) for _, audio, _ in batch)), dtype=np.float32)
        for row, (_, audio, _) in enumerate(batch):
            padded[row, : len(audio)] = audio
        with torch.inference_mode():
            frames = encoder(torch.from_numpy(padded)).cpu().numpy()
        for own, (key, _, label) in zip(frames, batch, strict=True):
            yield key, own, label


def train_linear(stored: Stored) -> float:
    """Accuracy, mean over folds, of the head that is trained anew for each."""
    accuracies = []
    for fold in stored.folds:
        others = [other for other in stored.folds if other != fold]
        torch.manual_seed(42)
        rng = np.random.default_rng(42)
        dim = next(stored.read([fold], None))[0].shape[1]
        head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, stored.n_classes))
        optimizer = torch.optim.Adam(head.parameters(), lr=RATE)
        best, kept = -1.0, head.state_dict()
        for epoch in range(1, EPOCHS + 1):
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * RATE + 0.9 * RATE * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)) / 2
            for pooled, labels in _read_batches(stored.read(others, rng)):
                optimizer.zero_grad()
                nn.functional.cross_entropy(head(pooled), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            reached = _compute_accuracy(head, stored.read([fold], None))
            if reached > best:
                best, kept = reached, {name: tensor.clone() for name, tensor in head.state_dict().items()}
        head.load_state_dict(kept)
        accuracies.append(_compute_accuracy(head, stored.read([fold], None)))
    return float(np.mean(accuracies))


def run_knn(stored: Stored) -> float:
    """Accuracy, mean over folds, of 10 neighbours."""
    accuracies = []
    for fold in stored.folds:
        known, labels = _pool_frames(stored.read([other for other in stored.folds if other != fold], None))
        asked, truth = _pool_frames(stored.read([fold], None))
        similarity = nn.functional.normalize(asked, dim=1) @ nn.functional.normalize(known.T, dim=1)
        values, nearest = similarity.topk(10, dim=1)
        weights = (values / 0.07).softmax(dim=1)
        votes = torch.zeros(len(asked), stored.n_classes).scatter_add_(1, labels[nearest], weights)
        accuracies.append(float((votes.argmax(dim=1) == truth).double().mean()))
    return float(np.mean(accuracies))


def _read_batches(samples: Iterator[Sample]) -> Iterator[tuple[Tensor, Tensor]]:
    """Mean frames [B, D] and labels [B] of 32 clips at a time."""
    while batch := list(islice(samples, BATCH)):
        yield (
            _average_frames([torch.from_numpy(frames.T) for frames, _ in batch]),
            torch.tensor([label for _, label in batch]),
        )


def _average_frames(frames: Sequence[Tensor]) -> Tensor:
    """[B, D] means of frames [D, T] over their own T, by way of the padded batch and its mask."""
    lengths = torch.tensor([own.shape[1] for own in frames])
    longest = int(lengths.max())
    padded = torch.stack([nn.functional.pad(own, (0, longest - own.shape[1])) for own in frames])
    mask = (torch.arange(longest)[None] < lengths[:, None])[:, None]
    mean: Tensor = (padded * mask).sum(dim=2) / mask.sum(dim=2)
    return mean


def _compute_accuracy(head: nn.Module, samples: Iterator[Sample]) -> float:
    with torch.inference_mode():
        right = torch.cat([head(pooled).argmax(dim=1) == labels for pooled, labels in _read_batches(samples)])
    return float(right.double().mean())


def _pool_frames(samples: Iterator[Sample]) -> tuple[Tensor, Tensor]:
    parts = list(_read_batches(samples))
    return torch.cat([pooled for pooled, _ in parts]), torch.cat([labels for _, labels in parts])
