"""Hard pairs: non-targets that agree in what is known of them, targets that differ; random and easy ones beside them.

The hard list of the synthetic suite has non-targets of one gender, language and device, and targets that differ in
language or device. What a list owes to its construction is the difference between the three rows.

Of a user's own recordings: ``hardpairs/recordings.csv`` (``key,path,speaker`` and any attributes) with ``hard.txt``,
``random.txt`` and ``easy.txt`` (``label enrol test``), drawn by ``bench.verification.hard_pairs.HardPairSampler``.

Ren et al., "Speaker Verification for Audio Large Language Models", arXiv 2509.19755.
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import Cosine
from bench.types import Mini, ShardSet, Splits, Task, Trials
from tasks.mini.checksums import read_checksums
from tasks.mini.speech.people import SPEAKERS, make_speakers
from tasks.mini.speech.synthesis import LICENCE
from tasks.verification import layouts


def build_task(name: str, trials: str, description: str) -> Task:
    """Build the task of one list."""
    return Task(
        name=name,
        domain="speech",
        description=description,
        shards=ShardSet({"test": "speakers_test_*.tar"}, folder="hardpairs", corpus=layouts.list_recordings),
        split=Splits(train=None, valid=None, test="test"),
        target=Trials(
            file=trials,
            agree=("gender", "language", "age", "device", "dialect", "distance", "scene"),
            durations_in_s=(2.0, 6.0),
        ),
        metric=equal_error_rate,
        probes=(Cosine(),),
        weight=0.0,
        mini=Mini(make=make_speakers, version=1, sha256=read_checksums(SPEAKERS), licence=LICENCE, folder=SPEAKERS),
        source="arXiv 2509.19755",
        licence="that of the recordings",
    )


HARD = build_task("hardpairs", "hard.txt", "pairs that are hard by their metadata")
RANDOM = build_task("hardpairs_random", "random.txt", "pairs of the same recordings, drawn at random")
EASY = build_task("hardpairs_easy", "easy.txt", "pairs that are easy by their metadata")
