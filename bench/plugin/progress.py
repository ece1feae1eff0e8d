"""A display of what goes on while audio is encoded: a bar with clips per second and the time left.

pytest captures what tests print, so the bar is drawn with capture suspended, one refresh at a time, on the line below
pytest's own; afterwards the cursor goes back to where pytest left it. On anything but a terminal nothing is drawn.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from bench.datasets import shards
from bench.datasets.dataset import Dataset

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import Task

REFRESH_IN_S = 0.2


class Progress:
    """Draws one stage of work at a time on the terminal of a serial run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._reporter = config.pluginmanager.getplugin("terminalreporter")

    @contextlib.contextmanager
    def _suspend_capture(self) -> Iterator[bool]:
        """Suspend capture; yield whether there is a terminal to draw on."""
        suspended = self._capture.global_and_fixture_disabled() if self._capture else contextlib.nullcontext()
        with suspended:
            yield self._reporter is not None and sys.stdout is not None and os.isatty(1)

    @contextlib.contextmanager
    def show_stage(self, label: str) -> Iterator[Callable[[int], None]]:
        """Show a line while something without countable parts goes on; yield a function that takes arriving bytes."""
        arrived = 0
        with self._draw(label, None, "MB") as advance:

            def count(size: int) -> None:
                nonlocal arrived
                before, arrived = arrived, arrived + size
                advance(arrived // 1_000_000 - before // 1_000_000, True)  # MB

            yield count

    @contextlib.contextmanager
    def show_encoding(self, label: str, data: Dataset) -> Iterator[Callable[[int, bool], None]]:
        """Show a bar over the clips of a dataset; yield a function that takes each finished number of clips."""
        with self._suspend_capture() as visible:
            total = (
                sum(shards.count_samples(shard) for split in data.splits.values() for shard in split)
                if visible
                else None
            )
        with self._draw(f"encoding {label}", total) as advance:
            yield advance

    @contextlib.contextmanager
    def _draw(self, label: str, total: int | None, unit: str = "clips") -> Iterator[Callable[[int, bool], None]]:
        with self._suspend_capture() as visible:
            if not visible:
                yield lambda clips, encoded: None
                return
            bar = _make_bar()
            task = bar.add_task(label, total=total, unit=unit)
            column = self._config.get_terminal_writer().width_of_current_line
            sys.stdout.write("\n")
            bar.start()
            bar.refresh()
        last = time.monotonic()

        def advance(clips: int, encoded: bool) -> None:
            nonlocal last
            bar.advance(task, clips)
            if time.monotonic() - last > REFRESH_IN_S:
                last = time.monotonic()
                with self._suspend_capture():
                    bar.refresh()

        try:
            yield advance
        finally:
            with self._suspend_capture():
                bar.stop()
                sys.stdout.write(f"\x1b[1A\x1b[{column}C" if column else "\x1b[1A")
                sys.stdout.flush()


def _make_bar() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f} {task.fields['unit']}/s" if task.speed else "")

    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(compact=True),
    ]
    return RichProgress(*columns, console=Console(file=sys.__stdout__), auto_refresh=False, transient=True)
