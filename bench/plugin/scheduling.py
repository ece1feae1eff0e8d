"""Work over processes: how many workers, which GPU and how many threads each has, and what must not run in parallel."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from bench.plugin.options import is_benchmark_run
from bench.runs.threads import count_cores
from bench.types import ChoiceError

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let idle workers steal tests with -n, and only then: any --dist disables pytest-benchmark, even without -n."""
    if is_benchmark_run(config) and config.getoption("plan"):
        config.option.numprocesses = None  # a plan is made by one process
    if config.option.numprocesses and config.option.dist == "no" and is_benchmark_run(config):
        config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return one worker per visible GPU for ``-n auto``; without a GPU, leave it to xdist's own count of cores."""
    if not is_benchmark_run(config) or str(config.getoption("device")).partition(":")[0] not in ("auto", "cuda"):
        return None
    return len(_list_gpus()) or None


def _list_gpus() -> list[str]:
    """Return ids of the GPUs that this run may use, without touching one: CUDA_VISIBLE_DEVICES is respected."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Give every worker a GPU of its own, told before it imports torch, and outlive a worker's death."""
    if not is_benchmark_run(node.config):
        return
    if node.config.getoption("device") in ("auto", "cuda") and (gpus := _list_gpus()):
        worker = int(str(node.workerinput["workerid"]).removeprefix("gw"))
        node.workerinput["otoscope_gpu"] = gpus[worker % len(gpus)]
    send = node.sendcommand

    def send_patiently(name: str, **options: object) -> None:
        # A worker that died a moment ago cannot be told anything. The news of its death is on its way and hands its
        # tests on; without this the whole run would end in an internal error of xdist.
        with contextlib.suppress(OSError):
            send(name, **options)

    node.sendcommand = send_patiently


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker of xdist."""
    return hasattr(config, "workerinput")


def is_distributed(config: pytest.Config) -> bool:
    """Return whether tests run in worker processes, be it one."""
    return is_worker(config) or bool(config.option.numprocesses)


def count_workers(config: pytest.Config) -> int:
    """Return how many processes share this machine: 1 when serial."""
    if is_worker(config):
        return int(config.workerinput["workercount"])  # type: ignore[attr-defined]
    return int(config.option.numprocesses or 1)


def count_threads(config: pytest.Config) -> int:
    """Return how many threads this process has: the cores that it may use, shared between the workers."""
    return max(1, count_cores() // count_workers(config))


def count_decoders(config: pytest.Config, device: str) -> int:
    """Return how many other processes decode for this one.

    Raises ChoiceError where the system has no nameless files for them.
    """
    chosen = config.getoption("decoders")
    possible = hasattr(os, "memfd_create")
    if chosen and not possible:
        raise ChoiceError("--decoders", got=chosen, expected="0, or Linux", where=sys.platform)
    if chosen is not None:
        return int(chosen)
    return max(1, count_threads(config) - 1) if possible and device.startswith("cuda") else 0


def prepare_process(config: pytest.Config) -> None:
    """Pin a worker to its GPU, give each operation one thread, end on SIGTERM: before torch is first used."""
    if is_worker(config):
        gpu = config.workerinput.get("otoscope_gpu")  # type: ignore[attr-defined]
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    else:
        signal.signal(signal.SIGTERM, _raise_interrupt)
    if is_distributed(config):
        config.option.benchmark_disable = True  # as pytest-benchmark does by itself, without its warning
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # oneDNN keeps code and buffers for the last 1024 shapes, and every batch has another length: gigabytes
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # scipy has its own, loaded when it is first used
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1, "blas")  # numpy's


def _raise_interrupt(signum: int, frame: FrameType | None) -> None:
    """Do as Ctrl-C does: what was scored is reported, what was encoded is kept."""
    raise KeyboardInterrupt


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what measures speed in workers, where pytest-benchmark measures nothing and says nothing."""
    if not (is_worker(config) and is_benchmark_run(config)):
        return
    measured = [item for item in items if item.get_closest_marker("throughput")]
    if measured:
        config.hook.pytest_deselected(items=measured)
        items[:] = [item for item in items if item not in measured]
