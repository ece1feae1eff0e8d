"""CN-Celeb: Chinese celebrities in eleven genres, from singing to interviews; many trials across genres.

Audio and lists in the corpus's own layout: ``cnceleb/eval/{enroll,test,lists}``, of ``CN-Celeb_flac`` or of the older
release in wav. Enrolments are long and of one genre or several.

Fan et al. 2020, doi:10.1109/ICASSP40776.2020.9054017.
"""

from __future__ import annotations

from bench.metrics import equal_error_rate
from bench.probes import Cosine
from bench.types import ShardSet, Splits, Task, Trials
from tasks.verification import layouts

TASK = Task(
    name="cnceleb",
    domain="speech",
    description="speakers across genres",
    shards=ShardSet({}, folder="cnceleb", also=("CN-Celeb_flac", "CN-Celeb"), corpus=layouts.list_cnceleb),
    split=Splits(train=None, valid=None, test="test"),
    target=Trials(
        file="eval/lists/trials.lst",
        form="label last",
        repeats=True,
        durations_in_s=(2.0, 5.0),
        corpora=("cnceleb",),
    ),
    metric=equal_error_rate,
    probes=(Cosine(),),
    weight=0.0,
    source="doi:10.1109/ICASSP40776.2020.9054017",
    licence="CC-BY-SA-4.0",
)
