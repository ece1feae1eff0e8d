"""Millions of trials: from embeddings to every number of a verification row, and a trial list read from text.

The size is that of TidyVoice's development list: 59,443 utterances of 808 speakers in 4 languages, 12 million trials.
Embeddings are drawn, not encoded. Times are wall times of one process; memory is its peak.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.leaderboard.files import predictions
from bench.probes import Cosine, SNorm
from bench.scoring.trials import TrialPredictions, compute_trial_metrics
from bench.types import FitSplit, Pairs, Trials
from bench.verification.trial_lists import TrialList, format_trial_list, read_trial_list

V = TypeVar("V")
UTTERANCES = 59_443
SPEAKERS = 808
TRAINING = 8_000
LANGUAGES = ("de", "en", "fi", "zh")


def time_call(what: str, call: Callable[[], V]) -> V:
    """What ``call`` gives; its wall time and the peak memory so far are printed."""
    start = time.perf_counter()
    made = call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "linux" else 1 << 30)
    print(f"{what:40} {time.perf_counter() - start:7.2f} s   peak {peak:5.2f} GB", flush=True)
    return made


def draw_pairs(n: int, speakers: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``n`` distinct pairs of utterances, every second of one speaker where there are so many."""
    total = len(speakers)
    by_speaker = np.argsort(speakers, kind="stable")
    first = generator.integers(0, total, int(1.6 * n))
    near = np.clip(first + generator.integers(1, max(2, total // SPEAKERS), len(first)), 0, total - 1)
    far = generator.integers(0, total, len(first))
    second = np.where(np.arange(len(first)) % 2 == 0, near, far)
    low, high = np.minimum(first, second), np.maximum(first, second)
    codes = np.unique((low.astype(np.int64) * total + high)[low < high])
    codes = generator.permutation(codes)[:n]
    return tuple(by_speaker[side].astype(np.int32) for side in (codes // total, codes % total))  # type: ignore[return-value]


def main(arguments: list[str]) -> int:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m perf trials", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=12_000_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--list", action="store_true", help="write the trials as a text file, too, and read it")
    chosen = parser.parse_args(arguments)
    generator = np.random.default_rng(0)
    speakers = np.concatenate(
        [np.sort(generator.integers(0, SPEAKERS, UTTERANCES)), SPEAKERS + np.arange(TRAINING) // 10]
    )
    centres = generator.standard_normal((SPEAKERS + TRAINING // 10, chosen.dimensions), dtype=np.float32)
    vectors = centres[speakers] + 1.6 * generator.standard_normal((len(speakers), chosen.dimensions), dtype=np.float32)
    enrol, test = draw_pairs(chosen.trials, speakers[:UTTERANCES], generator)
    labels = (speakers[enrol] == speakers[test]).astype(np.uint8)
    problem = FitSplit(np.arange(UTTERANCES, len(speakers)), None, np.arange(UTTERANCES))
    pairs = Pairs(enrol, test, speakers.astype(np.int64))
    names = tuple(f"utterance-{index:06d}" for index in range(UTTERANCES))
    shares = f"{labels.mean():.0%} targets"
    print(f"{len(enrol):,} trials ({shares}) of {UTTERANCES:,} utterances, {chosen.dimensions} values")
    start = time.perf_counter()
    cosine, s_norm = Cosine(centred=True), SNorm(300)
    (result,) = time_call("scores: cosine", lambda: cosine.run(vectors, pairs, [problem], n_classes=2, seeds=(0,)))
    answers = TrialPredictions(
        enrol,
        test,
        labels,
        result.predictions,
        names,
        speakers[:UTTERANCES].astype(np.int32),
        generator.uniform(2, 8, UTTERANCES),
        {"language": tuple(generator.choice(LANGUAGES, UTTERANCES).tolist())},
        Trials(file="trials.txt", agree=("language",)),
        {},
    )
    found = time_call("EER, interval, costs, Cllr, 4 buckets", lambda: compute_trial_metrics(answers))
    print(f"{'scored and measured':40} {time.perf_counter() - start:7.2f} s")
    print(f"EER {found.eer:.4f} [{found.ci95[0]:.4f}, {found.ci95[1]:.4f}], {found.secondary}")
    time_call(
        "scores: adaptive S-norm, top 300", lambda: s_norm.run(vectors, pairs, [problem], n_classes=2, seeds=(0,))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.safetensors"
        time_call("predictions written", lambda: predictions.write_predictions(path, answers))
        time_call("predictions read", lambda: predictions.read_predictions(path))
        print(f"{'predictions':40} {path.stat().st_size / 1e6:7.0f} MB")
        if chosen.list:
            text = Path(folder) / "trials.txt"
            with text.open("w") as file:
                file.writelines(format_trial_list(TrialList(enrol, test, labels), names, "label first"))
            time_call("trial list read and checked", lambda: read_trial_list(text, names, "label first"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
