"""``python -m benchmarks NAME [options]``: one module of this package for each name."""

from __future__ import annotations

import importlib
import sys

NAMES = {
    "extraction": "shards to stored embeddings, against the bare forward loop",
    "growth": "time, memory and bytes from 1,000 to 100,000 clips",
    "probing": "stored embeddings to scores, against the published loops over stored frames",
    "warm": "the whole embedded suite when everything is stored",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in NAMES:
        print("python -m benchmarks NAME [--help]", *(f"  {name:12} {what}" for name, what in NAMES.items()), sep="\n")
        return 2
    module = importlib.import_module(f"benchmarks.{arguments[0]}")
    return int(module.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
