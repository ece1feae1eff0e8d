"""``report`` and ``serve`` of ``python -m bench.leaderboard``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.leaderboard.files.sources import read_sources
from bench.leaderboard.terminal import cells

EXAMPLES = """  python -m bench.leaderboard report results/first results/second -o report.html
  python -m bench.leaderboard serve results
"""


def add_page_commands(commands: Any) -> None:
    """Add both to the sub-commands of a parser, their functions as ``call``."""
    page = commands.add_parser("report", help="one page that needs nothing else: tables, charts, mistakes, proof")
    page.add_argument("files", nargs="+", type=Path, metavar="FILE", help="leaderboard.json or a run's folder")
    page.add_argument("-o", dest="out", type=Path, required=True, metavar="OUT", help="file to write")
    page.set_defaults(call=_run_report)
    watch = commands.add_parser("serve", help="a page of a results folder that reloads when a run is added")
    watch.add_argument("folder", type=Path, metavar="DIR", help="the folder that runs are in")
    watch.add_argument("--port", type=int, default=8642, help="on 127.0.0.1; 0 takes a free one (default %(default)s)")
    watch.set_defaults(call=_run_serve)


def _run_report(chosen: argparse.Namespace) -> int:
    from bench.leaderboard.page import document

    found = [source for path in chosen.files for source in read_sources(path)]
    size = document.write_page(chosen.out, found)
    print(cells.to_printable(f"{chosen.out}: {len(found)} leaderboards, {size / 1e6:.2f} MB"))
    return 0


def _run_serve(chosen: argparse.Namespace) -> int:
    from bench.leaderboard.page.server import serve_folder

    serve_folder(chosen.folder, chosen.port, lambda text: print(cells.to_printable(text), flush=True))
    return 0
