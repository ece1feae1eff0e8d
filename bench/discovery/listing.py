"""The table of ``--list-encoders``: one line per bundled encoder, from its spec; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable

from bench.types import EncoderSpec

HEAD = ("encoder", "", "dim", "kHz", "hop ms", "weights", "extra", "licence", "source")
RIGHT = {2, 3, 4}  # columns of numbers
WEIGHTS = "pinned: at a commit or by digest; latest: what the hub has; own copy: --encoder NAME=PATH, which any takes"


def format_encoder_table(specs: Iterable[EncoderSpec]) -> str:
    """Format the table: dimension, sampling rate and hop (blank where not declared), weights, extra and licence."""
    table = [HEAD, *(_format_cells(spec) for spec in specs)]
    widths = [max(len(cells[i]) for cells in table) for i in range(len(HEAD) - 1)]
    lines = []
    for cells in table:
        aligned = [
            c.rjust(w) if i in RIGHT else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=False))
        ]
        lines.append("  ".join([*aligned, cells[-1]]))
    return "\n".join([*lines, "", f"weights: {WEIGHTS}"])


def describe_weights(spec: EncoderSpec) -> str:
    """Return where the weights come from, in a word; empty for an encoder without weights."""
    if spec.load_weights is None:
        return ""
    if spec.revision:
        return "pinned"
    return "latest" if spec.source.startswith("https://huggingface.co/") else "own copy"


def _format_cells(spec: EncoderSpec) -> tuple[str, ...]:
    numbers = (spec.output_dim, spec.sampling_rate / 1000, spec.hop_in_ms)
    source = spec.source.removeprefix("https://").removeprefix("huggingface.co/")
    return (
        spec.name,
        "default" if spec.default else "",
        *(f"{number:.6g}" if number else "" for number in numbers),
        describe_weights(spec),
        spec.extra,
        spec.licence,
        source,
    )
