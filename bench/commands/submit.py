"""``python -m bench.submit``: score trial lists without labels and write the file that a challenge asks for.

One zip with one text file for each task that is named, called as the trial list is: a score a line, in the list's
order, higher where one speaker speaks both. Such tasks have no row on a leaderboard: nobody here knows the answers.
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
from bench.extraction.load_encoder import freeze
from bench.loading.sources import resolve
from bench.store.files import written
from bench.types import BenchError, ChoiceError, Settings, Task, Trials
from bench.verification.trial_lists import build_submission


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 written, 2 something that cannot be used."""
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
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(chosen: argparse.Namespace) -> None:
    known = [task for file in chosen.tasks for task in bundled.load_tasks(file)] or bundled.find_bundled_tasks()
    own = {task.name: task for task in known if isinstance(task.target, Trials) and task.target.form == "unlabelled"}
    for name in chosen.names:
        if name not in own:
            raise ChoiceError("no such task", got=name, expected=", ".join(own) or "none here", where="bench.submit")
    spec = resolve(chosen.encoder, bundled.find_bundled_encoders(), hf=bundled.find_hugging_face_factory())
    root = (chosen.cache or get_cache_folder()).expanduser().resolve()
    settings = Settings("full", "strict", chosen.device, "fp32", (0,), root, chosen.data, threads=1)
    scores = {}
    for name in chosen.names:
        task = _with(own[name], chosen.backend)
        frozen = freeze(spec, device=chosen.device, precision="fp32", cache=root)
        data = prepare_dataset(task, "full", cache=root, data=chosen.data)
        labelled = embed_trials(task, data, frozen, settings, lambda clips, now: None)
        (result,) = score_trials(labelled, frozen, task.probes[0], settings)
        scores[Path(labelled.asked.file).name] = result.predictions[0]
        print(f"{name}: {len(result.predictions[0])} trials scored by {spec.name}, {chosen.backend}")
    with written(chosen.out) as temporary:
        temporary.write_bytes(build_submission(scores))


def _with(task: Task, backend: str) -> Task:
    found = [probe for probe in task.probes if probe.name == backend]
    if not found:
        names = ", ".join(probe.name for probe in task.probes)
        raise ChoiceError("no such back-end", got=backend, expected=names, where=task.name)
    return replace(task, probes=(found[0],))
