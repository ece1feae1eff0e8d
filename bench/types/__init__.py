"""The data types of Otoscope: plain, frozen data that all packages exchange; ``from bench.types import Task``.

Nothing here computes, reads a file or imports torch at run time. Units are in names (``_in_s``) or comments.
"""

from bench.types.data import Clip, Folds, Shard, ShardSet, Splits
from bench.types.encoders import Certificate, Check, Encoder, EncoderSpec, Policy
from bench.types.errors import BenchError, ChoiceError, DataError, EncoderError, UnavailableError
from bench.types.metrics import Metric, OfCounts, PerClip, Predictions, Resampling, Statistic, Weighted, WeightedMetric
from bench.types.notes import BEYOND_SCALE, BROKEN_FRAMES, CANCELLED, DECODING_NOTES, SECOND_DECODER
from bench.types.results import OWN_DATA, Data, Failure, Leaderboard, Score
from bench.types.runs import FRAMES, PRECISIONS, PROTOCOLS, SUITES, WIDE, Embeddings, Settings
from bench.types.targets import Captions, ClassLabel, Event, Events, MultiLabel, Sidecar, Target, Targets, Transcript
from bench.types.tasks import DOMAINS, Domain, FitSplit, Mini, Probe, ProbeResult, Task, XaresOverrides
from bench.types.trials import AudioFile, Form, Pairs, Trials, Utterance

__all__ = [
    "BEYOND_SCALE",
    "BROKEN_FRAMES",
    "CANCELLED",
    "DECODING_NOTES",
    "DOMAINS",
    "FRAMES",
    "OWN_DATA",
    "PRECISIONS",
    "PROTOCOLS",
    "SECOND_DECODER",
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
    "Form",
    "Leaderboard",
    "Metric",
    "Mini",
    "MultiLabel",
    "OfCounts",
    "Pairs",
    "PerClip",
    "Policy",
    "Predictions",
    "Probe",
    "ProbeResult",
    "Resampling",
    "Score",
    "Settings",
    "Shard",
    "ShardSet",
    "Sidecar",
    "Splits",
    "Statistic",
    "Target",
    "Targets",
    "Task",
    "Transcript",
    "Trials",
    "UnavailableError",
    "Utterance",
    "Weighted",
    "WeightedMetric",
    "XaresOverrides",
]
