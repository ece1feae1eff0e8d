"""Notes on how a clip was decoded: behind the digest of its samples they travel as far as the rates of a row."""

from __future__ import annotations

from collections.abc import Sequence

from bench.types import DECODING_NOTES

MARK = ";"


def append_notes(digest: str, notes: Sequence[str]) -> str:
    """Return a digest with the notes on its clip behind it.

    >>> append_notes("0f", ["second decoder"])
    '0f;second decoder'
    """
    return MARK.join([digest, *notes])


def drop_notes(noted: str) -> str:
    """Return the digest alone.

    >>> drop_notes("0f;second decoder")
    '0f'
    """
    return noted.partition(MARK)[0]


def compute_note_rates(noted: Sequence[str]) -> dict[str, float]:
    """Return the fraction of clips with each of the notes; those that no clip has are left out.

    >>> compute_note_rates(["0f;second decoder", "1e"])
    {'second decoder': 0.5}
    """
    counts = dict.fromkeys(DECODING_NOTES, 0)
    for clip in noted:
        for note in clip.split(MARK)[1:]:
            counts[note] += 1
    return {note: count / len(noted) for note, count in counts.items() if count}
