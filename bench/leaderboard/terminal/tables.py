"""A leaderboard as tables for a terminal, in colour or as plain ASCII text.

Cells are ``rich.text.Text``, never markup: names come from users and may hold brackets.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.evaluation.layer_curve import CHOSEN
from bench.leaderboard.terminal.cells import make_table, make_text, render_parts
from bench.metrics.detection import is_cost_implausible
from bench.types import OWN_DATA, WIDE
from bench.types.rates import FLAGGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from bench.leaderboard.files.published_tables import PublishedTable
    from bench.leaderboard.ranking.comparison import Comparison
    from bench.types import Failure, Leaderboard, Score

MOST_NAMES = 8  # of missing tasks in a line
UNPROVEN = "* on own data in the layout of the record, not known to be the published audio"
MOST_PAIRS = 20  # of splits that share audio, in a table


def render_board(board: Leaderboard, *, width: int = 120, colour: bool = False) -> str:
    """Render the whole leaderboard: scores, what could not be scored, summaries. Ends with a newline."""
    parts: list[RenderableType] = []
    if board.scores:
        parts += [build_score_table(board), ""]
    parts += [make_text(_describe_failure(failure), "red") for failure in board.failures]
    parts += [""] if board.failures else []
    shown = _select_begun(board)
    if shown:
        parts += [
            build_summary_table(shown),
            *(_describe_missing(summary) for summary in shown if summary["missing"]),
            "",
        ]
    if board.leakage:
        parts += [
            make_text("equal audio in two splits:", "yellow"),
            build_leakage_table(board.leakage[:MOST_PAIRS]),
            *([make_text(f"and {len(board.leakage) - MOST_PAIRS} more pairs")] if board.leakage[MOST_PAIRS:] else []),
            "",
        ]
    return render_parts(parts, width, colour)


def build_leakage_table(leakage: Sequence[Mapping[str, Any]]) -> Table:
    """One row per pair of splits: how many clips of the first have audio that the second has, too."""
    table = make_table("task", "=split", "also in", "=split", ">clips", ">share")
    for pair in leakage:
        names = (pair["task"], pair["split"], pair["other_task"], pair["other_split"])
        table.add_row(*map(make_text, names), make_text(pair["clips"]), make_text(f"{pair['share']:.1%}"))
    return table


def _describe_failure(failure: Failure) -> str:
    what = "failed" if failure.error.startswith("gate: ") else "not scored"  # the gate's rows may well have a score
    return f"{what}: {failure.task}, {failure.encoder}, {failure.probe}: {failure.error}"


def render_boards(boards: Mapping[str, Leaderboard], *, width: int = 120, colour: bool = False) -> str:
    """Render the leaderboards of a run by protocol, never in one table, and last their differences."""
    if len(boards) == 1:
        return "".join(render_board(board, width=width, colour=colour) for board in boards.values())
    parts = []
    for protocol, board in boards.items():
        parts += [f"protocol {protocol}\n", render_board(board, width=width, colour=colour)]
    first, second = list(boards)[:2]
    between = build_protocol_table(boards[first], boards[second])
    return "".join(parts) + (render_parts([between, ""], width, colour) if between.row_count else "")


def build_protocol_table(first: Leaderboard, second: Leaderboard) -> Table:
    """Build one row per score that both have: two values and what the second protocol adds to the first."""
    table = make_table(
        "task", "encoder", "=probe", "=metric", f">{first.protocol}", f">{second.protocol}", ">difference"
    )
    values = {(score.task, score.encoder, score.probe): score.value for score in second.scores}
    for score in first.scores:
        other = values.get((score.task, score.encoder, score.probe))
        if other is None:
            continue
        names = (score.task, score.encoder, score.probe, score.metric)
        outside = not score.ci95[0] <= other <= score.ci95[1]
        numbers = (make_text(f"{score.value:.3f}"), make_text(f"{other:.3f}"))
        table.add_row(
            *map(make_text, names), *numbers, make_text(f"{other - score.value:+.3f}", "yellow" if outside else "")
        )
    return table


def render_comparison(found: Comparison, *, width: int = 120, colour: bool = False) -> str:
    """Render each row of a comparison, the summaries' differences, and what only one side has."""
    table = make_table(
        "task", "=probe", "=metric", ">first", ">second", ">difference [95% CI]", ">p", ">p (BH)", ">sees", ""
    )
    for row in found.rows:
        style = {"win": "green", "loss": "red", "tie": ""}[row.verdict]
        own, values = row.paired, (row.first.value, row.second.value)
        numbers = [*(f"{value:.3f}" for value in values), _format_signed(own.difference, own.ci95)]
        numbers += [f"{own.p:.4f}", f"{row.adjusted:.4f}", f"{own.detectable:.3f}"]
        names = (row.first.task, row.first.probe, row.first.metric)
        table.add_row(
            *map(make_text, names),
            *map(make_text, numbers),
            make_text("" if row.verdict == "tie" else row.verdict, style),
        )
    counts = Counter(row.verdict for row in found.rows)
    said = f"{counts['win']} wins, {counts['tie']} ties, {counts['loss']} losses (p (BH) up to 0.05)"
    parts: list[RenderableType] = [make_text(f"{found.encoders[1]} minus {found.encoders[0]}: {said}"), table, ""]
    for summary in found.summaries:
        lacking = f", {summary.lacking} tasks of the suite lacking" if summary.lacking else ""
        text = f"S, {summary.probe}: {_format_signed(summary.difference, summary.ci95)}, p {summary.p:.4f}, "
        parts.append(make_text(f"{text}sees {summary.detectable:.3f}, {summary.tasks} tasks{lacking}"))
    for side, only in zip(("first", "second"), found.only, strict=True):
        listed = "; ".join(only[:MOST_NAMES]) + (f" and {len(only) - MOST_NAMES} more" if only[MOST_NAMES:] else "")
        parts += [make_text(f"only in the {side}: {listed}", "yellow")] if only else []
    return render_parts(parts, width, colour)


def _format_signed(difference: float, ci95: tuple[float, float]) -> str:
    return f"{difference:+.3f} [{ci95[0]:+.3f}, {ci95[1]:+.3f}]"


def render_published(
    tables: Sequence[PublishedTable], board: Leaderboard, *, width: int = 120, colour: bool = False
) -> str:
    """Render what others report for the tasks of ``board``, beside its own rows where these are comparable.

    That is under protocol xares on the full suite: elsewhere own rows are left out.
    """
    own = board.scores if (board.suite, board.protocol) == ("full", "xares") else ()
    rows: list[Score | Failure] = [*board.scores, *board.failures]
    asked = sorted({(row.task, row.probe) for row in rows})
    parts: list[RenderableType] = []
    for reported in tables:
        table = _build_published_table(reported, own, asked)
        if table.row_count:
            parts += [
                make_text(f"reported, not measured here and not ranked: {reported.name} ({reported.source})"),
                table,
            ]
            parts += [make_text(reported.note)] if reported.note else []
            parts += [make_text(UNPROVEN, "yellow")] if any(map(_is_on_own_data, own)) else []
            parts.append("")
    return render_parts(parts, width, colour)


def _build_published_table(reported: PublishedTable, own: Sequence[Score], asked: Sequence[tuple[str, str]]) -> Table:
    """Build one row per task and probe: own values, then the published ones."""
    encoders = sorted({score.encoder for score in own})
    values = {
        (score.task, score.probe, score.encoder): f"{score.value:.3f}{'*' * _is_on_own_data(score)}" for score in own
    }
    table = make_table("task", "=probe", *(f">{name}" for name in (*encoders, *reported.systems)))
    for task, probe in asked:
        theirs = [reported.value(system, task, probe) for system in reported.systems]
        if any(value is not None for value in theirs):
            ours = [values.get((task, probe, encoder)) for encoder in encoders]
            cells = [make_text(value or "-", "bold") for value in ours]
            cells += [make_text("-" if value is None else f"{value:.3f}") for value in theirs]
            table.add_row(make_text(task), make_text(probe), *cells)
    return table


def _is_on_own_data(score: Score) -> bool:
    return score.data.id.startswith(OWN_DATA)


def render_throughput(figures: Sequence[Mapping[str, Any]], *, width: int = 120, colour: bool = False) -> str:
    """Render throughput measurements, one row per case. Ends with a newline."""
    table = make_table(
        "encoder", "device", "precision", ">batch", ">clip [s]", ">median [ms]", ">audio s/s", ">clips/s", ">peak [MB]"
    )
    for row in figures:
        peak = row["peak_memory_in_mb"]
        table.add_row(
            make_text(row["encoder"]),
            make_text(row["device"]),
            make_text(row["precision"]),
            make_text(row["batch_size"]),
            make_text(f"{row['seconds']:g}"),
            make_text(f"{1000 * row['median_in_s']:.1f}"),
            make_text(f"{row['audio_seconds_per_second']:.0f}"),
            make_text(f"{row['clips_per_second']:.1f}"),
            make_text("-" if peak is None else f"{peak:.0f}"),
        )
    return render_parts([table, ""], width, colour)


def build_score_table(board: Leaderboard) -> Table:
    """Build one row per score: value with 95% interval, normalized value, chance, clips and flags."""
    table = make_table(
        "task", "encoder", "=probe", "=metric", ">score [95% CI]", ">normalized", ">chance", ">n", "flags"
    )
    trained_on = {str(encoder["name"]): encoder.get("trained_on", ()) for encoder in board.encoders}
    for score in board.scores:
        notes = list_flags(score, trained_on.get(score.encoder, ()))
        low, high = score.ci95
        table.add_row(
            make_text(score.task),
            make_text(score.encoder),
            make_text(score.probe),
            make_text(score.metric),
            make_text(f"{score.value:.3f} [{low:.3f}, {high:.3f}]", "bold"),
            make_text(f"{score.normalized:.3f}"),
            make_text(f"{score.chance:.3f}"),
            make_text(score.n),
            make_text(", ".join(notes), "yellow"),
        )
    return table


def list_flags(score: Score, trained_on: Iterable[str] = ()) -> list[str]:
    """List what a reader must know before comparing a row; ``trained_on`` names the encoder's training datasets."""
    lost = sum(rate for name, rate in score.rates.items() if name != WIDE and name not in FLAGGED)
    layer = score.secondary.get(CHOSEN, 0)
    notes = {
        "uncertified": not score.certified,
        "trained on it": not score.data.synthetic
        and bool(_list_corpora(score) & {name.casefold() for name in trained_on}),
        "minDCF unlike EER": _has_unlike_cost(score),
        "other data": score.data.reference is False,
        OWN_DATA: score.data.id.startswith(OWN_DATA),
        "private": score.private,
        f"{lost:.1%} lost": lost > 0,
        f"layer {layer:g}": CHOSEN in score.secondary,
    }
    named = {name: score.rates[name] for name in FLAGGED if score.rates.get(name, 0) > 0}
    notes |= {f"{rate:.1%} {name}" if rate >= 0.001 else f"below 0.1% {name}": True for name, rate in named.items()}
    return [note for note, holds in notes.items() if holds]


def _list_corpora(score: Score) -> set[str]:
    """List the names under which ``trained_on`` may have the data of a row."""
    return {name.casefold() for name in (score.task, *score.data.id.split("+"))}


def _has_unlike_cost(score: Score) -> bool:
    cost = score.secondary.get("minDCF(0.01)")
    return score.metric == "EER" and cost is not None and is_cost_implausible(score.value, cost, 0.01, score.n)


def build_summary_table(summaries: Sequence[Mapping[str, Any]]) -> Table:
    """Build one row per encoder and probe: S (weighted), plain, chance-corrected and domain means."""
    domains = list(dict.fromkeys(domain for summary in summaries for domain in summary["domains"]))
    columns = (f">{name}" for name in ("S", "mean", "chance-corrected", *domains, "tasks"))
    table = make_table("summary", "probe", *columns)
    for summary in summaries:
        values = [summary[name] for name in ("weighted", "mean", "chance_corrected")]
        values += [summary["domains"].get(domain) for domain in domains]
        done = summary["tasks"] - len(summary["missing"])
        table.add_row(
            make_text(summary["encoder"]),
            make_text(summary["probe"]),
            *(make_text("-" if value is None else f"{value:.3f}") for value in values),
            make_text(f"{done}/{summary['tasks']}"),
        )
    return table


def _select_begun(board: Leaderboard) -> list[Mapping[str, Any]]:
    """Select the summaries that the run began: a run of one probe says nothing about the other."""
    rows: list[Score | Failure] = [*board.scores, *board.failures]
    asked = {(row.encoder, row.probe) for row in rows}
    return [summary for summary in board.summaries if (summary["encoder"], summary["probe"]) in asked]


def _describe_missing(summary: Mapping[str, Any]) -> Text:
    names = summary["missing"]
    listed = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    return make_text(f"S of {summary['encoder']}, {summary['probe']}: not computed, missing: {listed}", "yellow")
