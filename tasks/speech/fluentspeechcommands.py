"""Fluent Speech Commands: which of 248 commands is spoken? (Lugosch et al. 2019, doi:10.21437/Interspeech.2019-2396)"""

from __future__ import annotations

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Published, ShardSet, Splits, Task
from tasks.labels import labels

NAME = "fluentspeechcommands"

TASK = Task(
    name=NAME,
    domain="speech",
    description="exact-phrase (248) keyword/intent classification",
    shards=ShardSet(
        patterns={
            "train": "fluentspeechcommands_train*.tar",
            "valid": "fluentspeechcommands_valid*.tar",
            "test": "fluentspeechcommands_test*.tar",
        },
        zenodo="14722453",
    ),
    split=Splits(),
    target=ClassLabel("transcription", labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=10, learning_rate=1e-3, batch_size=32), KNN()),
    weight=2000,
    source="doi:10.21437/Interspeech.2019-2396",
    licence="as stated by its authors: academic use",
    published=Published(batch_size_encode=1),
)
