"""FSD50K: which of 200 kinds of sound are heard? (Fonseca et al. 2022, doi:10.1109/TASLP.2021.3133208)."""

from __future__ import annotations

from bench.metrics import mean_average_precision
from bench.probes import LinearProbe
from bench.types import Mini, MultiLabel, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.events import list_fsd50k_classes, make_fsd50k
from tasks.mini.environment.recordings import LICENCE
from tasks.mini.probes import MULTI_LABEL_PROBES

NAME = "fsd50k"

TASK = Task(
    name=NAME,
    domain="environment",
    description="multi-label sound event tagging; mini: 24 of the 200 classes, synthetic sources",
    shards=ShardSet(
        patterns={"train": "fsd50k_train*.tar", "valid": "fsd50k_validation*.tar", "test": "fsd50k_eval*.tar"},
        zenodo="14868441",
    ),
    split=Splits(),
    target=MultiLabel("soundevent", read_labels(NAME)),
    metric=mean_average_precision,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=64),),
    weight=2000,
    crop_in_s=10.0,
    mini=Mini(
        make=make_fsd50k,
        version=1,
        sha256=read_checksums(NAME),
        probes=MULTI_LABEL_PROBES,
        classes=list_fsd50k_classes(),
        licence=LICENCE,
    ),
    source="doi:10.1109/TASLP.2021.3133208",
    licence="Creative Commons, stated per clip",
)
