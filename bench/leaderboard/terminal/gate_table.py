"""What the gate says, for a terminal: what fails, what was too small to see, and a line that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.leaderboard.ranking.gate import PASSED, UNDETECTABLE, Limits, Verdict
from bench.leaderboard.terminal.cells import render_lines


def render_verdicts(verdicts: Sequence[Verdict], limits: Limits, *, width: int = 120, colour: bool = False) -> str:
    """Render one line for every verdict but a plain pass, what fails last, and how many of each."""
    told = [one for one in verdicts if one.status != PASSED or one.task == "S"]
    told.sort(key=lambda one: (one.fails, one.task == "S"))
    styles = {UNDETECTABLE: "yellow", PASSED: "green"}
    lines = [
        (f"{one.task}, {one.encoder}, {one.probe}: {one.said(limits)}", styles.get(one.status, "red")) for one in told
    ]
    counts = Counter(one.status for one in verdicts)
    counted = ", ".join(f"{counts[status]} {status}" for status in sorted(counts)) or "nothing to compare"
    return render_lines([*lines, (f"gate: {counted}; allowed drop {limits.max_drop:g}", "bold")], width, colour)


def render_paired_timings(found: Sequence[Mapping[str, Any]], *, width: int = 120, colour: bool = False) -> str:
    """Render one line for each case that was timed in turns with the baseline; nothing without one."""
    lines = [
        (
            f"{one['encoder']} takes {one['value']:.3f} [{one['ci95'][0]:.3f}, {one['ci95'][1]:.3f}] of the time of "
            f"{one['against']}, {one['batch_size']} x {one['seconds']:g} s, {one['pairs']} pairs of turns, "
            f"noise {one['band'][0]:.3f} to {one['band'][1]:.3f}",
            "",
        )
        for one in found
    ]
    return render_lines(lines, width, colour) if lines else ""
