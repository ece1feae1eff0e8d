"""The command line of leaderboards: it reads files only, and needs neither audio nor a GPU nor torch.

Exit codes: 0 done; 1 ``verify`` found a difference; 2 wrong usage or a file that cannot be used.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.leaderboard.exports.formats import FILE_FORMATS, TEXT_FORMATS
from bench.leaderboard.files import merging
from bench.leaderboard.files.metric_names import NO_METRICS, OwnMetrics, collect_own_metrics
from bench.leaderboard.files.sources import read_source, read_sources
from bench.leaderboard.files.verify import verify_board
from bench.leaderboard.page import commands as report
from bench.leaderboard.ranking import ranks
from bench.leaderboard.ranking.comparison import compare_encoders
from bench.leaderboard.terminal import cells, tables, trial_report
from bench.store.files import write_atomically
from bench.types import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DONE, DIFFERENT, UNUSABLE = 0, 1, 2
EXAMPLES = """examples:
  python -m bench.leaderboard show results/2026-01-31T12-00-00Z
  python -m bench.leaderboard verify results/2026-01-31T12-00-00Z
  python -m bench.leaderboard merge results/first results/second -o results/both
  python -m bench.leaderboard compare results/first results/second
  python -m bench.leaderboard compare results/both results/both --first logmel --second other
  python -m bench.leaderboard rank results/first results/second
  python -m bench.leaderboard export results/both --format markdown -o table.md
  python -m bench.leaderboard trials results/both/predictions/tidyvoice.ecapa.cosine.safetensors
  python -m bench.leaderboard report results/both -o report.html
  python -m bench.leaderboard serve results
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit code; argparse itself exits with 2 on wrong usage."""
    chosen = build_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = chosen.call
    try:
        code = run(chosen)
        sys.stdout.flush()
    except BenchError as error:
        print(f"error: {cells.to_printable(str(error))}", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:  # the reader, e.g. head, has seen enough; nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of every sub-command, each with its function as ``call``."""
    whole = argparse.ArgumentParser(
        prog="python -m bench.leaderboard",
        description="What to do with leaderboard.json, without audio or GPU.",
        epilog=EXAMPLES + report.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print the tables")
    show.add_argument("files", nargs="+", type=Path, metavar="FILE", help="leaderboard.json or a run's folder")
    show.set_defaults(call=_show)
    check = commands.add_parser("verify", help="compute every number again from the stored predictions")
    check.add_argument("run", type=Path, metavar="RUN", help="a run's folder, or leaderboard.json in one")
    _add_tasks(check)
    check.set_defaults(call=_verify)
    join = commands.add_parser("merge", help="several runs or encoders into one leaderboard")
    join.add_argument("files", nargs="+", type=Path, metavar="FILE", help="leaderboard.json or a run's folder")
    join.add_argument("-o", dest="out", type=Path, required=True, metavar="FOLDER", help="where the merged run goes")
    join.set_defaults(call=_merge)
    versus = commands.add_parser("compare", help="what the second has that the first has not, on the same clips")
    versus.add_argument("first", type=Path, metavar="A", help="leaderboard.json or a run's folder")
    versus.add_argument("second", type=Path, metavar="B", help="another, or the same with other encoders named")
    versus.add_argument("--first", dest="one", metavar="ENCODER", help="of A, where it has several")
    versus.add_argument("--second", dest="other", metavar="ENCODER", help="of B, where it has several")
    _add_tasks(versus)
    versus.set_defaults(call=_compare)
    order = commands.add_parser(
        "rank", help="ranks with what they are worth: intervals, ties, probability of being best"
    )
    order.add_argument("files", nargs="+", type=Path, metavar="FILE", help="leaderboard.json or a run's folder")
    _add_tasks(order)
    order.set_defaults(call=_rank)
    export = commands.add_parser("export", help="the scores for another program")
    export.add_argument("file", type=Path, metavar="FILE", help="leaderboard.json or a run's folder")
    export.add_argument("--format", choices=sorted([*TEXT_FORMATS, *FILE_FORMATS]), required=True)
    export.add_argument("-o", dest="out", type=Path, required=True, metavar="OUT", help="file to write; mteb: a folder")
    export.set_defaults(call=_export)
    trials = commands.add_parser("trials", help="subsets and suspicious trials of a row of speaker verification")
    trials.add_argument("file", type=Path, metavar="PREDICTIONS", help="the row's file below predictions/")
    trials.add_argument("--highest", type=int, default=20, metavar="N", help="non-targets to list (default: 20)")
    trials.add_argument("--det", type=Path, metavar="OUT.csv", help="write the points of the DET curve, too")
    trials.set_defaults(call=_trials)
    report.add_page_commands(commands)
    return whole


def _add_tasks(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tasks",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="your file of tasks, where they have a metric of their own; it is run (repeatable)",
    )


def _load_own_metrics(files: Sequence[Path]) -> OwnMetrics:
    if not files:
        return NO_METRICS
    from bench.loading.task_files import load_tasks

    return collect_own_metrics(task for file in files for task in load_tasks(file))


def _show(chosen: argparse.Namespace) -> int:
    found = [source for path in chosen.files for source in read_sources(path)]
    width, colour = _read_terminal_size()
    for source in found:
        if len(found) > 1:
            board = source.board
            print(cells.to_printable(f"{source.path}: suite {board.suite}, protocol {board.protocol}"))
        _print_encodable(tables.render_board(source.board, width=width, colour=colour))
    return DONE


def _verify(chosen: argparse.Namespace) -> int:
    wrong = 0
    for source in read_sources(chosen.run, _load_own_metrics(chosen.tasks)):
        found = verify_board(source)
        for difference in found:
            _print_encodable(f"{cells.to_printable(str(difference))}\n")
        rows, summaries = len(source.board.scores), len(source.board.summaries)
        said = f"{len(found)} differences" if found else "all as stored"
        _print_encodable(cells.to_printable(f"{source.path}: {rows} scores, {summaries} summaries, {said}") + "\n")
        wrong += len(found)
    return DIFFERENT if wrong else DONE


def _merge(chosen: argparse.Namespace) -> int:
    found = [source for path in chosen.files for source in read_sources(path)]
    board, absent = merging.write_merged(chosen.out, found)
    said = f"{len(board.scores)} scores of {len(board.encoders)} encoders, {len(board.failures)} not scored"
    _print_encodable(cells.to_printable(f"{chosen.out}/leaderboard.json: {said}") + "\n")
    if absent:
        left = f"without the predictions of {len(absent)} rows, which are not beside their leaderboard"
        print(cells.to_printable(f"{left}: {', '.join(absent[: tables.MOST_NAMES])}"), file=sys.stderr)
    return DONE


def _compare(chosen: argparse.Namespace) -> int:
    own = _load_own_metrics(chosen.tasks)
    sides = read_source(chosen.first, own), read_source(chosen.second, own)
    found = compare_encoders(*sides, (chosen.one, chosen.other))
    width, colour = _read_terminal_size()
    _print_encodable(tables.render_comparison(found, width=width, colour=colour))
    return DONE


def _rank(chosen: argparse.Namespace) -> int:
    width, colour = _read_terminal_size()
    own = _load_own_metrics(chosen.tasks)
    sources = [source for path in chosen.files for source in read_sources(path, own)]
    for ranking in ranks.rank_encoders(sources):
        left_out = f", without {', '.join(ranking.left_out)}, which not all have" if ranking.left_out else ""
        _print_encodable(cells.to_printable(f"{ranking.probe}, {len(ranking.tasks)} tasks{left_out}") + "\n")
        notes = ["encoders that share a letter are not separable at 95%"]
        text = cells.render_table(
            ranks.COLUMNS, ranks.format_rows(ranking), notes, width=width, colour=colour, total=False
        )
        _print_encodable(f"{text}\n")
    return DONE


def _export(chosen: argparse.Namespace) -> int:
    source = read_source(chosen.file)
    if chosen.format in TEXT_FORMATS:
        files = {"": TEXT_FORMATS[chosen.format](source.board).encode()}
    else:
        files = FILE_FORMATS[chosen.format](source)
    for name, content in files.items():
        with write_atomically(chosen.out / name) as temporary:
            temporary.write_bytes(content)
    return DONE


def _trials(chosen: argparse.Namespace) -> int:
    answers = trial_report.read_trials(chosen.file)
    width, colour = _read_terminal_size()
    _print_encodable(trial_report.render_trials(answers, max(1, chosen.highest), width=width, colour=colour))
    if chosen.det is not None:
        with write_atomically(chosen.det) as temporary:
            temporary.write_text(trial_report.format_det_csv(answers), encoding="utf-8", newline="\n")
    return DONE


def _read_terminal_size() -> tuple[int, bool]:
    """Return width and colour of tables: those of the terminal, or wide and plain for a file or a pipe."""
    if not sys.stdout.isatty():
        return 160, False
    return shutil.get_terminal_size().columns, "NO_COLOR" not in os.environ


def _print_encodable(text: str) -> None:
    """Print text, replacing characters that the encoding of the terminal lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
