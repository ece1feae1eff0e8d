"""The formats of ``export`` by name: one text of a leaderboard, or files of a leaderboard and its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.exports.csv import to_csv
from bench.leaderboard.exports.ctrf import to_ctrf
from bench.leaderboard.exports.hugging_face import to_model_index
from bench.leaderboard.exports.latex import to_latex
from bench.leaderboard.exports.markdown import to_markdown
from bench.leaderboard.exports.mteb import to_mteb
from bench.leaderboard.exports.parquet import to_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.leaderboard.files.sources import Source
    from bench.types import Leaderboard

TEXT_FORMATS: Mapping[str, Callable[[Leaderboard], str]] = {"csv": to_csv, "latex": to_latex, "markdown": to_markdown}
FILE_FORMATS: Mapping[str, Callable[[Source], dict[str, bytes]]] = {
    "ctrf": to_ctrf,
    "model-index": to_model_index,
    "mteb": to_mteb,
    "parquet": to_parquet,
}
