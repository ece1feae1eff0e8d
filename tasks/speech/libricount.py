"""LibriCount: how many people, 0 to 10, speak at once? (Stöter et al. 2018, doi:10.1109/TASLP.2018.2877892)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, ShardSet, Task
from tasks.labels import indices

NAME = "libricount"
FOLDS = ("0", "1", "2", "3", "4")

TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker counting 0..10",
    shards=ShardSet(
        patterns={
            "0": "libricount_fold00.tar",
            "1": "libricount_fold01.tar",
            "2": "libricount_fold02.tar",
            "3": "libricount_fold03.tar",
            "4": "libricount_fold04.tar",
        },
        zenodo="14722478",
    ),
    split=Folds(FOLDS),
    target=ClassLabel("num_speakers", indices(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64), KNN()),
    weight=1144,
    source="doi:10.1109/TASLP.2018.2877892",
    licence="as stated by the source",
)
