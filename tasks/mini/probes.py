"""The probes of the synthetic suite.

The published number of epochs is meant for datasets ten to a hundred times larger: on the synthetic ones it would be
some hundred steps at a learning rate of 1e-3, and the linear probe would be measured half trained. Forty epochs in
batches of 32 are about a thousand steps; where there are fewer clips, batches are smaller instead. Frames are so many
that few passes at a higher rate do as well.
"""

from __future__ import annotations

from bench.probes import KNN, FrameProbe, LinearProbe, RetrievalProbe, Tokens

PROBES = (LinearProbe(epochs=40, learning_rate=1e-3, batch_size=32), KNN())
MULTI_LABEL_PROBES = (LinearProbe(epochs=40, learning_rate=1e-3, batch_size=16),)
RETRIEVAL_PROBES = (RetrievalProbe(Tokens("words"), epochs=20, learning_rate=1e-3, batch_size=128, width=256),)
FRAME_PROBES = (FrameProbe(epochs=8, learning_rate=1e-2, batch_size=4),)
