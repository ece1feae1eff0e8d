"""TidyVoice 2026: is it the same speaker, whatever language is spoken? The development list and two evaluation lists.

``tidyvoice`` is the development list: ``TidyVoiceX_Dev.txt`` (``label enrol test``, paths below ``TidyVoiceX_Dev``)
beside ``TidyVoiceX_Train`` and ``TidyVoiceX_Dev``, each ``<speaker>/<language>/<file>.wav``. What back-ends learn is
learnt from the training part. Trials fall into four kinds, {target, non-target} x {same, different language}, and the
scores of their four pairings stand in the row: targets across languages against non-targets of one language are the
hardest.

The evaluation lists have no labels: ``tidyvoice_eval_a`` (languages of training among them) and ``tidyvoice_eval_u``
(none but new languages) over the flat folder ``TidyVoiceX2_ASV``. (The challenge's page and its recipe describe the
first differently: all languages mixed, or enrolment seen and test unseen.)

Farhadipour et al. 2026, arXiv 2601.21960.
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import PLDA, Cosine, SNorm
from bench.types import Mini, ShardSet, Splits, Task, Trials
from tasks.mini.checksums import read_checksums
from tasks.mini.speech.people import SPEAKERS, make_speakers
from tasks.mini.speech.synthesis import LICENCE
from tasks.verification import layouts

SPLIT = Splits(train="train", valid=None, test="test")
PATTERNS = {"train": "speakers_train_*.tar", "test": "speakers_test_*.tar"}
BACKENDS = (Cosine(), Cosine(centred=True), SNorm(top_n=300), PLDA())
SOURCE = "arXiv 2601.21960"
LICENCE_OF_CORPUS = "CC0-1.0 (Common Voice), terms of the Mozilla Data Collective"


TASK = Task(
    name="tidyvoice",
    domain="speech",
    description="speakers across languages",
    shards=ShardSet(PATTERNS, folder="tidyvoice", also=("TidyVoiceX",), corpus=layouts.list_tidyvoice),
    split=SPLIT,
    target=Trials(file="TidyVoiceX_Dev.txt", repeats=True, agree=("language",), corpora=("tidyvoice", "commonvoice")),
    metric=equal_error_rate,
    probes=BACKENDS,
    weight=0.0,
    mini=Mini(
        make=make_speakers,
        version=1,
        sha256=read_checksums(SPEAKERS),
        probes=(Cosine(), Cosine(centred=True), SNorm(top_n=10), PLDA()),
        licence=LICENCE,
        folder=SPEAKERS,
    ),
    source=SOURCE,
    licence=LICENCE_OF_CORPUS,
)


def build_unlabelled_task(letter: str) -> Task:
    """Build the task of an evaluation list, whose scores are for the challenge's server to judge."""
    trials = f"tv26_eval-{letter}.txt"
    return Task(
        name=f"tidyvoice_eval_{letter.lower()}",
        domain="speech",
        description="speakers across languages, without labels",
        shards=ShardSet({}, folder="tidyvoice", also=("TidyVoiceX",), corpus=layouts.build_tidyvoice_eval(trials)),
        split=SPLIT,
        target=Trials(file=trials, form="unlabelled", repeats=True, corpora=("tidyvoice", "commonvoice")),
        metric=equal_error_rate,
        probes=BACKENDS,
        weight=0.0,
        source=SOURCE,
        licence=LICENCE_OF_CORPUS,
    )


EVAL_A = build_unlabelled_task("A")
EVAL_U = build_unlabelled_task("U")
