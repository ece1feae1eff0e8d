"""Text-dependent verification: the right person saying the right phrase.

Only the same speaker with the same text is a target (target-correct, TC). The subsets hold all targets against one kind
of non-target each: target-wrong (TW: same speaker, other text), impostor-correct (IC) and impostor-wrong (IW). What
hears speakers only fails the first, what hears words only the second.

Of a user's own recordings: ``text_dependent/recordings.csv`` (``key,path,speaker,text``) with ``phrases.txt`` (``label
enrol test``), drawn by ``bench.verification.phrase_pairs``. One enrolment utterance a trial, not a model of several.

Larcher et al. 2014, doi:10.1016/j.specom.2014.03.001 (the four types).
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import Cosine
from bench.types import Mini, ShardSet, Splits, Task, Trials
from tasks.mini.checksums import read_checksums
from tasks.mini.speech.people import PHRASES, make_phrases
from tasks.mini.speech.synthesis import LICENCE
from tasks.verification import layouts

TASK = Task(
    name="text_dependent",
    domain="speech",
    description="the right speaker saying the right phrase",
    shards=ShardSet({"test": "phrases_test_*.tar"}, folder="text_dependent", corpus=layouts.list_recordings),
    split=Splits(train=None, valid=None, test="test"),
    target=Trials(file="phrases.txt", nontargets=("speaker", "text")),
    metric=equal_error_rate,
    probes=(Cosine(),),
    weight=0.0,
    mini=Mini(make=make_phrases, version=1, sha256=read_checksums(PHRASES), licence=LICENCE, folder=PHRASES),
    source="doi:10.1016/j.specom.2014.03.001",
    licence="that of the recordings",
)
