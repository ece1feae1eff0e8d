"""All clips of a task, split after split: their embeddings or frames, and which rows belong to which split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.datasets import shards
from bench.datasets.dataset import Dataset, check_complete, list_splits
from bench.extraction.batched_chunk import Progress
from bench.extraction.codecs import concat_embeddings
from bench.extraction.engine.local import LoadedEncoder
from bench.extraction.frames import extract_frames
from bench.extraction.pcm_cache import PcmCache
from bench.extraction.pooled import extract_embeddings
from bench.store.files import Store
from bench.types import FRAMES, WIDE, DataError, Embeddings, FitSplit, Folds, Settings, Sidecar, Task
from bench.xares import extraction
from bench.xares.crops import CropOptions

L = TypeVar("L")
SplitRows = Mapping[str, NDArray[np.int64]]
"""The rows of each split or fold."""


@dataclass(frozen=True, slots=True)
class FramedClips:
    """Frames of N clips."""

    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D] float16 or float32, views of memory maps
    spans: tuple[NDArray[np.float64], ...]  # N of [T, 2] from when to when a frame speaks, in seconds
    keys: tuple[str, ...]
    seconds: NDArray[np.float64]  # [N]
    sidecars: tuple[Sidecar, ...]

    @property
    def wide(self) -> dict[str, float]:
        """The rate of clips whose frames are stored in fp32, or nothing where there is none."""
        share = sum(frames.dtype == np.float32 for frames in self.frames) / len(self.frames)
        return {WIDE: share} if share else {}


def collect_embeddings(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> tuple[Embeddings, SplitRows]:
    """Pooled embeddings of all clips of a task. Raises as ``extraction.pooled.extract`` does, and for missing clips."""
    how: dict[str, Any] = {"store": Store(settings.cache), "threads": settings.threads, "progress": progress}
    parts: dict[str, Embeddings] = {}
    for name in list_splits(task):
        if task.protocol == "xares":
            parts[name] = extraction.extract_embeddings(data.splits[name], loaded, build_crop_options(task), **how)
        else:
            parts[name] = extract_embeddings(
                data.splits[name], loaded, crop_in_s=task.crop_in_s, **_build_decoding_options(settings), **how
            )
        check_complete(task, data, name, _count_clips(task, data, name, parts[name].keys), settings.suite)
    return concat_embeddings(list(parts.values())), _assign_rows({name: len(part.keys) for name, part in parts.items()})


def _build_decoding_options(settings: Settings) -> dict[str, Any]:
    kept = PcmCache(settings.cache / "audio") if settings.pcm_cache else None
    return {"pcm_cache": kept, "decoders": settings.decoders}


def collect_frames(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> tuple[FramedClips, SplitRows]:
    """Frames of all clips of a task. Raises as ``extract_embeddings`` does, and for missing clips."""
    how: dict[str, Any] = {"store": Store(settings.cache), "threads": settings.threads, "progress": progress}
    clips, sizes = [], {}
    for name in list_splits(task):
        if task.protocol == "xares":
            parts = [extraction.extract_frames(data.splits[name], loaded, build_crop_options(task), **how)]
        else:
            own = {"crop_in_s": task.crop_in_s, "dtype": FRAMES[settings.frames], **_build_decoding_options(settings)}
            parts = extract_frames(data.splits[name], loaded, **own, **how)
        keys = [key for part in parts for key in part.keys]
        sizes[name] = len(keys)
        check_complete(task, data, name, _count_clips(task, data, name, keys), settings.suite)
        clips += [(part, index) for part in parts for index in range(len(part.keys))]
    views = [part.clip(index) for part, index in clips]
    framed = FramedClips(
        frames=tuple(frames for frames, _ in views),
        spans=tuple(spans for _, spans in views),
        keys=tuple(part.keys[index] for part, index in clips),
        seconds=np.array([part.seconds[index] for part, index in clips]),
        sidecars=tuple(part.sidecars[index] for part, index in clips),
    )
    return framed, _assign_rows(sizes)


def build_crop_options(task: Task) -> CropOptions:
    """How X-ARES encodes a task."""
    return CropOptions(task.crop_in_s, task.xares.batch_size_encode)


def _count_clips(task: Task, data: Dataset, name: str, keys: Sequence[str]) -> int:
    """The clips of a split: in protocol xares also those that do not decode, of which ``lost`` tells."""
    return len(keys) if task.protocol == "strict" else sum(map(shards.count_samples, data.splits[name]))


def compute_missing_rate(task: Task, data: Dataset, rows: SplitRows, keys: Sequence[str]) -> float:
    """The fraction of clips that protocol xares skipped because they do not decode; in strict that is an error."""
    if task.protocol == "strict":
        return 0.0
    there = sum(_count_clips(task, data, name, keys) for name in rows)
    return 1 - sum(len({extraction.parse_clip_key(keys[row]) for row in own}) for own in rows.values()) / there


def _assign_rows(sizes: Mapping[str, int]) -> SplitRows:
    ends = np.cumsum(list(sizes.values()))
    return {name: np.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends.tolist(), strict=True)}


def read_labels(
    task: Task, rows: SplitRows, keys: Sequence[str], sidecars: Sequence[Sidecar], label: Callable[[Sidecar, str], L]
) -> list[L]:
    """``label`` of every clip, told where the clip is for its errors."""
    split_of = {int(row): name for name, own in rows.items() for row in own}
    return [
        label(sidecar, f"{task.name}/{split_of[row]}:{key}")
        for row, (key, sidecar) in enumerate(zip(keys, sidecars, strict=True))
    ]


def build_fit_splits(task: Task, rows: SplitRows) -> tuple[FitSplit, ...]:
    """The fits of a task. What is tested on is not used for selection, except in protocol xares."""
    as_published = task.protocol == "xares"
    if isinstance(task.split, Folds):
        return tuple(
            FitSplit(
                np.concatenate([rows[other] for other in rows if other != name]),
                rows[name] if as_published else None,
                rows[name],
            )
            for name in rows
        )
    split = task.split
    if split.train is None:
        raise DataError("nothing to train on", got="train=None", expected="a training split", where=task.name)
    if as_published:
        return (FitSplit(rows[split.train], rows[split.valid or split.test], rows[split.test]),)
    selectable = split.valid is not None and task.shards.patterns[split.valid] != task.shards.patterns[split.test]
    return (FitSplit(rows[split.train], rows[split.valid] if selectable and split.valid else None, rows[split.test]),)


def read_clusters(task: Task, sidecars: Sequence[Sidecar]) -> NDArray[np.int64] | None:
    """Which clips are resampled together, [N], or None when the sidecars do not say. Raises DataError for a few."""
    if task.cluster is None or not any(task.cluster in sidecar for sidecar in sidecars):
        return None
    missing = sum(task.cluster not in sidecar for sidecar in sidecars)
    if missing:
        got = f"{missing} of {len(sidecars)} sidecars without it"
        raise DataError(f"cluster key {task.cluster!r}", got=got, expected="all or none", where=task.name)
    values = [str(sidecar[task.cluster]) for sidecar in sidecars]
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def group_crops_by_clip(task: Task, rows: SplitRows, keys: Sequence[str]) -> NDArray[np.int64] | None:
    """Which rows are of one clip, [N], where a clip has several, as crops may have in protocol xares; else None."""
    if task.protocol == "strict":
        return None
    files = [""] * len(keys)
    for name, own in rows.items():
        for row in own.tolist():
            files[row] = f"{name}/{extraction.parse_clip_key(keys[row])}"
    found, places = np.unique(files, return_inverse=True)
    return places.astype(np.int64) if len(found) < len(files) else None
