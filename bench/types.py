"""The nouns of Otoscope: plain, frozen data that every other floor speaks in.

Nothing here computes, reads a file or imports torch at run time. Units are in names (``_in_s``) or comments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, ChoiceError, DataError, EncoderError, UnavailableError
from bench.results import Data, Failure, Leaderboard, Score
from bench.targets import Captions, ClassLabel, Event, Events, MultiLabel, Sidecar, Target, Targets, Transcript
from bench.trial_target import AudioFile, Pairs, Trials

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = [  # what is defined elsewhere and imported from here; the nouns of this module need no listing
    "AudioFile",
    "BenchError",
    "Captions",
    "ChoiceError",
    "ClassLabel",
    "Data",
    "DataError",
    "EncoderError",
    "Event",
    "Events",
    "Failure",
    "Leaderboard",
    "MultiLabel",
    "Pairs",
    "Score",
    "Sidecar",
    "Target",
    "Targets",
    "Transcript",
    "Trials",
    "UnavailableError",
]

Domain = Literal["speech", "environment", "music"]
Predictions = NDArray[Any]
"""What a probe answered, for one seed: class indices int64 [N] or, to k-hot targets, scores float32 [N, C]. A leading
axis S, where there is one, holds the probe seeds."""
Weighted = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""A metric of fixed answers as a function of how often each clip counts: weights [R, N] -> values [R], NaN where the
metric is undefined. It makes a bootstrap of a metric that is no mean over clips cheap."""

DOMAINS: tuple[Domain, ...] = ("speech", "environment", "music")
SUITES = ("mini", "full")
PROTOCOLS = ("strict", "xares")
PRECISIONS = ("fp32", "bf16", "fp16")
WIDE = "fp32 frames"  # a rate: clips whose frames fit no smaller format; nothing is lost
FRAMES = {"fp16": "float16", "fp32": "float32"}  # number formats in which frames may be stored


# ------------------------------------------------------------------------------------------------------ encoders


@runtime_checkable
class Encoder(Protocol):
    """A frozen audio encoder: X-ARES's contract, with optional ``lengths``.

    ``forward(audio [B, N] float32 in [-1, 1], lengths [B] int64 samples | None) -> [B, T, D]``. An encoder whose
    ``forward`` has no parameter called ``lengths`` is never given padded audio.
    """

    sampling_rate: int  # Hz
    output_dim: int  # D
    hop_size_in_ms: float  # between consecutive frames

    def __call__(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """How to get an encoder, without getting it: a module-level value of a file in ``encoders/``."""

    name: str
    load: Callable[[str], Encoder]  # torch device string -> encoder in eval mode; imports what is heavy itself
    source: str = ""  # paper, repository or hub id
    revision: str = ""
    licence: str = ""
    trained_on: tuple[str, ...] = ()  # dataset names, to mark contaminated rows
    default: bool = False  # runs when no --encoder is given
    load_weights: Callable[[Path, str], Encoder] | None = None
    """From the user's own copy of the weights (file or folder) and a device: ``--encoder NAME=PATH``."""
    extra: str = ""  # the optional dependencies it needs: pip install ".[extra]"
    verified: str = ""  # what its code was compared with, and with which weights
    sampling_rate: int = 0  # Hz; this and the next two as the loaded encoder will have them, 0 where not said
    output_dim: int = 0
    hop_in_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a certificate."""

    name: str
    passed: bool
    measured: str
    expected: str


Policy = Literal["padded", "equal_length", "single"]
"""How clips may share a batch: zero-padded with lengths, only with clips of the same length, or never."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was measured of an encoder before first use, and the batching that follows from it."""

    checks: tuple[Check, ...]
    policy: Policy
    hop_in_samples: float  # measured
    first_frame_in_samples: float | None  # c in T(n) = floor((n - c) / hop) + 1; None when no such c was found

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


# ------------------------------------------------------------------------------------------------------- datasets


@dataclass(frozen=True, slots=True)
class ShardSet:
    """Where a dataset's WebDataset shards lie: ``<key>.<audio>`` and ``<key>.json`` in tar files."""

    patterns: Mapping[str, str]  # split or fold name -> shard file pattern (glob) inside the dataset's folder
    folder: str = ""  # folder name below --data; the task's name when empty
    zenodo: str | None = None  # record id
    samples: Mapping[str, int] = field(default_factory=dict)  # split -> expected number of samples, where known
    also: tuple[str, ...] = ()  # further folder names under which the same shards may lie
    hugging_face: str | None = None  # a dataset repository with the same shards: OWNER/REPO[@REVISION][:FOLDER]
    corpus: Callable[[Path, str], Iterable[AudioFile]] | None = None  # in its own layout: folder, split -> files


@dataclass(frozen=True, slots=True)
class Splits:
    """Names of the train, validation and test split (keys of ``ShardSet.patterns``)."""

    train: str | None = "train"  # None: for back-ends of verification that learn nothing
    valid: str | None = "valid"  # None, or equal to ``test``: nothing to select on, the last epoch is used
    test: str = "test"


@dataclass(frozen=True, slots=True)
class Folds:
    """k-fold cross-validation: each named fold is the test set once, the others are the training set."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mini:
    """How the embedded suite makes its small version of a dataset, in the official layout and names."""

    make: Callable[[Path], None]  # writes the shards into an existing empty folder
    version: int  # a change of the generated bytes bumps it
    sha256: Mapping[str, str]  # shard file name -> digest on the reference machine
    classes: tuple[str | int, ...] | None = None  # the reduced vocabulary, where it is reduced
    probes: tuple[Probe, ...] | None = None  # where the published ones would see too few steps on so little data
    licence: str = ""  # of the generated audio and what it was made with
    folder: str = ""  # name of what is made, the task's when empty; tasks with equal ``make`` and name share the shards


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard on disk, verified."""

    path: Path
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Clip:
    """One sample of a shard, decoded: mono float32 at the encoder's sampling rate."""

    key: str
    audio: NDArray[np.float32]  # [N]
    sampling_rate: int  # Hz
    sidecar: Sidecar
    where: str  # shard and member, for messages
    seconds: float  # before resampling: the same for every encoder


# ---------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True, slots=True)
class Metric:
    """A pure function of targets and predictions, and what its values mean."""

    name: str
    compute: Callable[[Targets, Predictions], float]  # of one seed
    chance: Callable[[Targets, int], float]  # (test targets, n_classes) -> value of guessing
    best: float = 1.0
    worst: float = 0.0  # above ``best`` where lower is better
    per_clip: Callable[[Targets, Predictions], NDArray[np.float64]] | None = None
    """[N] contributions whose mean is the metric, where it is such a mean: makes the bootstrap one matrix product."""
    weighted: Callable[[Targets, Predictions], Weighted] | None = None
    """Where it is no such mean: the metric prepared for many resamples, what does not depend on them computed once."""
    centred: bool = False
    """Whether a clip that is drawn twice biases the metric, so that resamples are moved back to the estimate."""
    of_counts: Callable[[NDArray[Any]], NDArray[np.float64]] | None = None
    """[...] values of counts [..., C, 3] (hits, false alarms, misses), where the metric is a function of their sums."""
    published: Metric | None = None
    """What X-ARES computes under this name, where that differs: the metric of protocol ``xares``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fit: row indices into the embedding matrix. ``valid`` is None when nothing may be selected on."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64] | None
    test: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Predictions of one problem, S probe seeds (1 for a deterministic probe) of them.

    ``predictions`` are class indices int64 [S, n_test] or, to k-hot targets, scores float32 [S, n_test, C].
    For events they are answers uint8 [S, M, C]: 1 for what sounds in each of the M segments of the test clips.
    For captions they are ranks int64 [S, A + T] of the right answer, 1 the best: of the A test clips among captions,
    then of their T captions, clip by clip, among clips. For transcripts texts [S, n_test], object arrays of str.
    """

    predictions: Predictions
    info: Mapping[str, Any]  # plain values, e.g. {"epoch": [9, 10, 10]}


@runtime_checkable
class Probe(Protocol):
    """A small model on frozen embeddings; all folds and seeds are fitted in one call so that they can share work.

    A probe that X-ARES does in another way has ``published() -> Probe``, the probe of protocol ``xares``. One that
    holds out training clips itself has ``grouped(clusters) -> Probe``: clips of equal clusters [N] stay together.
    """

    @property
    def name(self) -> str: ...

    @property
    def seeded(self) -> bool: ...

    def run(
        self,
        vectors: Any,  # [N, D] float32; for events and transcripts N arrays [T, D]
        targets: Any,  # [N] int64; an ``EventTargets`` or ``TranscriptTargets``; for captions N tuples of texts
        problems: Sequence[Problem],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]: ...


@dataclass(frozen=True, slots=True)
class Published:
    """What X-ARES does with one task and not with others; only protocol ``xares`` asks."""

    batch_size_encode: int = 16  # crops that are encoded, and padded, together
    left_out: tuple[str | int, ...] = ()  # classes of an event task that its vocabulary lacks
    labels_in_s: float | None = None  # events are labelled up to here, whatever the length of the clip


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset, a question about it and how the answer is scored."""

    name: str
    domain: Domain
    shards: ShardSet
    split: Splits | Folds
    target: Target
    metric: Metric
    probes: tuple[Probe, ...]
    version: int = 1
    description: str = ""
    taxonomy: int = 1  # 1 perception .. 4, see docs/protocol.md
    weight: float = 1.0  # n_i of the summary S
    crop_in_s: float | None = None
    cluster: str | None = None  # sidecar key whose equal values are resampled together (speaker, recording, ...)
    private: bool = False
    mini: Mini | None = None
    source: str = ""  # DOI or paper
    licence: str = ""
    published: Published = Published()
    protocol: str = "strict"  # how it is computed; see ``bench.protocol.in_protocol``


# ----------------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose for a run."""

    suite: str
    protocol: str  # one of PROTOCOLS, or "both"; a score has that of its task
    device: str
    precision: str
    seeds: tuple[int, ...]  # of the probes
    cache: Path
    data: Path | None
    threads: int  # batches computed at a time on a CPU
    offline: bool = False
    compiled: bool = False  # encoders go through torch.compile
    mirror: str = ""  # fetch from Hugging Face: "hf" from where tasks say, or OWNER/REPO[@REVISION]
    pcm_cache: bool = False  # decoded audio is kept for the next encoder of the same rate
    decoders: int = 0  # other processes that decode; 0: this one's threads do
    frames: str = "fp16"  # how frames are stored, a key of FRAMES; in protocol xares fp32, as published


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Pooled embeddings of the clips of some shards, in shard order."""

    vectors: NDArray[np.float32]  # [N, D]
    keys: tuple[str, ...]
    seconds: NDArray[np.float64]  # [N] clip durations
    sidecars: tuple[Sidecar, ...]
