"""Verification trials: pairs of utterances, which one person speaks or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.types.errors import DataError
from bench.types.targets import Sidecar, Targets

Form = Literal["label first", "label last", "unlabelled"]
"""Columns of a trial list: ``label enrol test`` with label 1 or 0 (VoxCeleb), ``enrol test label`` with target,
nontarget, tgt, imp, 1 or 0 (Kaldi, CN-Celeb, 3D-Speaker), or ``enrol test`` alone."""
UNKNOWN = -1  # in the place of a speaker


class AudioFile(NamedTuple):
    """An audio file of a corpus in its own layout, and its labels."""

    key: str  # unique; what trial lists call it
    path: str  # below the corpus's folder
    sidecar: Sidecar
    group: str  # files that are encoded and stored together, some hundred: usually those of a speaker


class Utterance(NamedTuple):
    """The labels of an utterance, from its sidecar."""

    id: str | None  # None: the clip's key
    speaker: str | None
    attributes: tuple[str | None, ...]  # in the order of ``Trials.attributes``


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a text file beside the shards, about the utterances of the split ``test``.

    Every utterance that the list names must be a clip of that split; clips that it does not name are not used. The
    split ``train``, where there is one, has speakers that are in no trial: back-ends learn means, cohorts, PLDA and
    calibration from it. A sidecar holds texts: the ``speaker``, which may be unknown in the trials but not in training,
    and the attributes named below, which an utterance may lack; a trial of such an utterance is in no subset of it.
    """

    file: str  # path of the trial list below the folder of the shards
    form: Form = "label first"
    utterance: str | None = None  # sidecar key of the id that the list uses; None: the clip's key
    speaker: str = "speaker"  # sidecar key
    repeats: bool = False  # whether a published list that names a pair twice is taken as it is
    agree: tuple[str, ...] = ()  # attributes: subsets of targets and non-targets that agree in it, or differ, or cross
    each: tuple[str, ...] = ()  # attributes: a subset for each value that both sides share
    nontargets: tuple[str, ...] = ()  # attributes: all targets against the non-targets by what agrees of these
    durations_in_s: tuple[float, ...] = ()  # borders: subsets by the shorter side
    corpora: tuple[str, ...] = ()  # an encoder whose ``trained_on`` names one of these has heard the trials' speakers

    @property
    def n_classes(self) -> int:
        return 2

    @property
    def attributes(self) -> tuple[str, ...]:
        """Sidecar keys that subsets need, each once; the speaker is not one of them."""
        keys = dict.fromkeys((*self.agree, *self.each, *self.nontargets))
        return tuple(key for key in keys if key != self.speaker)

    def __call__(self, sidecar: Sidecar, where: str) -> Utterance:
        """Return the labels of an utterance. Raises DataError for values that are no texts and a missing id."""
        if not isinstance(sidecar, Mapping):
            raise DataError("no utterance", got=f"a {type(sidecar).__name__}", expected="an object", where=where)
        if self.utterance is not None and self.utterance not in sidecar:
            raise DataError("id missing", got=sorted(sidecar), expected=f"a key {self.utterance!r}", where=where)
        return Utterance(
            None if self.utterance is None else _read_text(sidecar, self.utterance, where),
            _read_text(sidecar, self.speaker, where),
            tuple(_read_text(sidecar, key, where) for key in self.attributes),
        )

    def stack(self, labels: Sequence[Utterance]) -> Targets:
        """Return the utterances, object [N]."""
        stacked = np.empty(len(labels), dtype=object)
        for clip, utterance in enumerate(labels):
            stacked[clip] = utterance
        return stacked


@dataclass(frozen=True, slots=True)
class Pairs:
    """Trials as a back-end gets them in the place of targets: rows of the embeddings [N, D]."""

    enrol: NDArray[np.int32]  # [n]
    test: NDArray[np.int32]  # [n]
    speakers: NDArray[np.int64]  # [N] 0, 1, ...; UNKNOWN where the speaker is not known


def _read_text(sidecar: Sidecar, key: str, where: str) -> str | None:
    value = sidecar.get(key)
    if value is not None and (not isinstance(value, str) or not value or value != value.strip()):
        raise DataError(f"attribute {key!r}", got=repr(value), expected="a text without space around it", where=where)
    return value
