"""The embeddings or frames of all clips of a task, the rows of its splits, and what their sidecars say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.audio.notes import compute_note_rates, drop_notes
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
from bench.xares.extraction import parse_clip_key
from bench.xares.rules import get_rules

L = TypeVar("L")
SplitRows = Mapping[str, NDArray[np.int64]]
"""The rows of each split or fold."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """The N rows of a task, split after split: a clip each, or a crop where a protocol repeats clips."""

    task: Task
    data: Dataset
    by_split: SplitRows
    keys: tuple[str, ...]
    sidecars: tuple[Sidecar, ...]
    digests: tuple[str, ...] = ()  # of the decoded samples of the clips
    note_rates: Mapping[str, float] = field(default_factory=dict)  # of clips with a note on how they were decoded

    @property
    def rates(self) -> dict[str, float]:
        """The fraction of clips that were skipped, and those of clips with a note on how they were decoded."""
        return {"missing": self.missing, **self.note_rates}

    @property
    def missing(self) -> float:
        """The fraction of clips that were skipped because they do not decode; 0 where that is an error."""
        if not get_rules(self.task.protocol).skips_undecodable:
            return 0.0
        n_clips = sum(map(shards.count_samples, chain.from_iterable(self.data.splits[name] for name in self.by_split)))
        n_encoded = sum(len({parse_clip_key(self.keys[row]) for row in rows}) for rows in self.by_split.values())
        return 1 - n_encoded / n_clips

    def read_labels(self, read: Callable[[Sidecar, str], L]) -> list[L]:
        """Return what ``read`` makes of every sidecar; it is told the place of the clip for its errors."""
        split_of = {int(row): name for name, rows in self.by_split.items() for row in rows}
        return [
            read(sidecar, f"{self.task.name}/{split_of[row]}:{key}")
            for row, (key, sidecar) in enumerate(zip(self.keys, self.sidecars, strict=True))
        ]

    def list_clip_digests(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the digest of the audio of each clip that the rows are of, once for each clip."""
        if not get_rules(self.task.protocol).repeats_clips:
            return [self.digests[row] for row in rows.tolist()]
        return list({parse_clip_key(self.keys[row]): self.digests[row] for row in rows.tolist()}.values())

    def read_clusters(self) -> NDArray[np.int64] | None:
        """Return which rows are resampled together, [N]; see ``read_clusters``."""
        return read_clusters(self.task, self.sidecars)

    def build_fit_splits(self) -> tuple[FitSplit, ...]:
        """Return the fits of the task; see ``build_fit_splits``."""
        return build_fit_splits(self.task, self.by_split)

    def group_crops_by_clip(self) -> NDArray[np.int64] | None:
        """Return which rows are of one clip, [N], or None where every clip has one row."""
        if not get_rules(self.task.protocol).repeats_clips:
            return None
        clips = [""] * len(self.keys)
        for name, rows in self.by_split.items():
            for row in rows.tolist():
                clips[row] = f"{name}/{parse_clip_key(self.keys[row])}"
        distinct, clip_of_row = np.unique(clips, return_inverse=True)
        return clip_of_row.astype(np.int64) if len(distinct) < len(clips) else None


@dataclass(frozen=True, slots=True)
class FramedClips:
    """Frames of N clips."""

    frames: tuple[NDArray[np.floating[Any]], ...]  # N of [T, D] float16 or float32, views of memory maps
    spans: tuple[NDArray[np.float64], ...]  # N of [T, 2] start and end of each frame in seconds
    seconds: NDArray[np.float64]  # [N]
    wide: Mapping[str, float]  # the rate of clips stored in fp32 by our own extraction; empty where there is none


def collect_embeddings(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> tuple[Embeddings, TaskRows]:
    """Return the pooled embeddings of all clips of a task.

    Raises:
        DataError: If clips are missing or cannot be used.
        EncoderError: If the output of the encoder is not finite or has the wrong shape.
    """
    options = _build_options(settings, progress)
    parts: dict[str, Embeddings] = {}
    for name in list_splits(task):
        split = data.splits[name]
        if get_rules(task.protocol).encodes_as_stream:
            parts[name] = extraction.extract_embeddings(split, loaded, build_crop_options(task), **options)
        else:
            decoding = _build_decoding_options(settings)
            parts[name] = extract_embeddings(split, loaded, crop_in_s=task.crop_in_s, **decoding, **options)
        check_complete(task, data, name, _count_clips(task, data, name, parts[name].keys), settings.suite)
    embeddings = concat_embeddings(list(parts.values()))
    rows = _assign_rows({name: len(part.keys) for name, part in parts.items()})
    digests = tuple(map(drop_notes, embeddings.digests))
    notes = compute_note_rates(embeddings.digests)
    return embeddings, TaskRows(task, data, rows, embeddings.keys, embeddings.sidecars, digests, notes)


def collect_frames(
    task: Task, data: Dataset, loaded: LoadedEncoder, settings: Settings, progress: Progress
) -> tuple[FramedClips, TaskRows]:
    """Return the frames of all clips of a task. Raises as ``collect_embeddings`` does."""
    options = _build_options(settings, progress)
    rules = get_rules(task.protocol)
    clips, sizes = [], {}
    for name in list_splits(task):
        split = data.splits[name]
        if rules.encodes_as_stream:
            parts = [extraction.extract_frames(split, loaded, build_crop_options(task), **options)]
        else:
            decoding = _build_decoding_options(settings) | {"dtype": FRAMES[settings.frames]}
            parts = extract_frames(split, loaded, crop_in_s=task.crop_in_s, **decoding, **options)
        keys = [key for part in parts for key in part.keys]
        sizes[name] = len(keys)
        check_complete(task, data, name, _count_clips(task, data, name, keys), settings.suite)
        clips += [(part, index) for part in parts for index in range(len(part.keys))]
    views = [part.clip(index) for part, index in clips]
    framed = FramedClips(
        frames=tuple(frames for frames, _ in views),
        spans=tuple(spans for _, spans in views),
        seconds=np.array([part.seconds[index] for part, index in clips]),
        wide={} if rules.encodes_as_stream else _compute_wide_rate([frames for frames, _ in views]),
    )
    keys = [part.keys[index] for part, index in clips]
    sidecars = [part.sidecars[index] for part, index in clips]
    noted = [part.digests[index] for part, index in clips]
    digests, notes = tuple(map(drop_notes, noted)), compute_note_rates(noted)
    return framed, TaskRows(task, data, _assign_rows(sizes), tuple(keys), tuple(sidecars), digests, notes)


def _compute_wide_rate(frames: Sequence[NDArray[np.floating[Any]]]) -> dict[str, float]:
    """Return the rate of clips whose frames are stored in fp32, or nothing where there is none."""
    share = sum(of_clip.dtype == np.float32 for of_clip in frames) / len(frames)
    return {WIDE: share} if share else {}


def _build_options(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Return the arguments that all ways of extraction share."""
    return {"store": Store(settings.cache), "threads": settings.threads, "progress": progress}


def _build_decoding_options(settings: Settings) -> dict[str, Any]:
    """Return how clips are decoded outside of protocol xares."""
    cache = PcmCache(settings.cache / "audio") if settings.pcm_cache else None
    return {"pcm_cache": cache, "decoders": settings.decoders}


def build_crop_options(task: Task) -> CropOptions:
    """Return how X-ARES encodes a task."""
    return CropOptions(task.crop_in_s, task.xares.batch_size_encode)


def _count_clips(task: Task, data: Dataset, name: str, keys: Sequence[str]) -> int:
    """Return the number of clips of a split, with those that a protocol skips."""
    skips = get_rules(task.protocol).skips_undecodable
    return sum(map(shards.count_samples, data.splits[name])) if skips else len(keys)


def _assign_rows(sizes: Mapping[str, int]) -> SplitRows:
    """Return the rows of splits that lie one after another."""
    ends = np.cumsum(list(sizes.values()))
    return {name: np.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends.tolist(), strict=True)}


def build_fit_splits(task: Task, rows: SplitRows) -> tuple[FitSplit, ...]:
    """Return the fits of a task. Test clips are not used for selection, unless the protocol does so.

    Raises:
        DataError: If the task has no training split.
    """
    validates_on_test = get_rules(task.protocol).validates_on_test
    if isinstance(task.split, Folds):
        return tuple(
            FitSplit(
                np.concatenate([rows[other] for other in rows if other != name]),
                rows[name] if validates_on_test else None,
                rows[name],
            )
            for name in rows
        )
    split = task.split
    if split.train is None:
        raise DataError("nothing to train on", got="train=None", expected="a training split", where=task.name)
    if validates_on_test:
        return (FitSplit(rows[split.train], rows[split.valid or split.test], rows[split.test]),)
    selectable = split.valid is not None and task.shards.patterns[split.valid] != task.shards.patterns[split.test]
    return (FitSplit(rows[split.train], rows[split.valid] if selectable and split.valid else None, rows[split.test]),)


def read_clusters(task: Task, sidecars: Sequence[Sidecar]) -> NDArray[np.int64] | None:
    """Return which clips are resampled together, [N], or None when the sidecars do not say.

    Raises:
        DataError: If only some of the sidecars have the task's cluster key, or one has no text or whole number there.
    """
    if task.cluster is None or not any(task.cluster in sidecar for sidecar in sidecars):
        return None
    missing = sum(task.cluster not in sidecar for sidecar in sidecars)
    if missing:
        got = f"{missing} of {len(sidecars)} sidecars without it"
        raise DataError(f"cluster key {task.cluster!r}", got=got, expected="all or none", where=task.name)
    values = [_name_cluster(sidecar[task.cluster], task) for sidecar in sidecars]
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _name_cluster(value: object, task: Task) -> str:
    """Return the name of a cluster. Raises DataError for a value that would join or part clusters by its form."""
    is_text = isinstance(value, str) and value.strip() == value != ""
    if not is_text and (not isinstance(value, int) or isinstance(value, bool)):
        expected = "a text without space around it or a whole number"
        raise DataError(f"cluster key {task.cluster!r}", got=repr(value)[:120], expected=expected, where=task.name)
    return str(value)
