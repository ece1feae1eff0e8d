"""VoxCeleb1: do two utterances have one speaker? The lists O, O (cleaned), E and H.

O is the original list about 40 speakers, E about all 1,251, H about pairs of the same gender and nationality; each also
comes with wrong labels removed ("cleaned"). Audio in VoxCeleb's own layout, ``voxceleb1/wav/<speaker>/<video>/*.wav``,
development and test part together for E and H, with the lists beside it: ``veri_test.txt``, ``veri_test2.txt``,
``list_test_all2.txt``, ``list_test_hard2.txt``. With ``vox1_meta.csv`` there, scores are also given by gender.

Nagrani et al. 2017, doi:10.21437/Interspeech.2017-950; Chung et al. 2018, doi:10.21437/Interspeech.2018-1929 (E, H).
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import Cosine
from bench.types import Mini, ShardSet, Splits, Task, Trials
from tasks.mini.checksums import read_checksums
from tasks.mini.speech.people import SPEAKERS, make_speakers
from tasks.mini.speech.synthesis import LICENCE
from tasks.verification import layouts

SPEAKERS_MADE = Mini(make=make_speakers, version=1, sha256=read_checksums(SPEAKERS), licence=LICENCE, folder=SPEAKERS)


def build_task(name: str, trials: str, description: str, mini: Mini | None = None) -> Task:
    """Build the task of one trial list."""
    return Task(
        name=name,
        domain="speech",
        description=description,
        shards=ShardSet({"test": "speakers_test_*.tar"}, folder="voxceleb1", corpus=layouts.build_voxceleb(trials)),
        split=Splits(train=None, valid=None, test="test"),
        target=Trials(
            file=trials,
            repeats=True,
            agree=("gender",),
            each=("gender",),
            durations_in_s=(2.0, 6.0),
            corpora=("voxceleb1",),
        ),
        metric=equal_error_rate,
        probes=(Cosine(),),
        weight=0.0,
        mini=mini,
        source="doi:10.21437/Interspeech.2017-950",
        licence="CC-BY-4.0",
    )


O_CLEANED = build_task("voxceleb1_verification", "veri_test2.txt", "VoxCeleb1-O, cleaned", SPEAKERS_MADE)
O_ORIGINAL = build_task("voxceleb1_o", "veri_test.txt", "VoxCeleb1-O, original list")
E_CLEANED = build_task("voxceleb1_e", "list_test_all2.txt", "VoxCeleb1-E, cleaned")
H_CLEANED = build_task("voxceleb1_h", "list_test_hard2.txt", "VoxCeleb1-H, cleaned")
