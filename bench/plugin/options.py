"""Command-line options, each checked before anything runs: a wrong value exits 4 and lists the choices."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.datasets import hugging_face
from bench.leaderboard.ranking.gate import GATES
from bench.types import FRAMES, PRECISIONS, PROTOCOLS, SUITES, ChoiceError
from bench.xares.protocol import BOTH

BENCH = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("otoscope", "Otoscope, the benchmark of frozen audio encoders (pytest bench)")
    group.addoption(
        "--encoder",
        action="append",
        default=[],
        metavar="ENCODER",
        help="a bundled name, hf:ID[@REVISION], a local transformers folder, FILE.py[:Name] or package.module:Name; "
        "repeatable; default: the bundled encoders that need no weights",
    )
    group.addoption(
        "--tasks",
        action="append",
        default=[],
        type=_parse_file,
        metavar="FILE.py",
        help="your own tasks instead of the bundled",
    )
    group.addoption(
        "--data", type=_parse_folder, metavar="DIR", help="folder of shards, one folder per task; implies --suite full"
    )
    group.addoption("--suite", type=_make_choice("suite", SUITES), help=f"{' or '.join(SUITES)} (default: mini)")
    group.addoption(
        "--protocol",
        type=_make_choice("protocol", (*PROTOCOLS, BOTH)),
        default="strict",
        help="strict (default), xares (what X-ARES 0.1.3 computes) or both, with the difference of each score",
    )
    group.addoption(
        "--published",
        action="store_true",
        help="show what others reported for these tasks, never ranked; always so under --suite full --protocol xares",
    )
    group.addoption(
        "--device", type=_parse_device, default="auto", metavar="DEVICE", help="auto (default), cpu, cuda, cuda:N, mps"
    )
    group.addoption(
        "--precision", type=_make_choice("precision", PRECISIONS), default="fp32", help=", ".join(PRECISIONS)
    )
    group.addoption("--compile", action="store_true", help="run encoders through torch.compile, on a GPU only")
    group.addoption(
        "--frames",
        type=_make_choice("format", tuple(FRAMES)),
        default="fp16",
        help="number format in which frames of event and transcript tasks are stored: fp16 (default; a shard that it "
        "does not hold is kept in fp32) or fp32",
    )
    group.addoption(
        "--pcm-cache",
        action="store_true",
        help="keep decoded and resampled audio in the cache, for the next encoder of the same sampling rate: 115 or "
        "230 MB an hour at 16 kHz; scores do not depend on it; not in protocol xares",
    )
    group.addoption(
        "--decoders",
        type=_make_minimum(0),
        metavar="N",
        help="so many other processes of each worker decode audio; 0: its threads do (default: on a GPU one for each "
        "core but one, shared between the workers; else 0); scores do not depend on it; not in protocol xares",
    )
    group.addoption(
        "--layer",
        type=_parse_layer,
        metavar="N|all",
        help="hidden layer of the encoders, 0 being what goes into the first block; all: every layer in one pass, the "
        "best one chosen on validation data (default: the encoder's output)",
    )
    group.addoption(
        "--text-encoder",
        type=_parse_text_encoder,
        metavar="NAME|FOLDER",
        help="a frozen text encoder of transformers instead of the text side that retrieval probes train from scratch; "
        "such scores are rows of their own, retrieval:NAME",
    )
    group.addoption(
        "--language-model",
        metavar="NAME|FOLDER",
        help="the causal language model that writes transcripts, a hub id or a transformers folder "
        "(default: the published one; the synthetic suite trains a small one)",
    )
    group.addoption(
        "--probe",
        action="append",
        default=[],
        metavar="NAME",
        help="compute these probes only: linear, knn, ..., or ridge, which no task has of its own; repeatable "
        "(default: each task's own)",
    )
    group.addoption("--seeds", type=_make_minimum(1), default=3, metavar="N", help="probe seeds (default: 3)")
    group.addoption(
        "--cache", type=Path, metavar="DIR", help="embeddings and synthetic shards (default: the user's cache)"
    )
    group.addoption("--results", type=Path, default=Path("results"), metavar="DIR", help="where runs are kept")
    group.addoption("--run-name", metavar="NAME", help="folder of this run below --results (default: the time)")
    group.addoption(
        "--mirror",
        type=_parse_mirror,
        metavar="REPO",
        help="fetch from Hugging Face: OWNER/REPO[@REVISION], a dataset repository with a folder for each task, or hf: "
        "where the tasks say",
    )
    group.addoption("--offline", action="store_true", help="forbid every download")
    group.addoption(
        "--plan", action="store_true", help="say what would be fetched, made and encoded, and how long that takes; exit"
    )
    gate = parser.getgroup("otoscope gate", "Otoscope: fail where an encoder is worse than a baseline (docs/gating.md)")
    gate.addoption(
        "--baseline",
        type=_parse_path,
        metavar="FILE",
        help="leaderboard.json, or the folder, of a run with its predictions: what this run must not fall behind",
    )
    gate.addoption(
        "--max-drop",
        type=_parse_share,
        default=0.01,
        metavar="X",
        help="how much of a normalized score may be lost (default: 0.01)",
    )
    gate.addoption("--gate", type=_make_choice("gate", GATES), default="both", help="tasks, summary or both (default)")
    gate.addoption(
        "--alpha",
        type=_parse_share,
        default=0.05,
        metavar="X",
        help="how likely a run without a forbidden drop may fail, over all of its tests (default: 0.05)",
    )
    gate.addoption(
        "--baseline-encoder",
        metavar="ENCODER",
        help="what every encoder is compared with: a name in --baseline where that has several or other names, or as "
        "for --encoder; throughput tests time it in turns with each encoder",
    )
    gate.addoption(
        "--max-slowdown",
        type=_parse_share,
        default=0.1,
        metavar="X",
        help="how much slower than --baseline-encoder an encoder may be (default: 0.1)",
    )
    group.addoption("--list-encoders", action="store_true", help="list the bundled encoders and exit")
    group.addoption("--list-tasks", action="store_true", help="list the tasks and exit")


def is_benchmark_run(config: pytest.Config) -> bool:
    """Return whether this pytest run is a benchmark run, that is, whether its arguments reach into ``bench/``."""
    for argument in config.args:
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        if path == BENCH or BENCH in path.parents or path in BENCH.parents:
            return True
    return False


def _make_choice(what: str, choices: Sequence[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices:
            raise argparse.ArgumentTypeError(f"unknown {what} {value!r}; choices: {', '.join(choices)}")
        return value

    return check


def _parse_device(value: str) -> str:
    kind, _, index = value.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise argparse.ArgumentTypeError(f"unknown device {value!r}; choices: auto, cpu, cuda, cuda:N, mps")
    return value


def _parse_mirror(value: str) -> str:
    expected = "expected hf or OWNER/REPO[@REVISION]"
    try:
        if value != "hf" and hugging_face.parse_mirror(value).folders != ("",):
            raise argparse.ArgumentTypeError(f"{value!r} names a folder; {expected}, with a folder for each task")
    except ChoiceError as error:
        raise argparse.ArgumentTypeError(f"{value!r} is no mirror; {expected}") from error
    return value


def _parse_layer(value: str) -> str:
    if value != "all" and not value.isdigit():
        raise argparse.ArgumentTypeError(f"{value!r} is no layer; expected a number from 0, or all")
    return value


def _parse_text_encoder(value: str) -> str:
    path = Path(value)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise argparse.ArgumentTypeError(f"no config.json in {value!r}; expected a folder of a transformers model")
        return str(path.resolve())
    if not value or path.is_absolute() or value.startswith((".", "~")):
        raise argparse.ArgumentTypeError(f"no such folder: {value!r}; expected a transformers folder or a hub name")
    return value


def _make_minimum(least: int) -> Callable[[str], int]:
    def check(value: str) -> int:
        if not value.isdigit() or int(value) < least:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number of at least {least}")
        return int(value)

    return check


def _parse_share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number from 0 to below 1")
    return share


def _parse_path(value: str) -> Path:
    if not Path(value).exists():
        raise argparse.ArgumentTypeError(
            f"no such file or folder: {value!r}; expected a leaderboard.json or its folder"
        )
    return Path(value).resolve()


def _parse_file(value: str) -> Path:
    if not Path(value).is_file():
        raise argparse.ArgumentTypeError(f"no such file: {value!r}; expected a Python file that defines a Task")
    return Path(value).resolve()


def _parse_folder(value: str) -> Path:
    if not Path(value).is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {value!r}; expected a folder of shards")
    return Path(value).resolve()
