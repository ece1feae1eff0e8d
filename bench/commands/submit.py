"""``python -m bench.submit``: score trial lists without labels and write the submission to a challenge.

The submission is a zip with one text file per task, named as its trial list: one score per line, in the list's order,
higher for the same speaker. Such tasks have no row on a leaderboard, as their labels are not public.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.datasets.dataset import prepare_dataset
from bench.discovery import bundled
from bench.discovery.environment import get_cache_folder
from bench.evaluation.trials import embed_trials, score_trials
from bench.extraction.loaded import load_encoder
from bench.loading.sources import resolve_encoder
from bench.loading.task_files import load_tasks
from bench.store.files import write_atomically
from bench.types import BenchError, ChoiceError, Settings, Task, Trials
from bench.verification.trial_lists import build_submission


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 written, 2 unusable input."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.submit", description=__doc__.splitlines()[0].split("``: ")[1]
    )
    parser.add_argument("names", nargs="+", metavar="TASK", help="tasks whose trials have no labels")
    parser.add_argument("--encoder", required=True, help="as for pytest bench")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the corpora")
    parser.add_argument("--backend", default="cosine", help="one of the tasks' back-ends (default: cosine)")
    parser.add_argument("--tasks", type=Path, action="append", default=[], metavar="FILE.py", help="your own tasks")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="embeddings (default: the user's cache)")
    parser.add_argument("-o", dest="out", type=Path, required=True, metavar="OUT.zip", help="file to write")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    known = [task for file in options.tasks for task in load_tasks(file)] or bundled.find_bundled_tasks()
    tasks = {task.name: task for task in known if isinstance(task.target, Trials) and task.target.form == "unlabelled"}
    for name in options.names:
        if name not in tasks:
            raise ChoiceError("no such task", got=name, expected=", ".join(tasks) or "none here", where="bench.submit")
    spec = resolve_encoder(options.encoder, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())
    root = (options.cache or get_cache_folder()).expanduser().resolve()
    settings = Settings("full", "strict", options.device, "fp32", (0,), root, options.data, threads=1)
    scores = {}
    for name in options.names:
        task = _choose_backend(tasks[name], options.backend)
        loaded = load_encoder(spec, device=options.device, precision="fp32", cache=root)
        data = prepare_dataset(task, "full", cache=root, data=options.data)
        labelled = embed_trials(task, data, loaded, settings, lambda clips, now: None)
        (result,) = score_trials(labelled, loaded, task.probes[0], settings)
        scores[Path(labelled.trials.file).name] = result.predictions[0]
        print(f"{name}: {len(result.predictions[0])} trials scored by {spec.name}, {options.backend}")
    with write_atomically(options.out) as temporary:
        temporary.write_bytes(build_submission(scores))


def _choose_backend(task: Task, backend: str) -> Task:
    chosen = [probe for probe in task.probes if probe.name == backend]
    if not chosen:
        names = ", ".join(probe.name for probe in task.probes)
        raise ChoiceError("no such back-end", got=backend, expected=names, where=task.name)
    return replace(task, probes=(chosen[0],))
