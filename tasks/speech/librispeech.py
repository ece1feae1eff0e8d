"""LibriSpeech: what is read aloud? (Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964)."""

from __future__ import annotations

from dataclasses import replace

from bench.metrics.error_rates import build_word_error_rate_inverse, to_lower_case, to_plain_words
from bench.probes import SmallLM, SpeechToText
from bench.types import Mini, ShardSet, Splits, Task, Transcript
from tasks.mini.checksums import read_checksums
from tasks.mini.speech import books
from tasks.mini.speech.synthesis import LICENCE

NAME = "librispeech"

# No language model is at hand, so a small one learns the few words together with the adapter. Four frames make one
# of its tokens, as it is trained anew for every encoder, and no word is written twice in a sentence.
SMALL_PROBES = (
    SpeechToText(
        epochs=12,
        learning_rate=2e-3,
        batch_size=16,
        language_model=SmallLM(layers=2, width=64),
        stack=4,
        max_new_tokens=10,
        repetition_penalty=1.0,
    ),
)

TASK = Task(
    name=NAME,
    domain="speech",
    description="speech recognition",
    taxonomy=2,
    shards=ShardSet(
        patterns={"train": "train-clean-100*.tar", "valid": "dev-clean*.tar", "test": "test-clean*.tar"},
        folder=books.NAME,
        zenodo="14716252",
    ),
    split=Splits(),
    target=Transcript("trans"),
    metric=replace(build_word_error_rate_inverse(to_plain_words), xares=build_word_error_rate_inverse(to_lower_case)),
    probes=(SpeechToText(epochs=10, learning_rate=1e-3, batch_size=4),),
    weight=10_000,
    cluster="speaker",
    mini=Mini(
        make=books.make,
        version=books.VERSION,
        sha256=read_checksums(NAME),
        probes=SMALL_PROBES,
        folder=books.NAME,
        licence=LICENCE,
    ),
    source="doi:10.1109/ICASSP.2015.7178964",
    licence="CC-BY-4.0",
)
