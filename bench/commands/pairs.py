"""``python -m bench.pairs``: lists of hard pairs, training sets for models that answer pair questions, and asking them.

``list`` draws a trial list from a table of recordings (``key,path,speaker`` and any attributes), ``write`` makes a
training set of such pairs as WebDataset shards with prompts, and ``ask`` puts the pair question to an encoder whose
head is trained on the training split of a task with trials, in each of the four layouts or in one.
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
from bench.extraction.engine.local import Engine, Frozen, engine
from bench.extraction.load_encoder import freeze
from bench.language import fine_tuning
from bench.language.pair_head import Embed, train_pair_scorer
from bench.language.pair_layouts import LAYOUTS, Audio
from bench.language.pair_metrics import compute_measures
from bench.language.pair_questions import ask_pair_questions
from bench.loading.sources import resolve
from bench.store.files import written
from bench.types import BenchError, ChoiceError, DataError, Splits, Task, Trials
from bench.verification import trial_lists
from bench.verification.hard_pairs import KINDS, HardPairSampler, draw_random_pairs
from bench.verification.pair_lists import PairList, Recording

LESSON = 2000  # pairs of each kind that a head is trained on, at most


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 2 something that cannot be used."""
    chosen = _parser().parse_args(arguments)
    try:
        {"list": _list, "write": _write, "ask": _ask}[chosen.command](chosen)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pairs", description=str(__doc__).split("\n\n")[1])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "write"):
        one = commands.add_parser(name)
        one.add_argument("table", type=Path, metavar="RECORDINGS.csv")
        one.add_argument("--fix", default="", metavar="A,B", help="what non-targets agree in")
        one.add_argument("--flip", default="", metavar="A,B", help="what targets differ in, one of them at least")
        one.add_argument("--kind", choices=KINDS, default="hard")
        one.add_argument("--targets", type=int, required=True)
        one.add_argument("--nontargets", type=int, required=True)
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("-o", dest="out", type=Path, required=True)
    one.add_argument("--layout", choices=list(LAYOUTS), default="separate")
    one.add_argument("--rate", type=int, default=16_000, help="Hz")
    one.add_argument("--most", type=float, metavar="S", help="seconds that the model hears at most")
    one.add_argument("--per-shard", type=int, default=1000)
    asks = commands.add_parser("ask")
    asks.add_argument("--encoder", required=True, help="as for pytest bench")
    asks.add_argument("--task", default="tidyvoice", help="one with trials and a training split")
    asks.add_argument("--trials", help="another list beside the task's own")
    asks.add_argument("--data", type=Path, metavar="DIR", help="folder of the corpora (default: the synthetic suite)")
    asks.add_argument("--layout", choices=list(LAYOUTS), help="default: all four")
    asks.add_argument("--most", type=float, metavar="S", help="seconds that the encoder hears at most")
    asks.add_argument("--cache", type=Path, metavar="DIR")
    return parser


def _list(chosen: argparse.Namespace) -> None:
    pairs = _drawn(chosen, [recording for recording, _ in _table(chosen.table)])
    labels = pairs.target.astype(np.uint8)
    listed = trial_lists.TrialList(pairs.enrol, pairs.test, labels)
    with written(chosen.out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(trial_lists.format_trial_list(listed, pairs.keys, "label first"))
    print(json.dumps({"counts": dict(pairs.counts), "unknown": pairs.unknown}, indent=1))


def _write(chosen: argparse.Namespace) -> None:
    table = _table(chosen.table)
    paths = {recording.key: chosen.table.parent / path for recording, path in table}

    def audio(key: str) -> Audio:
        try:
            data = paths[key].read_bytes()
        except OSError as error:
            raise DataError("cannot read", got=error.strerror, expected="an audio file", where=paths[key]) from error
        return decode.decode_resampled(data, chosen.rate, where=str(paths[key]))[0]

    pairs = _drawn(chosen, [recording for recording, _ in table])
    made = fine_tuning.write_training_set(
        chosen.out,
        pairs,
        audio,
        sampling_rate=chosen.rate,
        layout=chosen.layout,
        most_in_s=chosen.most,
        per_shard=chosen.per_shard,
        seed=chosen.seed,
    )
    print(f"{len(pairs)} pairs in {len(made)} shards: {chosen.out}")


def _drawn(chosen: argparse.Namespace, recordings: list[Recording]) -> PairList:
    fix, flip = (tuple(filter(None, names.split(","))) for names in (chosen.fix, chosen.flip))
    sampler = HardPairSampler(fix, flip)
    numbers = {"targets": chosen.targets, "nontargets": chosen.nontargets, "seed": chosen.seed}
    return sampler(recordings, kind=chosen.kind, **numbers)


def _table(path: Path) -> list[tuple[Recording, str]]:
    """The recordings of a table and their paths. Raises DataError for a row without key, path or speaker."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise DataError("cannot read", got=error.strerror, expected="a table", where=path) from error
    found = []
    for number, row in enumerate(rows, 2):
        if not all(row.get(name) for name in ("key", "path", "speaker")):
            where = f"{path}, line {number}"
            raise DataError("no recording", got=row, expected="values of key, path and speaker", where=where)
        known = {name: value for name, value in row.items() if value and name not in ("key", "path", "speaker")}
        found.append((Recording(row["key"], row["speaker"], known), row["path"]))
    return found


def _ask(chosen: argparse.Namespace) -> None:
    task = {one.name: one for one in bundled.find_bundled_tasks()}.get(chosen.task)
    if (
        task is None
        or not isinstance(task.target, Trials)
        or not isinstance(task.split, Splits)
        or task.split.train is None
    ):
        raise ChoiceError(
            "no trials to ask about", got=chosen.task, expected="trials, a training split", where="--task"
        )
    root = (chosen.cache or get_cache_folder()).expanduser().resolve()
    data = prepare_dataset(task, "full" if chosen.data else "mini", cache=root, data=chosen.data)
    spec = resolve(chosen.encoder, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())
    frozen = freeze(spec, device="cpu", precision="fp32", cache=root)
    known, asked_about = (_heard(data, name, task.target, frozen) for name in (task.split.train, task.split.test))
    lesson, trials = _lesson(known), _trials(data, task, asked_about, chosen.trials)
    lessons, clips = ({key: audio for key, (audio, _) in own.items()} for own in (known, asked_about))
    how: dict[str, Any] = {"sampling_rate": frozen.encoder.sampling_rate, "most_in_s": chosen.most}
    for layout in [chosen.layout] if chosen.layout else LAYOUTS:
        with engine(frozen, 1) as running:
            scorer = train_pair_scorer(spec.name, _embedder(running), lesson, lessons.__getitem__, layout=layout, **how)
            asked = ask_pair_questions(scorer, trials, clips.__getitem__, layout=layout)
        told = {name: None if value is None else round(value, 4) for name, value in compute_measures(asked).items()}
        about = {"layout": layout, "pairs": len(trials), "cut": asked.cut, "prompt": asked.prompt_sha256[:12]}
        print(json.dumps(about | told))


def _heard(data: Dataset, split: str, target: Trials, frozen: Frozen) -> Mapping[str, tuple[Audio, str]]:
    """Id of every utterance of a split to its audio, at the encoder's rate, and its speaker."""
    found = {}
    for shard in data.splits[split]:
        for sample in shards.read_samples(shard):
            told = target(sample.sidecar, sample.where)
            audio, _ = decode.decode_resampled(sample.audio, frozen.encoder.sampling_rate, where=sample.where)
            found[told.id or sample.key] = audio, told.speaker or ""
    return found


def _lesson(heard: Mapping[str, tuple[Audio, str]]) -> PairList:
    """Random pairs of the training speakers: as many targets as there are, at most ``LESSON``, and as many others."""
    people = [Recording(key, speaker) for key, (_, speaker) in heard.items()]
    each = np.unique([one.speaker for one in people], return_counts=True)[1]
    targets = min(LESSON, int((each * (each - 1) // 2).sum()))
    return draw_random_pairs(people, targets=targets, nontargets=targets, seed=0)


def _trials(data: Dataset, task: Task, heard: Mapping[str, object], other: str | None) -> PairList:
    if data.trials is None or not isinstance(task.target, Trials):
        raise DataError("no trials", got=task.name, expected="a trial list", where="bench.commands.pairs")
    ids = tuple(heard)
    path = data.trials.parent / other if other else data.trials
    listed = trial_lists.read_trial_list(path, ids, task.target.form, repeats=True)
    if listed.labels is None:
        raise DataError("trials without labels", got=path.name, expected="labels", where="bench.commands.pairs")
    target = listed.labels == 1
    return PairList(ids, listed.enrol, listed.test, target, ("nontarget", "target"), target.astype(np.int8), {})


def _embedder(running: Engine) -> Embed:
    """Clips one at a time, so that none is padded; what was heard before is not encoded again."""
    known: dict[bytes, NDArray[np.float64]] = {}

    def embed(clips: Sequence[Audio]) -> NDArray[np.float32]:
        keys = [hashlib.sha256(clip.tobytes()).digest() for clip in clips]
        for key, clip in zip(keys, clips, strict=True):
            if key not in known:
                sums, counts = running.forward([clip], where="pair question")
                known[key] = sums[0] / counts[0]
        return np.array([known[key] for key in keys], dtype=np.float32)

    return embed
