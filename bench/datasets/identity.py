"""The name under which a score quotes its data: that of a public record only where the record's digests agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.datasets import hugging_face, manifest
from bench.datasets.manifest import ManifestEntry
from bench.types import OWN_DATA, Shard, Task, Trials

UNKNOWN_LICENCE = "that of the user's data"


def name_data(task: Task, folder: Path, shards: Iterable[Shard]) -> str:
    """Return the id of a task's verified shards in a folder.

    A record's id is claimed if the record, or the mirror that the task names, has listed every shard, so that its
    digest was compared; other shards in its layout are the user's own data.
    """
    record = name_record(task)
    if not record:
        return name_own_data(task)
    entries = manifest.read_manifest(folder)
    if all(_is_of_record(task, shard, entries) for shard in shards):
        return record
    return f"{OWN_DATA} in the layout of {record}"


def name_record(task: Task) -> str:
    """Return the id of the public record of a task's shards; empty where there is none."""
    if task.shards.zenodo:
        return f"zenodo:{task.shards.zenodo}"
    return f"hf:{task.shards.hugging_face}" if task.shards.hugging_face else ""


def name_own_data(task: Task) -> str:
    """Return the id of a user's own folder: the corpora that its trials are of, or the task's own data."""
    return "+".join(task.target.corpora if isinstance(task.target, Trials) else ()) or task.name


def _is_of_record(task: Task, shard: Shard, entries: Mapping[str, ManifestEntry]) -> bool:
    """Return whether a record of the task listed a shard with the digest that it has."""
    entry = entries.get(shard.name)
    if entry is None or not entry.record or entry.sha256 != shard.sha256:
        return False
    if entry.record == task.shards.zenodo:
        return entry.md5 is not None
    named = task.shards.hugging_face
    return bool(named) and entry.record.startswith(f"hf:{hugging_face.parse_mirror(named or '').repo}@")
