"""Losses that pull a clip and its caption together and everything else in the batch apart (InfoNCE, both directions).

- ``cosine``: embeddings of unit length; the log-scale stops at log 100; every caption of a clip that the batch holds is
  right for it, so a row's target is uniform over all pairs of its clip. For one caption per clip this is CLIP's loss.
- ``dot``: X-ARES's: plain dot products, only a pair's own caption is right, the scale is free, and for each side the
  mean absolute value of the batch's embeddings over the norm of them all is added.

Sources: Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021, section
2.3; Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (several positives); X-ARES 0.1.3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

Similarity = Literal["cosine", "dot"]
LOG_SCALE = math.log(1 / 0.07)  # before training
LARGEST_LOG_SCALE = math.log(100)


def compute_contrastive_loss(
    objective: Similarity, audio: Tensor, text: Tensor, clips: Tensor, log_scale: Tensor
) -> Tensor:
    """Return the loss of B pairs: ``audio`` and ``text`` [B, W], ``clips`` [B] equal for captions of one clip."""
    if objective == "dot":
        right = torch.eye(len(clips), device=clips.device)
        penalty = _compute_spread(audio) + _compute_spread(text)
    else:
        audio, text = functional.normalize(audio, dim=1), functional.normalize(text, dim=1)
        same = (clips[:, None] == clips).to(audio.dtype)
        right, penalty = same / same.sum(dim=1), audio.new_zeros(())
    logits = log_scale.exp() * (audio @ text.T)
    both = [-(right * functional.log_softmax(side, dim=1)).sum(dim=1).mean() for side in (logits, logits.T)]
    return (both[0] + both[1]) / 2 + penalty


def _compute_spread(embeddings: Tensor) -> Tensor:
    """Return the mean absolute value over the norm."""
    return embeddings.abs().mean() / embeddings.square().sum().sqrt()
