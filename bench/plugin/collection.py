"""The plan of a run: which tasks, encoders and probes, made once in ``pytest_configure`` on every process alike."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.datasets.dataset import adapt_to_suite, locate_folder, share_folders
from bench.discovery import bundled, listing
from bench.discovery.environment import get_cache_folder
from bench.plugin import scheduling
from bench.plugin.model_choice import replace_language_model, replace_text_encoder
from bench.plugin.options import is_benchmark_run
from bench.plugin.probe_choice import get_kind, select_probes
from bench.types import DOMAINS, BenchError, ChoiceError, EncoderSpec, Probe, Settings, Task, Trials
from bench.xares.protocol import apply_protocol, is_scored, list_protocols

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

VERIFICATION = "verification"
BATCH_SIZES = (1, 8, 32)
DURATIONS_IN_S = (2.0, 10.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One quality test."""

    task: Task
    spec: EncoderSpec
    probe: Probe

    @property
    def id(self) -> str:
        protocol = "" if self.task.protocol == "strict" else f"@{self.task.protocol}"
        return f"{self.task.name}{protocol}-{self.probe.name}-{self.spec.name}"

    @property
    def kind(self) -> str:
        """The probe without what follows a colon."""
        return get_kind(self.probe)

    @property
    def marks(self) -> tuple[str, ...]:
        """What ``-m`` and ``-k`` find it by, beside its id."""
        of_trials = isinstance(self.task.target, Trials)
        return (self.task.domain, self.kind, *([VERIFICATION] if of_trials else []))


@dataclass(frozen=True, slots=True)
class ThroughputCase:
    """One throughput test: batches of ``batch_size`` clips of ``seconds`` s."""

    spec: EncoderSpec
    batch_size: int
    seconds: float

    @property
    def id(self) -> str:
        return f"{self.spec.name}-{self.batch_size}x{self.seconds:g}s"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before the first clip is read."""

    settings: Settings
    tasks: tuple[Task, ...]  # each once in every protocol of the run
    specs: tuple[EncoderSpec, ...]
    run: Path
    suite: tuple[Task, ...]  # the tasks with the probes that the suite gives them, which summaries are of
    left_out: tuple[str, ...] = ()  # private tasks whose shards are not here
    not_here: tuple[str, ...] = ()  # tasks of corpora in their own layout that are not here

    @property
    def protocols(self) -> tuple[str, ...]:
        return list_protocols(self.settings.protocol)

    @property
    def cases(self) -> tuple[Case, ...]:
        return tuple(Case(task, spec, probe) for task in self.tasks for spec in self.specs for probe in task.probes)

    @property
    def loads(self) -> tuple[ThroughputCase, ...]:
        return tuple(
            ThroughputCase(spec, size, seconds)
            for spec in self.specs
            for seconds in DURATIONS_IN_S
            for size in BATCH_SIZES
        )


PLAN = pytest.StashKey[Plan]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    for marker in (*(f"{domain}: tasks of this domain" for domain in DOMAINS), "throughput: speed of the encoders"):
        config.addinivalue_line("markers", marker)
    probes = (
        "linear: scores of the linear probe",
        "knn: scores of the k-nearest-neighbour probe",
        "retrieval: scores of retrieval with --text-encoder",
        "ridge: scores of the ridge probe, with --probe ridge",
    )
    for probe in probes:
        config.addinivalue_line("markers", probe)
    if not is_benchmark_run(config):
        return
    config.addinivalue_line("filterwarnings", "default")  # an encoder's warnings are its own; our tests' are errors
    scheduling.prepare_process(config)
    try:
        plan = config.stash[PLAN] = _build_plan(config)
    except BenchError as error:
        raise pytest.UsageError(str(error)) from error
    config.addinivalue_line("markers", f"{VERIFICATION}: tasks of speaker verification")
    for domain in sorted({case.task.domain for case in plan.cases}.difference(DOMAINS)):
        config.addinivalue_line("markers", f"{domain}: tasks of this domain")
    for name in sorted({case.kind for case in plan.cases} - {"linear", "knn", "ridge"}):
        config.addinivalue_line("markers", f"{name}: scores of this probe")
    planned = ("bench.plugin.planning",) if config.getoption("plan") else ()
    for module in (
        "bench.plugin.fixtures",
        "bench.plugin.gating",
        "bench.plugin.speed",
        "bench.plugin.reporting",
        *planned,
    ):  # now, since they import torch
        config.pluginmanager.import_plugin(module)


def _build_plan(config: pytest.Config) -> Plan:
    option = config.getoption
    if option("offline"):
        os.environ["HF_HUB_OFFLINE"] = "1"
    suite = option("suite") or ("full" if option("data") else "mini")
    found = _select_tasks(option("tasks"), suite)
    absent = _find_absent(found, suite, option("data"), option("keyword")) if not option("tasks") else ()
    here = [task for task in found if task.name not in absent]
    protocols = list_protocols(option("protocol"))
    kept = tuple(apply_protocol(task, protocol) for task in here for protocol in protocols if is_scored(task, protocol))
    tasks = select_probes(kept, option("probe"))
    device = _choose_device(option("device"))
    settings = Settings(
        suite=suite,
        protocol=option("protocol"),
        device=device,
        precision=option("precision"),
        seeds=tuple(range(option("seeds"))),
        cache=(option("cache") or get_cache_folder()).expanduser().resolve(),
        data=option("data"),
        threads=scheduling.count_threads(config),
        offline=option("offline"),
        mirror=option("mirror") or "",
        compiled=_check_compile(option("compile"), device),
        decoders=scheduling.count_decoders(config, device),
        frames=option("frames"),
        pcm_cache=option("pcm_cache"),
    )
    asked = replace_language_model(replace_text_encoder(tasks, option("text_encoder")), option("language_model"))
    private, corpora = (tuple(t.name for t in found if t.name in absent and t.private == own) for own in (True, False))
    return Plan(
        settings,
        asked,
        _select_encoders(option("encoder"), option("layer")),
        _choose_run_folder(config),
        tasks,
        private,
        corpora,
    )


def _check_compile(asked: bool, device: str) -> bool:
    if asked and not device.startswith("cuda"):  # several copies run at a time there, and each would be compiled
        raise ChoiceError("--compile", got=device, expected="a CUDA device", where="--device")
    return asked


def _select_tasks(files: list[Path], suite: str) -> tuple[Task, ...]:
    known = bundled.find_bundled_tasks()
    tasks = tuple(task for file in files for task in bundled.load_tasks(file)) or known
    if suite == "mini":
        without = [task.name for task in tasks if task.mini is None]
        tasks = tuple(task for task in tasks if task.mini is not None)
        if not tasks:
            expected = "--data DIR with their shards"
            raise ChoiceError(
                "no task has an embedded version", got=", ".join(without), expected=expected, where="--tasks"
            )
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ChoiceError("task named twice", got=", ".join(names), expected="unique names", where="--tasks")
    return share_folders([adapt_to_suite(task, suite) for task in tasks], known)


def _find_absent(tasks: Sequence[Task], suite: str, data: Path | None, keyword: str) -> tuple[str, ...]:
    """Names of tasks whose data nobody can fetch and that is not here, unless -k names one: it may say what it lacks.

    That is private shards and, but for the embedded suite, which makes its own, corpora in their own layout.
    """
    own = [task for task in tasks if task.private or (suite == "full" and task.shards.corpus is not None)]
    own = [task for task in own if is_scored(task, "strict")]
    unnamed = [task for task in own if not re.search(rf"\b{task.name}\b", keyword)]
    return tuple(task.name for task in unnamed if data is None or locate_folder(task, data) is None)


def _select_encoders(wanted_encoders: list[str], layer: str | None) -> tuple[EncoderSpec, ...]:
    from bench.loading.layers import at_layer
    from bench.loading.sources import resolve

    known = bundled.find_bundled_encoders()
    specs = tuple(
        resolve(text, known, hf=bundled.find_hugging_face_factory()) for text in dict.fromkeys(wanted_encoders)
    )
    specs = specs or tuple(spec for spec in known.values() if spec.default)
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ChoiceError("encoder named twice", got=", ".join(names), expected="unique names", where="--encoder")
    return specs if layer is None else tuple(at_layer(spec, layer) for spec in specs)


def _choose_device(wanted_device: str) -> str:
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted_device == "auto":
        return "cuda" if cuda else "cpu"
    kind, _, index = wanted_device.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}
    if int(index or 0) >= there[kind]:
        choices = ", ".join(f"{name}:{i}" if name == "cuda" else name for name in there for i in range(there[name]))
        raise ChoiceError("no such device here", got=wanted_device, expected=choices, where="--device")
    return wanted_device


def _choose_run_folder(config: pytest.Config) -> Path:
    sent = getattr(config, "workerinput", {}).get("otoscope_run")
    if sent:
        return Path(sent)
    results = Path(config.invocation_params.dir / config.getoption("results"))
    name = config.getoption("run_name")
    if name:
        return results / str(name)
    base = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    taken = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(results / free for free in taken if not (results / free).exists())


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """``--list-encoders`` and ``--list-tasks`` print and end the run."""
    if not (is_benchmark_run(config) and (config.getoption("list_encoders") or config.getoption("list_tasks"))):
        return None
    if config.getoption("list_encoders"):
        sys.stdout.write(listing.format_encoder_table(bundled.find_bundled_encoders().values()) + "\n")
    if config.getoption("list_tasks"):
        files = config.getoption("tasks")
        for task in [t for file in files for t in bundled.load_tasks(file)] or bundled.find_bundled_tasks():
            kind = "mini" if task.mini else "private" if task.private else ""
            sys.stdout.write(f"{task.name:22} {task.domain:12} {kind:8} {task.metric.name:17} {task.description}\n")
    return 0


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """xdist: every worker writes into the controller's run folder."""
    if PLAN in node.config.stash:
        node.workerinput["otoscope_run"] = str(node.config.stash[PLAN].run)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    plan = metafunc.config.stash.get(PLAN, None)
    if plan is None:
        return
    if "case" in metafunc.fixturenames:
        metafunc.parametrize(
            "case",
            [
                pytest.param(
                    case,
                    id=case.id,
                    marks=[getattr(pytest.mark, mark) for mark in case.marks],
                )
                for case in plan.cases
            ],
        )
    if "load" in metafunc.fixturenames:
        metafunc.parametrize("load", [pytest.param(load, id=load.id) for load in plan.loads])
