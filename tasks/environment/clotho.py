"""Clotho: which caption belongs to which recording? (Drossos et al. 2020, doi:10.1109/ICASSP40776.2020.9052990)."""

from __future__ import annotations

from bench.metrics import recall_at_1
from bench.probes import RetrievalProbe
from bench.types import Captions, Mini, ShardSet, Splits, Task
from tasks.mini.checksums import read_checksums
from tasks.mini.environment.captions import make_clotho
from tasks.mini.environment.recordings import LICENCE
from tasks.mini.probes import RETRIEVAL_PROBES

NAME = "clotho"

TASK = Task(
    name=NAME,
    domain="environment",
    description="retrieval of clips by captions and of captions by clips; mini: generated scenes and captions",
    shards=ShardSet(
        patterns={
            "train": "clotho_development*.tar",
            "valid": "clotho_evaluation*.tar",
            "test": "clotho_validation*.tar",
        },
        zenodo="14856454",
    ),
    split=Splits(),
    target=Captions(n_captions=5),
    metric=recall_at_1,
    probes=(RetrievalProbe(epochs=20, learning_rate=1e-3, batch_size=128),),
    taxonomy=3,
    weight=1045,
    crop_in_s=30.0,
    mini=Mini(
        make=make_clotho,
        version=1,
        sha256=read_checksums(NAME),
        probes=RETRIEVAL_PROBES,
        licence=LICENCE,
    ),
    source="doi:10.1109/ICASSP40776.2020.9052990",
    licence="Tampere University licence, non-commercial, attribution",
)
