"""Collection: the plan of a run, made once in ``pytest_configure`` on every process alike, becomes tests."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.discovery import bundled, listing
from bench.discovery.environment import get_cache_folder
from bench.loading.task_files import load_tasks
from bench.plugin import scheduling
from bench.plugin.options import is_benchmark_run
from bench.runs.plan import VERIFICATION, Plan
from bench.runs.selection import build_plan, choose_device, choose_suite, select_encoders
from bench.types import DOMAINS, BenchError, ChoiceError, Settings

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

PLAN = pytest.StashKey[Plan]()
RUN_FOLDER = pytest.StashKey[Path]()


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
    config.stash[RUN_FOLDER] = _choose_run_folder(config)
    config.addinivalue_line("markers", f"{VERIFICATION}: tasks of speaker verification")
    for domain in sorted({task.domain for task in plan.tasks} - {*DOMAINS}):
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
    device = choose_device(option("device"))
    settings = Settings(
        suite=choose_suite(option("suite"), option("data")),
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
    return build_plan(
        settings,
        select_encoders(option("encoder"), option("layer")),
        [task for file in option("tasks") for task in load_tasks(file)],
        keyword=option("keyword"),
        probes=option("probe"),
        text_encoder=option("text_encoder"),
        language_model=option("language_model"),
    )


def _check_compile(compiled: bool, device: str) -> bool:
    """Return whether encoders are compiled. Raises ChoiceError on a CPU, where several copies of each run at a time."""
    if compiled and not device.startswith("cuda"):
        raise ChoiceError("--compile", got=device, expected="a CUDA device", where="--device")
    return compiled


def _choose_run_folder(config: pytest.Config) -> Path:
    sent = getattr(config, "workerinput", {}).get("otoscope_run")
    if sent:
        return Path(sent)
    results = Path(config.invocation_params.dir / config.getoption("results"))
    name = config.getoption("run_name")
    if name:
        return results / str(name)
    base = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    candidates = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(results / candidate for candidate in candidates if not (results / candidate).exists())


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print what ``--list-encoders`` and ``--list-tasks`` ask for and end the run."""
    if not (is_benchmark_run(config) and (config.getoption("list_encoders") or config.getoption("list_tasks"))):
        return None
    if config.getoption("list_encoders"):
        sys.stdout.write(listing.format_encoder_table(bundled.find_bundled_encoders().values()) + "\n")
    if config.getoption("list_tasks"):
        files = config.getoption("tasks")
        for task in [t for file in files for t in load_tasks(file)] or bundled.find_bundled_tasks():
            kind = "mini" if task.mini else "private" if task.private else ""
            sys.stdout.write(f"{task.name:22} {task.domain:12} {kind:8} {task.metric.name:17} {task.description}\n")
    return 0


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell every worker of xdist the controller's run folder."""
    if RUN_FOLDER in node.config.stash:
        node.workerinput["otoscope_run"] = str(node.config.stash[RUN_FOLDER])


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
    if "throughput_case" in metafunc.fixturenames:
        metafunc.parametrize("throughput_case", [pytest.param(case, id=case.id) for case in plan.throughput_cases])
