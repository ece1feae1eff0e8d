"""``python -m perf NAME [options]``: one module of this package for each name."""

from __future__ import annotations

import importlib
import os
import sys

NAMES = {  # command: the module that measures it, and what is measured
    "gating": ("perf.gate_errors", "false alarms and power of the gate, from stored predictions"),
    "extraction": ("perf.extraction_speed", "shards to stored embeddings, against the bare forward loop"),
    "hiding": ("perf.device_utilization", "how busy extraction keeps a device, with a stand-in for a GPU"),
    "growth": ("perf.cost_by_clips", "time, memory and bytes from 1,000 to 100,000 clips"),
    "probing": ("perf.probe_speed", "stored embeddings to scores, against loops over stored frames"),
    "warm": ("perf.suite_time", "the whole synthetic suite when every embedding is stored"),
    "scaling": ("perf.worker_scaling", "the synthetic suite over 1 and 2 worker processes"),
    "trials": ("perf.trial_scoring", "12 million trials of speaker verification, scored and measured"),
}
# as ``bench.plugin.scheduling.prepare_process`` has it for a benchmark run; before torch is imported
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16"}


def main(arguments: list[str]) -> int:
    """Run the measurement that the first argument names; without one, list them."""
    if not arguments or arguments[0] not in NAMES:
        print("python -m perf NAME [--help]", *(f"  {name:12} {what}" for name, (_, what) in NAMES.items()), sep="\n")
        return 0 if arguments in (["-h"], ["--help"]) else 2
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    module = importlib.import_module(NAMES[arguments[0]][0])
    return int(module.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
