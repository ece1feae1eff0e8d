"""Notes on how a clip was decoded: what a reader must know though the clip is used."""

from __future__ import annotations

SECOND_DECODER = "second decoder"  # the first one refused the clip
BROKEN_FRAMES = "broken frames"  # an MPEG stream without a promised length has bytes between frames or half a frame
BEYOND_SCALE = "beyond full scale"  # a file of floats has samples outside [-1, 1]
CANCELLED = "channels cancel"  # mono, their mean, is nearly silent
DECODING_NOTES = (SECOND_DECODER, BROKEN_FRAMES, BEYOND_SCALE, CANCELLED)
