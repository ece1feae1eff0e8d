"""A leaderboard as result files of MTEB.

Source: MTEB's ``TaskResult`` (embeddings-benchmark/mteb, mteb/load_results/task_results.py): a JSON file per task with
``dataset_revision``, ``task_name``, ``mteb_version``, ``evaluation_time`` and, by split, a list of scores with
``main_score``, ``hf_subset`` and ``languages``; the folders are model, revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.leaderboard.exports.json_file import encode_json
from bench.store.files import sanitize_name

if TYPE_CHECKING:
    from bench.leaderboard.files.sources import Source
    from bench.types import Score


MTEB_VERSION = "1.39.0"  # whose format of results this is


def to_mteb(source: Source) -> dict[str, bytes]:
    """Convert a leaderboard to MTEB's result files; a probe is a subset.

    The revision is the start of the encoder's fingerprint, ``dataset_revision`` that of the data's digest.

    Returns:
        File name -> content: ``ENCODER/REVISION/TASK.json`` and ``model_meta.json``.
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
        files[f"{sanitize_name(encoder)}/{sanitize_name(revisions[encoder])}/{sanitize_name(task)}.json"] = encode_json(
            document
        )
    for row in source.board.encoders:
        name = str(row["name"])
        if name in revisions:
            meta = {
                **{"name": name, "revision": revisions[name], "embed_dim": row["output_dim"], "modalities": ["audio"]},
                **{"license": row["licence"] or None, "reference": row["source"] or None},
            }
            files[f"{sanitize_name(name)}/{sanitize_name(revisions[name])}/model_meta.json"] = encode_json(meta)
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
