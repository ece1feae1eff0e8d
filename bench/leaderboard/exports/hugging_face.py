"""A leaderboard as ``model-index``, YAML at the top of a model card of Hugging Face.

Source: huggingface_hub.repocard_data.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from bench.leaderboard.terminal.cells import to_printable

if TYPE_CHECKING:
    from bench.leaderboard.files.sources import Source
    from bench.types import Score


KINDS = {"iWER": "automatic-speech-recognition", "iCER": "automatic-speech-recognition"}  # Hugging Face's tasks
KIND = "audio-classification"


def to_model_index(source: Source) -> dict[str, bytes]:
    """Write the YAML block of a model card, one model for each encoder."""
    lines = ["---", "model-index:"]
    for encoder in sorted({score.encoder for score in source.board.scores}):
        lines += [f"- name: {_quote_yaml(encoder)}", "  results:"]
        for score in source.board.scores:
            if score.encoder == encoder:
                lines += _format_result(score)
    if len(lines) == 2:
        lines[1] = "model-index: []"
    return {"": ("\n".join([*lines, "---"]) + "\n").encode()}


def _format_result(score: Score) -> list[str]:
    return [
        "  - task:",
        f"      type: {KINDS.get(score.metric, KIND)}",
        f"      name: {_quote_yaml(f'{score.task}, {score.probe} probe')}",
        "    dataset:",
        f"      type: {_quote_yaml(score.task)}",
        f"      name: {_quote_yaml(score.data.id)}",
        f"      config: {_quote_yaml(f'{score.suite}, {score.protocol}')}",
        "      split: test",
        f"      revision: {_quote_yaml(score.data.sha256)}",
        "    metrics:",
        f"    - type: {_quote_yaml(re.sub('[^a-z0-9]+', '_', score.metric.lower()))}",
        f"      name: {_quote_yaml(score.metric)}",
        f"      value: {score.value!r}",
    ]


def _quote_yaml(text: str) -> str:
    """Quote a YAML scalar as JSON does, in ASCII only, so that no reader sees a control character."""
    return json.dumps(to_printable(text))
