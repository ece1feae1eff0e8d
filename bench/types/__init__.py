"""The data types of Otoscope: plain, frozen data that every package speaks in; ``from bench.types import Task``.

Nothing here computes, reads a file or imports torch at run time. Units are in names (``_in_s``) or comments.
"""

from bench.types.data import Clip, Folds, Shard, ShardSet, Splits
from bench.types.encoders import Certificate, Check, Encoder, EncoderSpec, Policy
from bench.types.errors import BenchError, ChoiceError, DataError, EncoderError, UnavailableError
from bench.types.results import Data, Failure, Leaderboard, Score
from bench.types.runs import FRAMES, PRECISIONS, PROTOCOLS, SUITES, WIDE, Embeddings, Settings
from bench.types.targets import Captions, ClassLabel, Event, Events, MultiLabel, Sidecar, Target, Targets, Transcript
from bench.types.tasks import (
    DOMAINS,
    Domain,
    FitSplit,
    Metric,
    Mini,
    Predictions,
    Probe,
    ProbeResult,
    Task,
    WeightedMetric,
    XaresOverrides,
)
from bench.types.trials import AudioFile, Pairs, Trials

__all__ = [
    "DOMAINS",
    "FRAMES",
    "PRECISIONS",
    "PROTOCOLS",
    "SUITES",
    "WIDE",
    "AudioFile",
    "BenchError",
    "Captions",
    "Certificate",
    "Check",
    "ChoiceError",
    "ClassLabel",
    "Clip",
    "Data",
    "DataError",
    "Domain",
    "Embeddings",
    "Encoder",
    "EncoderError",
    "EncoderSpec",
    "Event",
    "Events",
    "Failure",
    "FitSplit",
    "Folds",
    "Leaderboard",
    "Metric",
    "Mini",
    "MultiLabel",
    "Pairs",
    "Policy",
    "Predictions",
    "Probe",
    "ProbeResult",
    "Score",
    "Settings",
    "Shard",
    "ShardSet",
    "Sidecar",
    "Splits",
    "Target",
    "Targets",
    "Task",
    "Transcript",
    "Trials",
    "UnavailableError",
    "WeightedMetric",
    "XaresOverrides",
]
