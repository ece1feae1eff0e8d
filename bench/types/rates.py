"""Names of the rates of a row that say how far its labels and audio can be trusted; a row has those above 0."""

from __future__ import annotations

from bench.types.notes import DECODING_NOTES

UNUSED_CLASSES = "classes that never occur"  # of the declared ones, in no clip at all
UNTESTED_CLASSES = "classes without test clips"  # of the declared ones, though other clips have them
UNTRAINED_CLIPS = "test clips of untrained classes"  # of the test clips: no training clip has their class
CLIPS_IN_TRAINING = "test clips also in training"  # of the test clips: by equal decoded audio
CONTRADICTED_CLIPS = "clips of equal audio with other labels"  # of all clips: another clip contradicts them
REPEATED_TRIALS = "trials listed twice"  # of the trials: the same pair with the same label, as a list may have it
EQUAL_TRIALS = "trials of equal audio"  # of the trials: both sides have the same decoded audio
FLAGGED = (
    UNUSED_CLASSES,
    UNTESTED_CLASSES,
    UNTRAINED_CLIPS,
    CLIPS_IN_TRAINING,
    CONTRADICTED_CLIPS,
    REPEATED_TRIALS,
    EQUAL_TRIALS,
    *DECODING_NOTES,
)
