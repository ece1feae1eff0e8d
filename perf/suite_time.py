"""How long the whole synthetic suite takes when every embedding is stored: all probes, intervals and files.

``python -m perf warm`` runs it twice, since the first run may have to encode, and times the second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run of ``pytest bench``."""

    seconds: float  # of the whole command
    tests: tuple[tuple[str, float], ...]  # what took how long in its process, the longest first


def main(argv: Sequence[str]) -> int:
    """Print the table; ``argv`` are command-line arguments without the program's name."""
    parser = argparse.ArgumentParser(prog="python -m perf warm", description=__doc__.splitlines()[0])
    parser.add_argument("-n", default="2", metavar="N", help="worker processes (default: 2)")
    parser.add_argument("--cache", type=Path, help="stored embeddings (default: made now, which takes minutes)")
    parser.add_argument("rest", nargs="*", help="further arguments of pytest, after --")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="otoscope-") as scratch:
        cache = options.cache or Path(scratch) / "cache"
        arguments = ["-n", options.n, "--cache", str(cache.resolve()), *options.rest]
        first = run_suite(arguments, Path(scratch) / "first")
        again = run_suite(arguments, Path(scratch) / "again")
    sys.stdout.write(f"{'first run':48}{first.seconds:8.1f} s\n{'again, everything stored':48}{again.seconds:8.1f} s\n")
    inside = sum(seconds for _, seconds in again.tests)
    sys.stdout.write(f"{f'  {len(again.tests)} tests, in all processes together':48}{inside:8.1f} s\n")
    for name, seconds in again.tests[:8]:
        sys.stdout.write(f"  {name:46}{seconds:8.1f} s\n")
    return 0


def run_suite(arguments: Sequence[str], results: Path) -> Rerun:
    """Run the synthetic suite. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "pytest", "bench", "-q", "-p", "no:cacheprovider", "-m", "not throughput"]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--results", str(results), "--run-name", "run", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - start
    found: dict[str, Any] = json.loads((results / "run" / "run.json").read_text())
    tests = ((str(test["test"]).partition("[")[2].rstrip("]"), float(test["seconds"])) for test in found["tests"])
    return Rerun(seconds, tuple(sorted(tests, key=lambda test: -test[1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
