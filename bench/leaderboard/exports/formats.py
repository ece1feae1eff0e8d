"""A leaderboard in the file formats of other programs: MTEB, Hugging Face's model cards, CTRF and Parquet.

Sources: MTEB's ``TaskResult`` (embeddings-benchmark/mteb, mteb/load_results/task_results.py): a JSON file per task with
``dataset_revision``, ``task_name``, ``mteb_version``, ``evaluation_time`` and, by split, a list of scores with
``main_score``, ``hf_subset`` and ``languages``; the folders are model, revision. Hugging Face's ``model-index``
(huggingface_hub.repocard_data): YAML at the top of a model card. CTRF (ctrf-io/ctrf, schema/ctrf.schema.json): a JSON
report of tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.leaderboard.exports.text import build_records
from bench.leaderboard.files.sources import Source
from bench.leaderboard.terminal.cells import to_printable
from bench.store.files import sanitize_name
from bench.types import Leaderboard, Score, UnavailableError

MTEB_VERSION = "1.39.0"  # whose format of results this is
CTRF_VERSION = "0.0.0"
KINDS = {"iWER": "automatic-speech-recognition", "iCER": "automatic-speech-recognition"}  # Hugging Face's tasks
KIND = "audio-classification"


def to_mteb(source: Source) -> dict[str, bytes]:
    """File name -> content: ``ENCODER/REVISION/TASK.json`` and ``model_meta.json``; a probe is a subset.

    The revision is the start of the encoder's fingerprint, ``dataset_revision`` that of the data's digest.
    """
    files: dict[str, bytes] = {}
    revisions: dict[str, str] = {}
    grouped: dict[tuple[str, str], list[Score]] = {}
    for score in source.board.scores:
        grouped.setdefault((score.encoder, score.task), []).append(score)
        revisions.setdefault(score.encoder, score.fingerprint[:12])
    for (encoder, task), scores in grouped.items():
        document = {
            "dataset_revision": scores[0].data.sha256,
            "task_name": task,
            "mteb_version": MTEB_VERSION,
            "evaluation_time": None,
            "kg_co2_emissions": None,
            "scores": {"test": [_build_mteb_scores(score) for score in scores]},
        }
        files[f"{sanitize_name(encoder)}/{sanitize_name(revisions[encoder])}/{sanitize_name(task)}.json"] = (
            _encode_json(document)
        )
    for row in source.board.encoders:
        name = str(row["name"])
        if name in revisions:
            meta = {
                **{"name": name, "revision": revisions[name], "embed_dim": row["output_dim"], "modalities": ["audio"]},
                **{"license": row["licence"] or None, "reference": row["source"] or None},
            }
            files[f"{sanitize_name(name)}/{sanitize_name(revisions[name])}/model_meta.json"] = _encode_json(meta)
    return files


def _build_mteb_scores(score: Score) -> dict[str, Any]:
    return {
        "main_score": score.value,
        score.metric: score.value,
        "ci95": list(score.ci95),
        "normalized": score.normalized,
        "n": score.n,
        "protocol": score.protocol,
        **score.secondary,
        "hf_subset": score.probe,
        "languages": [],
    }


def to_model_index(source: Source) -> dict[str, bytes]:
    """The YAML block of a model card, one model for each encoder."""
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
    """A YAML scalar in double quotes, as JSON writes it; ASCII only, so that no reader sees a control character."""
    return json.dumps(to_printable(text))


def to_ctrf(source: Source) -> dict[str, bytes]:
    """A test report: a score has passed, unless the gate found fault with it; what was not scored has failed.

    Times are those of ``run.json`` beside the leaderboard, else 0: the leaderboard holds none.
    """
    board = source.board
    run = _read_run(source.path.parent / "run.json")
    seconds = {str(test["test"]).partition("[")[2][:-1]: test["seconds"] for test in run.get("tests", ())}
    failed = {(row.task, row.probe, row.encoder): row.error for row in board.failures}
    places = dict.fromkeys([*((row.task, row.probe, row.encoder) for row in board.scores), *failed])
    tests = [
        {
            "name": "-".join(place),
            "status": "failed" if place in failed else "passed",
            "duration": round(1000 * seconds.get(_build_test_id(place, board), 0.0)),
            "suite": [board.suite, board.protocol],
            **({"message": failed[place]} if place in failed else {}),
        }
        for place in places
    ]
    start, stop = (_to_milliseconds(run.get(name)) for name in ("started", "finished"))
    counts = {name: sum(test["status"] == name for test in tests) for name in ("passed", "failed")}
    summary = {"tests": len(tests), **counts, "skipped": 0, "pending": 0, "other": 0, "start": start, "stop": stop}
    results = {"tool": {"name": "otoscope"}, "summary": summary, "tests": tests}
    return {"": _encode_json({"reportFormat": "CTRF", "specVersion": CTRF_VERSION, "results": results})}


def _build_test_id(place: tuple[str, str, str], board: Leaderboard) -> str:
    protocol = "" if board.protocol == "strict" else f"@{board.protocol}"
    return f"{place[0]}{protocol}-{place[1]}-{place[2]}"


def _read_run(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _to_milliseconds(moment: object) -> int:
    return round(1000 * datetime.fromisoformat(moment).timestamp()) if isinstance(moment, str) else 0


def to_parquet(source: Source) -> dict[str, bytes]:
    """The columns of the CSV with their types. Raises UnavailableError without pyarrow."""
    import io

    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        expected = 'pip install pyarrow (or ".[parquet]")'
        raise UnavailableError("Parquet", got="no pyarrow", expected=expected, where="--format parquet") from error
    rows = build_records(source.board)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return {"": stream.getvalue()}


def _encode_json(document: object) -> bytes:
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


FILE_FORMATS: Mapping[str, Callable[[Source], dict[str, bytes]]] = {
    "ctrf": to_ctrf,
    "model-index": to_model_index,
    "mteb": to_mteb,
    "parquet": to_parquet,
}
