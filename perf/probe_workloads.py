"""What probes are measured on: made tasks of published sizes, of class mixtures, tones in noise, patterns for words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.store.files import Store, compute_address
from bench.types import ClassLabel, Embeddings, Folds, ShardSet, Task
from perf import xares_loops

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the made tasks are; the defaults are the published ones."""

    clips: int = 2000
    seconds: float = 5.0
    frames: int = 250  # of a clip, one every 20 ms
    dim: int = 768
    spread: float = 2.0  # of the clips of a class, whose centres are 0.35 from 0 in each dimension
    classes: int = 50
    folds: int = 5
    many_clips: int = 138_361
    many_classes: int = 1251
    many_epochs: int = 1
    utterances: int = 400


SMALL = Size(
    clips=150,
    seconds=0.5,
    frames=9,
    dim=24,
    classes=5,
    folds=3,
    many_clips=900,
    many_classes=7,
    many_epochs=2,
    utterances=24,
)


def make_frames(size: Size, folder: Path) -> tuple[xares_loops.Files, xares_loops.Tars, Path]:
    """Frames of each clip in both forms, and the embeddings of the same clips as our store keeps them."""
    rng = np.random.default_rng(0)
    labels = np.arange(size.clips) % size.classes
    fold = (np.arange(size.clips) // size.classes) % size.folds
    centres = rng.standard_normal((size.classes, size.dim), dtype=np.float32)
    vectors, paths = np.empty((size.clips, size.dim), dtype=np.float32), []
    for clip in range(size.clips):
        middle = 0.35 * centres[labels[clip]] + size.spread * rng.standard_normal(size.dim, dtype=np.float32)
        frames = middle + rng.standard_normal((size.frames, size.dim), dtype=np.float32)
        paths.append(folder / f"{clip:05d}.npy")
        np.save(paths[-1], frames)
        vectors[clip] = frames.mean(axis=0)
    folds = tuple(range(size.folds))
    tars = xares_loops.Tars(folder / "tars", size.classes, folds)
    for own in folds:
        clips = np.flatnonzero(fold == own).tolist()
        tars.write(own, ((f"{clip:05d}", np.load(paths[clip]), int(labels[clip])) for clip in clips))
    store, key = store_vectors(folder, vectors, labels, fold)
    return xares_loops.Files(tuple(paths), labels, fold, size.classes, folds), tars, store.locate(key)


def store_vectors(
    folder: Path, vectors: NDArray[np.float32], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> tuple[Any, str]:
    store, key = Store(folder), compute_address(clips=len(vectors))
    sidecars = tuple({"label": int(c), "fold": int(f)} for c, f in zip(labels, folds, strict=True))
    keys = tuple(f"{clip:05d}" for clip in range(len(vectors)))
    store.get_or_make(key, lambda: Embeddings(vectors, keys, np.full(len(vectors), 5.0), sidecars))
    return store, key


def make_shards(size: Size, folder: Path) -> Task:
    """A folded task of tones in noise, with its shards in ``folder``."""
    from tasks.mini.write import Sample, write_shards

    folder.mkdir(parents=True)
    rate = 16_000
    time = np.arange(round(size.seconds * rate)) / rate
    names = tuple(f"fold{fold}" for fold in range(size.folds))
    for fold, name in enumerate(names):
        samples = []
        for clip in range(fold * size.clips // size.folds, (fold + 1) * size.clips // size.folds):
            rng = np.random.default_rng(clip)
            label = clip % size.classes
            pitch = 200 * 2 ** (5 * label / size.classes) * rng.uniform(0.96, 1.04)
            wave = rng.uniform(0.02, 0.2) * np.sin(2 * np.pi * pitch * time) + 0.1 * rng.standard_normal(len(time))
            audio = np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)
            samples.append(Sample(f"{clip:06d}", audio, rate, {"label": label}, "flac"))
        write_shards(folder, name, samples, per_shard=500)
    return Task(
        name="tones",
        domain="environment",
        shards=ShardSet({name: f"{name}_*.tar" for name in names}),
        split=Folds(names),
        target=ClassLabel("label", tuple(range(size.classes))),
        metric=accuracy,
        probes=(LinearProbe(), KNN()),
    )


def make_vectors(size: Size, path: Path) -> NDArray[np.int64]:
    """Labels [N] of the vectors [N, D] of one large task, which are written to ``path``."""
    rng = np.random.default_rng(0)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (size.many_clips, size.dim))
    labels = rng.integers(0, size.many_classes, size.many_clips)
    centres = rng.standard_normal((size.many_classes, size.dim), dtype=np.float32)
    for start in range(0, size.many_clips, 4096):
        own = labels[start : start + 4096]
        vectors[start : start + 4096] = centres[own] + 5 * rng.standard_normal((len(own), size.dim), dtype=np.float32)
    vectors.flush()
    return labels


def make_utterances(size: Size, path: Path) -> tuple[list[NDArray[np.float32]], NDArray[Any]]:
    """Frames [T, D] of each utterance, mapped from ``path``, and transcripts: each word is a pattern of 16 frames."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((len(WORDS), size.dim), dtype=np.float32)
    texts, spans, total = np.empty(size.utterances, dtype=object), [], 0
    said = [rng.integers(0, len(WORDS), rng.integers(3, 7)) for _ in range(size.utterances)]
    frames = np.lib.format.open_memmap(path, "w+", np.float32, (16 * sum(map(len, said)), size.dim))
    for index, words in enumerate(said):
        texts[index] = " ".join(WORDS[word] for word in words)
        own = np.repeat(patterns[words], 16, axis=0)
        frames[total : total + len(own)] = own + rng.standard_normal(own.shape, dtype=np.float32)
        spans.append((total, total + len(own)))
        total += len(own)
    return [frames[start:stop] for start, stop in spans], texts
