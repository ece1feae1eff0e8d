"""How long probes take: ours against X-ARES's loops over stored frames, and what grows with the task.

``python -m perf probing`` makes its own data (Gaussian class mixtures, tones in noise), measures everything in
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
from bench.store.files import Store
from bench.types import FitSplit, Probe, Settings, Shard, Task
from perf import probe_workloads, xares_loops
from perf.fresh_process import Measurement, run_alone
from perf.probe_workloads import SMALL, Size

PUBLISHED_THREADS = 2
REPEATS = 5  # of what takes a second or less; the median is told
CASES = ("esc50", "tars", "cold", "voxceleb1", "transcripts")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: Measurement
    reached: float | None = None  # accuracy
    times: float | None = None  # how many times as long as ours, from the same frames


def main(argv: Sequence[str]) -> int:
    """Print the table; ``argv`` are command-line arguments without the program's name."""
    parser = argparse.ArgumentParser(prog="python -m perf probing", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--small", action="store_true", help="everything tiny: does it work, not how fast is it")
    parser.add_argument("--scratch", type=Path, help="where frames and shards are made, 3 GB, and removed")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; choices: {', '.join(CASES)}")
    size = SMALL if options.small else Size()
    sys.stdout.write(f"{'':58}{'seconds':>9}{'accuracy':>10}{'MiB more':>10}{'times':>8}\n")
    for row in measure_rows(options.cases or CASES, size, options.scratch):
        reached = "" if row.reached is None else f"{row.reached:.4f}"
        times = "" if row.times is None else f"{row.times:.1f}"
        more = f"{row.measured.peak_mib - row.measured.before_mib:.0f}"
        sys.stdout.write(f"{row.what:58}{row.measured.seconds:9.2f}{reached:>10}{more:>10}{times:>8}\n")
        sys.stdout.flush()
    return 0


def measure_rows(cases: Sequence[str], size: Size, scratch: Path | None = None) -> Iterator[Row]:
    """The lines of the table, measured one after another."""
    run = {
        "esc50": _measure_esc50,
        "tars": _measure_tars,
        "cold": _measure_cold,
        "voxceleb1": _measure_voxceleb1,
        "transcripts": _measure_transcripts,
    }
    for case in cases:
        folder = Path(tempfile.mkdtemp(prefix="otoscope-", dir=scratch))
        try:
            yield from run[case](size, folder)
        finally:
            shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------- stored frames to scores


def _measure_esc50(size: Size, folder: Path) -> Iterator[Row]:
    """The same clips and protocol: each fold is trained on the others and chooses its epoch, as X-ARES does."""
    files, _, embeddings = probe_workloads.make_frames(size, folder)
    yield from _compare_loops(files, "a file for each clip", embeddings, size)
    one = run_alone(probe_stored, embeddings, RidgeProbe(), size, repeats=REPEATS)
    yield Row("ESC-50-size ridge, ours from stored embeddings", one, one.result)


def _measure_tars(size: Size, folder: Path) -> Iterator[Row]:
    """The same, where the published loop reads the tar files that it is published with."""
    _, tars, embeddings = probe_workloads.make_frames(size, folder)
    yield from _compare_loops(tars, "tar files, as published", embeddings, size)


def _compare_loops(stored: xares_loops.Stored, what: str, embeddings: Path, size: Size) -> Iterator[Row]:
    for name, ours, theirs, repeats in (
        ("linear", LinearProbe(), xares_loops.train_linear, 1),  # two minutes each
        ("kNN", KNN().as_published(), xares_loops.run_knn, 3),
    ):
        one = run_alone(probe_stored, embeddings, ours, size, repeats=REPEATS)
        other = run_alone(theirs, stored, threads=PUBLISHED_THREADS, repeats=repeats)
        yield Row(f"ESC-50-size {name}, ours from stored embeddings", one, one.result)
        yield Row(f"ESC-50-size {name}, loop over {what}", other, other.result, other.seconds / one.seconds)


def probe_stored(path: Path, probe: Probe, size: Size) -> float:
    """Accuracy, mean over folds, from the file that the store keeps."""
    store = Store(path.parents[2])
    stored = store.get_or_make(path.stem, lambda: sys.exit(f"not stored: {path}"))[0]
    labels = np.array([sidecar["label"] for sidecar in stored.sidecars])
    folds = np.array([sidecar["fold"] for sidecar in stored.sidecars])
    problems = []
    for fold in range(size.folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        problems.append(FitSplit(train, test, test))
    return compute_accuracy(probe, stored.vectors, labels, problems, size.classes)


def compute_accuracy(
    probe: Probe, vectors: Any, labels: NDArray[np.int64], problems: Sequence[FitSplit], n_classes: int
) -> float:
    """The mean over problems of the accuracy of a probe with one seed."""
    found = probe.run(vectors, labels, problems, n_classes=n_classes, seeds=(0,))
    pairs = zip(problems, found, strict=True)
    return float(np.mean([accuracy.compute(labels[own.test], result.predictions[0]) for own, result in pairs]))


# --------------------------------------------------------------------------------------------------- shard to score


def _measure_cold(size: Size, folder: Path) -> Iterator[Row]:
    """FLAC at 16 kHz through log-mel, nothing stored before: certification, checksums and intervals included."""
    task = probe_workloads.make_shards(size, folder / "shards")
    one = run_alone(score_task, task, folder)
    other = run_alone(score_as_published, task, folder, threads=PUBLISHED_THREADS)
    for probe, ours, theirs in zip(("linear", "kNN"), one.result, other.result, strict=True):
        yield Row(f"shards to scores, log-mel, ours; accuracy of {probe}", one, ours)
        yield Row(f"shards to scores, as published; accuracy of {probe}", other, theirs, other.seconds / one.seconds)


def score_task(task: Task, folder: Path) -> list[float]:
    """From shards to the scores of a task's probes, as a run computes them."""
    import os

    from bench.datasets.dataset import prepare_dataset
    from bench.evaluation.clips import embed_clips, evaluate_clips
    from bench.extraction.loaded import load_encoder
    from encoders.logmel import logmel

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    settings = Settings("full", "strict", "cpu", "fp32", (0,), folder / "cache", folder / "shards", cores)
    loaded = load_encoder(logmel, device="cpu", precision="fp32", cache=settings.cache)
    data = prepare_dataset(task, "full", cache=settings.cache, data=settings.data)
    labelled = embed_clips(task, data, loaded, settings, lambda clips, computed: None)
    return [evaluate_clips(labelled, loaded, probe, settings).score.value for probe in task.probes]


def score_as_published(task: Task, folder: Path) -> list[float]:
    """From the same shards to the same scores by way of stored frames."""
    from bench.audio import decode
    from bench.datasets import shards
    from encoders.logmel import load

    encoder, folds = load("cpu"), tuple(range(len(task.shards.patterns)))
    tars = xares_loops.Tars(folder / "frames", task.target.n_classes, folds)
    for fold, pattern in enumerate(task.shards.patterns.values()):
        found = [Shard(path, "", 0) for path in shards.find_shards(folder / "shards", pattern)]
        samples = (one for shard in found for one in shards.read_samples(shard))
        clips = ((one.key, decode.decode_mono(one.audio, where=one.where)[0], one.sidecar["label"]) for one in samples)
        xares_loops.encode(encoder, clips, fold, tars)
    return [xares_loops.train_linear(tars), xares_loops.run_knn(tars)]


# ------------------------------------------------------------------------------------------------------- large tasks


def _measure_voxceleb1(size: Size, folder: Path) -> Iterator[Row]:
    """One large fit. What a probe adds to the memory of its input must not grow with the number of clips."""
    path = folder / "vectors.npy"
    labels = probe_workloads.make_vectors(size, path)
    probes: tuple[tuple[str, Probe], ...] = (
        (f"linear, {size.many_epochs} epoch{'s' * (size.many_epochs > 1)}", LinearProbe(epochs=size.many_epochs)),
        ("kNN", KNN()),
        ("ridge, 13 penalties", RidgeProbe()),
    )
    for name, probe in probes:
        measured = run_alone(probe_many, path, labels, probe, size)
        yield Row(f"VoxCeleb1-size {name}, {size.many_clips} x {size.dim}", measured, measured.result)


def probe_many(path: Path, labels: NDArray[np.int64], probe: Probe, size: Size) -> float:
    """Accuracy on the last sixteenth of the clips."""
    vectors = np.load(path)
    parts = np.split(np.arange(len(vectors)), [len(vectors) * 14 // 16, len(vectors) * 15 // 16])
    return compute_accuracy(probe, vectors, labels, [FitSplit(*parts)], size.many_classes)


# ------------------------------------------------------------------------------------------------------- transcripts


@dataclass(frozen=True, slots=True)
class Transcripts:
    """Transcripts of the made utterances."""

    texts: NDArray[Any]

    @property
    def score(self) -> Any:
        return compute_word_accuracy


def compute_word_accuracy(texts: NDArray[Any], answers: NDArray[Any]) -> float:
    """The share of words that stand at their place."""
    pairs = [(text.split(), answer.split()) for text, answer in zip(texts, answers, strict=True)]
    right = sum(word == heard for text, answer in pairs for word, heard in zip(text, answer, strict=False))
    return float(right / sum(len(text) for text, _ in pairs))


def _measure_transcripts(size: Size, folder: Path) -> Iterator[Row]:
    """The head of transcripts with the synthetic suite's decoder, on frames that lie in a file."""
    measured = run_alone(probe_transcripts, folder / "frames.npy", size)
    yield Row(f"transcripts, {size.utterances} utterances, small decoder", measured, measured.result)


def probe_transcripts(path: Path, size: Size) -> float:
    """Word accuracy: each word is a pattern that lasts some frames."""
    clips, texts = probe_workloads.make_utterances(size, path)
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
    (result,) = probe.run(clips, Transcripts(texts), [FitSplit(*parts)], n_classes=0, seeds=(0,))
    return compute_word_accuracy(texts[parts[2]], result.predictions[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
