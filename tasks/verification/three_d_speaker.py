"""3D-Speaker: the same speakers by other devices, from other distances and in other dialects; three trial lists.

Audio and lists in the corpus's own layout: ``3dspeaker/test`` and ``3dspeaker/files`` (what ``3dspeaker_files.tar.gz``
holds: ``test_wav.scp``, ``test_utt2spk``, ``trials_cross_{device,distance,dialect}``).

Zheng et al. 2023, arXiv 2306.15354.
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import Cosine
from bench.types import ShardSet, Splits, Task, Trials
from tasks.verification import layouts


def build_task(what: str) -> Task:
    """Build the task of one list: targets differ in ``what``."""
    return Task(
        name=f"three_d_speaker_{what}",
        domain="speech",
        description=f"speakers across {what}s",
        shards=ShardSet({}, folder="3dspeaker", also=("3D-Speaker",), corpus=layouts.list_three_d_speaker),
        split=Splits(train=None, valid=None, test="test"),
        target=Trials(
            file=f"files/trials_cross_{what}",
            form="label last",
            repeats=True,
            agree=(what,),
            durations_in_s=(2.0, 6.0),
            corpora=("3dspeaker",),
        ),
        metric=equal_error_rate,
        probes=(Cosine(),),
        weight=0.0,
        source="arXiv 2306.15354",
        licence="CC-BY-SA-4.0",
    )


DEVICE = build_task("device")
DISTANCE = build_task("distance")
DIALECT = build_task("dialect")
