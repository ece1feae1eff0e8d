"""``python -m bench.pairs``: lists of hard pairs, training sets for models that answer pair questions, and asking them.

``list`` draws a trial list from a table of recordings (``key,path,speaker`` and any attributes), ``write`` makes a
training set of such pairs as WebDataset shards with prompts, and ``ask`` asks the pair questions of an encoder whose
head is trained on the training split of a task with trials, in one or all of the four layouts.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.audio import decode
from bench.datasets import shards
from bench.datasets.dataset import Dataset, prepare_dataset
from bench.discovery import bundled
from bench.discovery.environment import get_cache_folder
from bench.extraction.engine.local import Engine, LoadedEncoder, start_engine
from bench.extraction.loaded import load_encoder
from bench.language import fine_tuning
from bench.language.pair_head import Embed, train_pair_scorer
from bench.language.pair_layouts import LAYOUTS, Audio
from bench.language.pair_metrics import compute_measures
from bench.language.pair_questions import ask_pair_questions
from bench.loading.sources import resolve_encoder
from bench.store.files import write_atomically
from bench.types import BenchError, ChoiceError, DataError, Splits, Task, Trials
from bench.verification import trial_lists
from bench.verification.hard_pairs import KINDS, HardPairSampler, draw_random_pairs
from bench.verification.pair_lists import PairList, Recording

MOST_TRAINING_PAIRS = 2000  # of each kind


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 2 unusable input."""
    options = _build_parser().parse_args(arguments)
    try:
        {"list": _write_list, "write": _write_training_set, "ask": _ask}[options.command](options)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pairs", description=str(__doc__).split("\n\n")[1])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "write"):
        one = commands.add_parser(name)
        one.add_argument("table", type=Path, metavar="RECORDINGS.csv")
        one.add_argument("--fix", default="", metavar="A,B", help="attributes that non-targets agree in")
        one.add_argument("--flip", default="", metavar="A,B", help="attributes of which targets differ in at least one")
        one.add_argument("--kind", choices=KINDS, default="hard")
        one.add_argument("--targets", type=int, required=True)
        one.add_argument("--nontargets", type=int, required=True)
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("-o", dest="out", type=Path, required=True)
    one.add_argument("--layout", choices=list(LAYOUTS), default="separate")
    one.add_argument("--rate", type=int, default=16_000, help="Hz")
    one.add_argument("--most", type=float, metavar="S", help="longest audio of the model, in seconds")
    one.add_argument("--per-shard", type=int, default=1000)
    asks = commands.add_parser("ask")
    asks.add_argument("--encoder", required=True, help="as for pytest bench")
    asks.add_argument("--task", default="tidyvoice", help="one with trials and a training split")
    asks.add_argument("--trials", help="another list beside the task's own")
    asks.add_argument("--data", type=Path, metavar="DIR", help="folder of the corpora (default: the synthetic suite)")
    asks.add_argument("--layout", choices=list(LAYOUTS), help="default: all four")
    asks.add_argument("--most", type=float, metavar="S", help="longest audio of the encoder, in seconds")
    asks.add_argument("--cache", type=Path, metavar="DIR")
    return parser


def _write_list(options: argparse.Namespace) -> None:
    pairs = _draw_pairs(options, [recording for recording, _ in _read_table(options.table)])
    labels = pairs.target.astype(np.uint8)
    listed = trial_lists.TrialList(pairs.enrol, pairs.test, labels)
    with write_atomically(options.out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(trial_lists.format_trial_list(listed, pairs.keys, "label first"))
    print(json.dumps({"counts": dict(pairs.counts), "unknown": pairs.unknown}, indent=1))


def _write_training_set(options: argparse.Namespace) -> None:
    table = _read_table(options.table)
    paths = {recording.key: options.table.parent / path for recording, path in table}

    def audio(key: str) -> Audio:
        try:
            data = paths[key].read_bytes()
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=paths[key]) from error
        return decode.decode_resampled(data, options.rate, where=str(paths[key])).audio

    pairs = _draw_pairs(options, [recording for recording, _ in table])
    made = fine_tuning.write_training_set(
        options.out,
        pairs,
        audio,
        sampling_rate=options.rate,
        layout=options.layout,
        most_in_s=options.most,
        per_shard=options.per_shard,
        seed=options.seed,
    )
    print(f"{len(pairs)} pairs in {len(made)} shards: {options.out}")


def _draw_pairs(options: argparse.Namespace, recordings: list[Recording]) -> PairList:
    fix, flip = (tuple(filter(None, names.split(","))) for names in (options.fix, options.flip))
    sampler = HardPairSampler(fix, flip)
    numbers = {"targets": options.targets, "nontargets": options.nontargets, "seed": options.seed}
    return sampler(recordings, kind=options.kind, **numbers)


def _read_table(path: Path) -> list[tuple[Recording, str]]:
    """Read recordings and their paths. Raises DataError for a line without key, path or speaker."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            lines_by_name = list(csv.DictReader(lines))
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="a table", where=path) from error
    recordings = []
    for number, fields in enumerate(lines_by_name, 2):
        if not all(fields.get(name) for name in ("key", "path", "speaker")):
            where = f"{path}, line {number}"
            raise DataError("no recording", got=fields, expected="values of key, path and speaker", where=where)
        metadata = {name: value for name, value in fields.items() if value and name not in ("key", "path", "speaker")}
        recordings.append((Recording(fields["key"], fields["speaker"], metadata), fields["path"]))
    return recordings


def _ask(options: argparse.Namespace) -> None:
    task = {task.name: task for task in bundled.find_bundled_tasks()}.get(options.task)
    if (
        task is None
        or not isinstance(task.target, Trials)
        or not isinstance(task.split, Splits)
        or task.split.train is None
    ):
        raise ChoiceError(
            "no trials to ask about", got=options.task, expected="trials, a training split", where="--task"
        )
    root = (options.cache or get_cache_folder()).expanduser().resolve()
    data = prepare_dataset(task, "full" if options.data else "mini", cache=root, data=options.data)
    spec = resolve_encoder(options.encoder, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())
    loaded = load_encoder(spec, device="cpu", precision="fp32", cache=root)
    training, test = (_read_utterances(data, name, task.target, loaded) for name in (task.split.train, task.split.test))
    training_pairs, trials = _draw_training_pairs(training), _read_trials(data, task, test, options.trials)
    training_audio, test_audio = (
        {key: audio for key, (audio, _) in utterances.items()} for utterances in (training, test)
    )
    limits: dict[str, Any] = {"sampling_rate": loaded.encoder.sampling_rate, "most_in_s": options.most}
    for layout in [options.layout] if options.layout else LAYOUTS:
        with start_engine(loaded, 1) as running:
            scorer = train_pair_scorer(
                spec.name,
                _cache_embeddings(running),
                training_pairs,
                training_audio.__getitem__,
                layout=layout,
                **limits,
            )
            answers = ask_pair_questions(scorer, trials, test_audio.__getitem__, layout=layout)
        metrics = {
            name: None if value is None else round(value, 4) for name, value in compute_measures(answers).items()
        }
        about = {"layout": layout, "pairs": len(trials), "cut": answers.cut, "prompt": answers.prompt_sha256[:12]}
        print(json.dumps(about | metrics))


def _read_utterances(
    data: Dataset, split: str, target: Trials, loaded: LoadedEncoder
) -> Mapping[str, tuple[Audio, str]]:
    """Read every utterance of a split: id to audio, at the encoder's rate, and speaker."""
    utterances = {}
    for shard in data.splits[split]:
        for sample in shards.read_samples(shard):
            label = target(sample.sidecar, sample.where)
            audio = decode.decode_resampled(sample.audio, loaded.encoder.sampling_rate, where=sample.where).audio
            utterances[label.id or sample.key] = audio, label.speaker or ""
    return utterances


def _draw_training_pairs(utterances: Mapping[str, tuple[Audio, str]]) -> PairList:
    """Draw as many targets and non-targets of the training speakers as there are, at most ``MOST_TRAINING_PAIRS``."""
    people = [Recording(key, speaker) for key, (_, speaker) in utterances.items()]
    each = np.unique([one.speaker for one in people], return_counts=True)[1]
    targets = min(MOST_TRAINING_PAIRS, int((each * (each - 1) // 2).sum()))
    return draw_random_pairs(people, targets=targets, nontargets=targets, seed=0)


def _read_trials(data: Dataset, task: Task, utterances: Mapping[str, object], other: str | None) -> PairList:
    if data.trials is None or not isinstance(task.target, Trials):
        raise DataError("no trials", got=task.name, expected="a trial list", where="bench.commands.pairs")
    ids = tuple(utterances)
    path = data.trials.parent / other if other else data.trials
    listed = trial_lists.read_trial_list(path, ids, task.target.form, repeats=True)
    if listed.labels is None:
        raise DataError("trials without labels", got=path.name, expected="labels", where="bench.commands.pairs")
    target = listed.labels == 1
    return PairList(ids, listed.enrol, listed.test, target, ("nontarget", "target"), target.astype(np.int8), {})


def _cache_embeddings(running: Engine) -> Embed:
    """Return a function that encodes clips one at a time, so that none is padded, and each only once."""
    known: dict[bytes, NDArray[np.float64]] = {}

    def embed(clips: Sequence[Audio]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(clip.tobytes()).digest() for clip in clips]
        for key, clip in zip(keys, clips, strict=True):
            if key not in known:
                sums, counts = running.forward([clip], where="pair question")
                known[key] = sums[0] / counts[0]
        return np.array([known[key] for key in keys], dtype=np.float32)

    return embed
