"""The synthetic ASVspoof 2015: the clips of ``tasks/speech/asvspoof2015.py``."""

from __future__ import annotations

from pathlib import Path

from tasks.mini.speech.spoof import make_utterances
from tasks.mini.speech.synthesis import open_synthesiser
from tasks.mini.write import write_shards

SPLITS = {"train": "asvspoof_train", "valid": "asvspoof_valid", "test": "asvspoof_eval"}
SENTENCES = {"train": 4, "valid": 3, "test": 4}  # of each voice, genuine and spoofed; no two splits share a voice


def make_asvspoof2015(folder: Path) -> None:
    """Make the synthetic version: voices, and what vocoders and converters make of them; as many of each."""
    with open_synthesiser() as say:
        for split, per_voice in SENTENCES.items():
            write_shards(folder, SPLITS[split], make_utterances(say, split, per_voice))
