"""How long probes take: ours against X-ARES's loops over stored frames, and what grows with the task.

``python -m benchmarks probing`` makes its own data (Gaussian class mixtures, tones in noise), measures everything in
one run on one machine and prints a table. Ours runs on one torch thread, as in a benchmark run; the published loops
get two, as X-ARES gives them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe, RidgeProbe, SmallLM, SpeechToText
from bench.types import ClassLabel, Embeddings, Folds, Probe, Problem, Settings, Shard, ShardSet, Task
from benchmarks import published
from benchmarks.alone import Measured, alone

PUBLISHED_THREADS = 2
CASES = ("esc50", "tars", "cold", "voxceleb1", "transcripts")


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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: Measured
    reached: float | None = None  # accuracy
    times: float | None = None  # how many times as long as ours, from the same frames


def main(argv: Sequence[str]) -> int:
    """Print the table; ``argv`` are command-line arguments without the program's name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks probing", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--small", action="store_true", help="everything tiny: does it work, not how fast is it")
    parser.add_argument("--scratch", type=Path, help="where frames and shards are made, 3 GB, and removed")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; choices: {', '.join(CASES)}")
    size = SMALL if options.small else Size()
    sys.stdout.write(f"{'':58}{'seconds':>9}{'accuracy':>10}{'MiB more':>10}{'times':>8}\n")
    for row in rows(options.cases or CASES, size, options.scratch):
        reached = "" if row.reached is None else f"{row.reached:.4f}"
        times = "" if row.times is None else f"{row.times:.1f}"
        more = f"{row.measured.peak_mib - row.measured.before_mib:.0f}"
        sys.stdout.write(f"{row.what:58}{row.measured.seconds:9.2f}{reached:>10}{more:>10}{times:>8}\n")
        sys.stdout.flush()
    return 0


def rows(cases: Sequence[str], size: Size, scratch: Path | None = None) -> Iterator[Row]:
    """The lines of the table, measured one after another."""
    run = {"esc50": _esc50, "tars": _tars, "cold": _cold, "voxceleb1": _voxceleb1, "transcripts": _transcripts}
    for case in cases:
        folder = Path(tempfile.mkdtemp(prefix="otoscope-", dir=scratch))
        try:
            yield from run[case](size, folder)
        finally:
            shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------- stored frames to scores


def _esc50(size: Size, folder: Path) -> Iterator[Row]:
    """The same clips and protocol: each fold is trained on the others and chooses its epoch, as X-ARES does."""
    files, _, embeddings = make_frames(size, folder)
    yield from _against(files, "a file for each clip", embeddings, size)
    one = alone(probe_stored, embeddings, RidgeProbe(), size)
    yield Row("ESC-50-size ridge, ours from stored embeddings", one, one.result)


def _tars(size: Size, folder: Path) -> Iterator[Row]:
    """The same, where the published loop reads the tar files that it is published with."""
    _, tars, embeddings = make_frames(size, folder)
    yield from _against(tars, "tar files, as published", embeddings, size)


def _against(stored: published.Stored, what: str, embeddings: Path, size: Size) -> Iterator[Row]:
    for name, ours, theirs in (
        ("linear", LinearProbe(), published.linear),
        ("kNN", KNN().published(), published.knn),
    ):
        one = alone(probe_stored, embeddings, ours, size)
        other = alone(theirs, stored, threads=PUBLISHED_THREADS)
        yield Row(f"ESC-50-size {name}, ours from stored embeddings", one, one.result)
        yield Row(f"ESC-50-size {name}, loop over {what}", other, other.result, other.seconds / one.seconds)


def make_frames(size: Size, folder: Path) -> tuple[published.Files, published.Tars, Path]:
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
    tars = published.Tars(folder / "tars", size.classes, folds)
    for own in folds:
        clips = np.flatnonzero(fold == own).tolist()
        tars.write(own, ((f"{clip:05d}", np.load(paths[clip]), int(labels[clip])) for clip in clips))
    store, key = _stored(folder, vectors, labels, fold)
    return published.Files(tuple(paths), labels, fold, size.classes, folds), tars, store.path(key)


def _stored(
    folder: Path, vectors: NDArray[np.float32], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> tuple[Any, str]:
    from bench.store import Store, address

    store, key = Store(folder), address(clips=len(vectors))
    sidecars = tuple({"label": int(c), "fold": int(f)} for c, f in zip(labels, folds, strict=True))
    keys = tuple(f"{clip:05d}" for clip in range(len(vectors)))
    store.embeddings(key, lambda: Embeddings(vectors, keys, np.full(len(vectors), 5.0), sidecars))
    return store, key


def probe_stored(path: Path, probe: Probe, size: Size) -> float:
    """Accuracy, mean over folds, from the file that the store keeps."""
    from bench.store import Store

    store = Store(path.parents[2])
    stored = store.embeddings(path.stem, lambda: sys.exit(f"not stored: {path}"))
    labels = np.array([sidecar["label"] for sidecar in stored.sidecars])
    folds = np.array([sidecar["fold"] for sidecar in stored.sidecars])
    problems = []
    for fold in range(size.folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        problems.append(Problem(train, test, test))
    return accuracy_of(probe, stored.vectors, labels, problems, size.classes)


def accuracy_of(
    probe: Probe, vectors: Any, labels: NDArray[np.int64], problems: Sequence[Problem], n_classes: int
) -> float:
    """The mean over problems of the accuracy of a probe with one seed."""
    found = probe.run(vectors, labels, problems, n_classes=n_classes, seeds=(0,))
    pairs = zip(problems, found, strict=True)
    return float(np.mean([accuracy.compute(labels[own.test], result.predictions[0]) for own, result in pairs]))


# --------------------------------------------------------------------------------------------------- shard to score


def _cold(size: Size, folder: Path) -> Iterator[Row]:
    """FLAC at 16 kHz through log-mel, nothing stored before: certification, checksums and intervals included."""
    task = make_shards(size, folder / "shards")
    one = alone(score, task, folder)
    other = alone(score_as_published, task, folder, threads=PUBLISHED_THREADS)
    for probe, ours, theirs in zip(("linear", "kNN"), one.result, other.result, strict=True):
        yield Row(f"shards to scores, log-mel, ours; accuracy of {probe}", one, ours)
        yield Row(f"shards to scores, as published; accuracy of {probe}", other, theirs, other.seconds / one.seconds)


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


def score(task: Task, folder: Path) -> list[float]:
    """From shards to the scores of a task's probes, as a run computes them."""
    import os

    from bench.data import dataset
    from bench.evaluate import embed, evaluate
    from bench.freeze import freeze
    from encoders.logmel import logmel

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    settings = Settings("full", "strict", "cpu", "fp32", (0,), folder / "cache", folder / "shards", cores)
    frozen = freeze(logmel, device="cpu", precision="fp32", cache=settings.cache)
    data = dataset(task, "full", cache=settings.cache, data=settings.data)
    labelled = embed(task, data, frozen, settings, lambda clips, computed: None)
    return [evaluate(labelled, frozen, probe, settings).score.value for probe in task.probes]


def score_as_published(task: Task, folder: Path) -> list[float]:
    """From the same shards to the same scores by way of stored frames."""
    from bench.audio import decode, shards
    from encoders.logmel import load

    encoder, folds = load("cpu"), tuple(range(len(task.shards.patterns)))
    tars = published.Tars(folder / "frames", task.target.n_classes, folds)
    for fold, pattern in enumerate(task.shards.patterns.values()):
        found = [Shard(path, "", 0) for path in shards.find(folder / "shards", pattern)]
        samples = (one for shard in found for one in shards.samples(shard))
        clips = ((one.key, decode.decode(one.audio, where=one.where)[0], one.sidecar["label"]) for one in samples)
        published.encode(encoder, clips, fold, tars)
    return [published.linear(tars), published.knn(tars)]


# ------------------------------------------------------------------------------------------------------- large tasks


def _voxceleb1(size: Size, folder: Path) -> Iterator[Row]:
    """One large fit. What a probe adds to the memory of its input must not grow with the number of clips."""
    path = folder / "vectors.npy"
    rng = np.random.default_rng(0)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (size.many_clips, size.dim))
    labels = rng.integers(0, size.many_classes, size.many_clips)
    centres = rng.standard_normal((size.many_classes, size.dim), dtype=np.float32)
    for start in range(0, size.many_clips, 4096):
        own = labels[start : start + 4096]
        vectors[start : start + 4096] = centres[own] + 5 * rng.standard_normal((len(own), size.dim), dtype=np.float32)
    vectors.flush()
    del vectors
    probes: tuple[tuple[str, Probe], ...] = (
        (f"linear, {size.many_epochs} epoch{'s' * (size.many_epochs > 1)}", LinearProbe(epochs=size.many_epochs)),
        ("kNN", KNN()),
        ("ridge, 13 penalties", RidgeProbe()),
    )
    for name, probe in probes:
        measured = alone(probe_many, path, labels, probe, size)
        yield Row(f"VoxCeleb1-size {name}, {size.many_clips} x {size.dim}", measured, measured.result)


def probe_many(path: Path, labels: NDArray[np.int64], probe: Probe, size: Size) -> float:
    """Accuracy on the last sixteenth of the clips."""
    vectors = np.load(path)
    parts = np.split(np.arange(len(vectors)), [len(vectors) * 14 // 16, len(vectors) * 15 // 16])
    return accuracy_of(probe, vectors, labels, [Problem(*parts)], size.many_classes)


# ------------------------------------------------------------------------------------------------------- transcripts

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class Spoken:
    """Transcripts of the made utterances."""

    texts: NDArray[Any]

    @property
    def score(self) -> Any:
        return word_accuracy


def word_accuracy(texts: NDArray[Any], answers: NDArray[Any]) -> float:
    """The share of words that stand at their place."""
    pairs = [(text.split(), answer.split()) for text, answer in zip(texts, answers, strict=True)]
    right = sum(word == said for text, answer in pairs for word, said in zip(text, answer, strict=False))
    return right / sum(len(text) for text, _ in pairs)


def _transcripts(size: Size, folder: Path) -> Iterator[Row]:
    """The head of transcripts with the embedded suite's decoder, on frames that lie in a file."""
    measured = alone(probe_transcripts, folder / "frames.npy", size)
    yield Row(f"transcripts, {size.utterances} utterances, small decoder", measured, measured.result)


def probe_transcripts(path: Path, size: Size) -> float:
    """Word accuracy: each word is a pattern that lasts some frames."""
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
    parts = np.split(np.arange(size.utterances), [size.utterances * 3 // 4, size.utterances * 7 // 8])
    probe = SpeechToText(
        epochs=10,
        learning_rate=2e-3,
        batch_size=16,
        language_model=SmallLM(layers=2, width=64),
        stack=4,
        max_new_tokens=10,
        repetition_penalty=1.0,
    )
    clips = [frames[start:stop] for start, stop in spans]
    (result,) = probe.run(clips, Spoken(texts), [Problem(*parts)], n_classes=0, seeds=(0,))
    return word_accuracy(texts[parts[2]], result.predictions[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
