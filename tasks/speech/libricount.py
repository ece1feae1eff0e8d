"""LibriCount: how many people, 0 to 10, speak at once? (Stöter et al. 2018, doi:10.1109/TASLP.2018.2877892)."""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Folds, Mini, ShardSet, Task
from tasks.labels import list_indices
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.crowd import FOLDS, make_libricount
from tasks.mini.speech.synthesis import LICENCE

NAME = "libricount"

TASK = Task(
    name=NAME,
    domain="speech",
    description="speaker counting 0..10; mini: synthetic voices, other ones in every fold",
    shards=ShardSet(patterns={fold: f"libricount_fold{int(fold):02d}.tar" for fold in FOLDS}, zenodo="14722478"),
    split=Folds(FOLDS),
    target=ClassLabel("num_speakers", list_indices(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64), KNN()),
    weight=1144,
    mini=Mini(make=make_libricount, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.1109/TASLP.2018.2877892",
    licence="as stated by the source",
)
