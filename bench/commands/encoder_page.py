"""Write the tables of ``docs/encoders.md`` from the encoders' specs and from leaderboards.

``python -m bench.commands.encoder_page [LEADERBOARD.json ...]`` rewrites three tables: the bundled encoders and how
each was verified; the scores of the leaderboards beside ``logmel``; and the scores of hidden layers in runs with
``--layer all``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.discovery import bundled, listing
from bench.evaluation.layer_curve import CHOSEN, LAYER
from bench.leaderboard.files import board_json
from bench.store.files import write_atomically
from bench.types import EncoderSpec, Score

PAGE = bundled.ROOT / "docs" / "encoders.md"
BASELINE = "logmel"


def format_specs_table(specs: Iterable[EncoderSpec]) -> str:
    """Format one line per encoder."""
    lines = [
        "| encoder | dim | kHz | hop [ms] | weights | licence | trained on | verified |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for spec in specs:
        numbers = (spec.output_dim, spec.sampling_rate / 1000, spec.hop_in_ms)
        cells = (
            f"[{spec.name}]({spec.source.partition(', ')[0]})" if spec.source.startswith("https://") else spec.name,
            *(f"{number:.6g}" if number else "" for number in numbers),
            listing.describe_weights(spec) + (f", extra `{spec.extra}`" if spec.extra else ""),
            spec.licence,
            ", ".join(spec.trained_on),
            spec.verified,
        )
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def format_scores_table(scores: Sequence[Score]) -> str:
    """Format one line per task and probe, one column per encoder; bold where intervals do not touch."""
    names = sorted({score.encoder for score in scores} - {BASELINE})
    lines = [f"| task | probe | chance | {BASELINE} | {' | '.join(names)} |", "|---" * (4 + len(names)) + "|"]
    values = {(score.task, score.probe, score.encoder): score for score in scores}
    for task, probe in sorted({(score.task, score.probe) for score in scores}):
        base = values.get((task, probe, BASELINE))
        cells = [] if base is None else [_format_cell(values.get((task, probe, name)), base) for name in names]
        if base is None or not any(cells):
            continue
        lines.append(f"| {task} | {probe} | {base.chance:.3f} | {_format_cell(base, base)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_layers_table(scores: Sequence[Score]) -> str:
    """Format one line per encoder, task and probe: the score of every hidden layer, the chosen layer and its score."""
    deepest = max(len(_list_layer_scores(score)) for score in scores)
    head = ["encoder", "task", "probe", *map(str, range(deepest)), "chosen", "score"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for score in sorted(scores, key=lambda score: (score.encoder, score.task, score.probe)):
        curve = _list_layer_scores(score)
        cells = [score.encoder.removesuffix(".layers"), score.task, score.probe]
        cells += [f"{curve[i]:.3f}" if i < len(curve) else "" for i in range(deepest)]
        lines.append("| " + " | ".join([*cells, f"{score.secondary[CHOSEN]:g}", _format_cell(score, score)]) + " |")
    return "\n".join(lines)


def _list_layer_scores(score: Score) -> list[float]:
    return [score.subsets[f"{LAYER}{i}"] for i in range(sum(name.startswith(LAYER) for name in score.subsets))]


def _format_cell(score: Score | None, base: Score) -> str:
    if score is None:
        return ""
    text = f"{score.value:.3f} [{score.ci95[0]:.2f}, {score.ci95[1]:.2f}]"
    return f"**{text}**" if score.ci95[0] > base.ci95[1] else text


def replace_section(page: str, name: str, content: str) -> str:
    """Replace the text of a page between the marks ``<!-- name -->`` and ``<!-- end name -->``."""
    marks = re.escape(f"<!-- {name} -->"), re.escape(f"<!-- end {name} -->")
    between = re.compile(f"({marks[0]}\n).*?({marks[1]})", flags=re.DOTALL)
    return between.sub(lambda match: f"{match[1]}{content}\n{match[2]}", page)


def main(files: Sequence[str]) -> None:
    """Rewrite the page."""
    page = replace_section(
        PAGE.read_text(encoding="utf-8"), "specs", format_specs_table(bundled.find_bundled_encoders().values())
    )
    if files:
        untrained = {spec.name for spec in bundled.find_bundled_encoders().values() if spec.load_weights is None}
        scores = [score for file in files for score in board_json.read_board(Path(file)).scores]
        scores = [score for score in scores if score.encoder == BASELINE or score.encoder not in untrained]
        layer_scores = [score for score in scores if CHOSEN in score.secondary]
        if layer_scores:
            page = replace_section(page, "layers", format_layers_table(layer_scores))
        if len(layer_scores) < len(scores):
            page = replace_section(
                page, "scores", format_scores_table([score for score in scores if CHOSEN not in score.secondary])
            )
    with write_atomically(PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
