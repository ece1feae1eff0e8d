"""How a run of the synthetic suite gets faster with more worker processes, with and without stored embeddings.

``python -m perf scaling`` makes the shards first. Then each number of workers starts from an empty store (cold),
and again from what that left (warm). The cores are shared between the workers, so that each line has all of them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perf import result_tables, suite_time

MADE = "mini"  # the part of the cache that holds the synthetic suite's shards
RESULT = Path("run") / "leaderboard.json"


def main(argv: Sequence[str]) -> int:
    """Print the table; ``argv`` are command-line arguments without the program's name."""
    parser = argparse.ArgumentParser(prog="python -m perf scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2], metavar="N")
    parser.add_argument("--cache", type=Path, help="where the synthetic suite's shards are (default: made now)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("rest", nargs="*", help="further arguments of pytest, after --")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="otoscope-") as scratch:
        made = options.cache
        if made is None:
            made = Path(scratch) / "made"
            suite_time.run_suite(
                ["-n", str(max(options.workers)), "--cache", str(made), *options.rest], Path(scratch) / "first"
            )
        rows = [measure_workers(n, made, Path(scratch), options.rest) for n in options.workers]
    results = {one for row in rows for one in row.pop("bytes")}
    for row in rows:
        row["times faster, cold"] = rows[0]["cold, s"] / row["cold, s"]
        row["times faster, warm"] = rows[0]["warm, s"] / row["warm, s"]
    result_tables.print_and_save("scaling", rows, options.json)
    print(f"leaderboard.json: {'the same bytes in all runs' if len(results) == 1 else 'RUNS DIFFER'}")
    return 0 if len(results) == 1 else 1


def measure_workers(n: int, made: Path, scratch: Path, rest: Sequence[str]) -> dict[str, Any]:
    """One row, and the leaderboards' bytes: a run of ``n`` workers with nothing stored but shards, and once more."""
    cache = scratch / f"cache-{n}"
    if (made / MADE).exists():
        shutil.copytree(made / MADE, cache / MADE)
    arguments = ["-n", str(n), "--cache", str(cache), *rest]
    cold = suite_time.run_suite(arguments, scratch / f"cold-{n}")
    again = suite_time.run_suite(arguments, scratch / f"warm-{n}")
    shutil.rmtree(cache)
    return {
        "workers": n,
        "tests": len(again.tests),
        "cold, s": cold.seconds,
        "warm, s": again.seconds,
        "bytes": [(scratch / f"{kind}-{n}" / RESULT).read_bytes() for kind in ("cold", "warm")],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
