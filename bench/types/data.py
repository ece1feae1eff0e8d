"""Shards, their splits or folds, and the clips in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.types.targets import Sidecar
from bench.types.trials import AudioFile

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShardSet:
    """The WebDataset shards of a dataset and where they lie.

    They are tar files (``*.tar``, ``*.tar.gz`` or ``*.tgz``) of ``<key>.<audio>`` and ``<key>.json``.
    """

    patterns: Mapping[str, str]  # split or fold name -> shard file pattern (glob) inside the dataset's folder
    folder: str = ""  # folder name below --data; the task's name when empty
    zenodo: str | None = None  # record id
    samples: Mapping[str, int] = field(default_factory=dict)  # split -> expected number of samples, where known
    also: tuple[str, ...] = ()  # further folder names under which the same shards may lie
    hugging_face: str | None = None  # a dataset repository with the same shards: OWNER/REPO[@REVISION][:FOLDER]
    corpus: Callable[[Path, str], Iterable[AudioFile]] | None = None  # in its own layout: folder, split -> files


@dataclass(frozen=True, slots=True)
class Splits:
    """The names of the train, validation and test split (keys of ``ShardSet.patterns``)."""

    train: str | None = "train"  # None: for back-ends of verification that learn nothing
    valid: str | None = "valid"  # None, or equal to ``test``: nothing to select on, the last epoch is used
    test: str = "test"


@dataclass(frozen=True, slots=True)
class Folds:
    """K-fold cross-validation: each named fold is the test set once, the others are the training set."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """A verified shard on disk."""

    path: Path  # what is read: of a compressed shard the tar in the cache
    sha256: str  # of the file as it was found, compressed or not
    size: int  # bytes of that file
    source: str = ""  # the name of that file, where it is not that of ``path``

    @property
    def name(self) -> str:
        """The name of the file as it was found."""
        return self.source or self.path.name


@dataclass(frozen=True, slots=True)
class Clip:
    """A decoded sample of a shard: mono float32 at the encoder's sampling rate."""

    key: str
    audio: NDArray[np.float32]  # [N]
    sampling_rate: int  # Hz
    sidecar: Sidecar
    where: str  # shard and member, for messages
    seconds: float  # before resampling: the same for every encoder
    digest: str = ""  # of the decoded samples, mono at their own rate; notes may follow it: ``bench.audio.notes``
