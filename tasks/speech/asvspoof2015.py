"""ASVspoof 2015: is the voice genuine or spoofed? (Wu et al. 2015, doi:10.21437/Interspeech.2015-462)."""

from __future__ import annotations

from pathlib import Path

from bench.metrics import accuracy
from bench.probes import KNN, LinearProbe
from bench.types import ClassLabel, Mini, ShardSet, Splits, Task
from tasks.labels import read_labels
from tasks.mini.checksums import read_checksums
from tasks.mini.probes import PROBES
from tasks.mini.speech.spoof import NAME, make_utterances
from tasks.mini.speech.synthesis import LICENCE, open_synthesiser
from tasks.mini.write import write_shards

SPLITS = {"train": "asvspoof_train", "valid": "asvspoof_valid", "test": "asvspoof_eval"}
SENTENCES = {"train": 4, "valid": 3, "test": 4}  # of each voice, genuine and spoofed; no two splits share a voice


def make(folder: Path) -> None:
    """Make the synthetic version: voices, and what vocoders and converters make of them; as many of each."""
    with open_synthesiser() as say:
        for split, per_voice in SENTENCES.items():
            write_shards(folder, SPLITS[split], make_utterances(say, split, per_voice))


TASK = Task(
    name=NAME,
    domain="speech",
    description="spoofing detection",
    shards=ShardSet(
        patterns={"train": "asvspoof_train*.tar", "valid": "asvspoof_valid*.tar", "test": "asvspoof_eval*.tar"},
        zenodo="14718430",
    ),
    split=Splits(),
    target=ClassLabel("binary_spoof", read_labels(NAME)),
    metric=accuracy,
    probes=(LinearProbe(epochs=5, learning_rate=1e-3, batch_size=64), KNN()),
    weight=2000,
    cluster="speaker",
    mini=Mini(make=make, version=1, sha256=read_checksums(NAME), probes=PROBES, licence=LICENCE),
    source="doi:10.21437/Interspeech.2015-462",
    licence="as stated by the Zenodo record",
)
