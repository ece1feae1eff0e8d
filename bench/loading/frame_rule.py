"""How many frames a clip gives: T(n) = max(1, floor((n - c) / hop) + 1), with c exact to a sample.

n is the clip's length in samples, hop the distance between frames in samples, and c the shortest clip that fills the
first frame: 400 for an encoder whose frames need 25 ms at 16 kHz, 1 for one that starts a frame every hop.

When a frame is follows from c as well. A window that must be filled (c >= hop) has its centre at c / 2; frames every
hop that may be part padding (0 < c < hop) have theirs at hop / 2; one frame more than that (c <= 0) means frames
centred on 0, hop, ... with padding on both sides. It can be off by half a hop for an encoder that pads in another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bench.types import Certificate, EncoderError

FORMULA = "T = floor((n - c) / hop) + 1"


def count_frames(n: int, start: float, hop: float) -> int:
    return max(1, math.floor((n - start) / hop) + 1)


def count_valid_frames(certificate: Certificate, n_samples: int) -> int:
    """Frames that belong to a clip of ``n_samples``, whatever it was padded to; at least 1.

    Raises EncoderError when the certificate found no rule: such an encoder is never given padded clips, and every frame
    is valid.
    """
    if certificate.first_frame_in_samples is None:
        raise EncoderError("frames of a padded clip", got="no frame rule", expected=FORMULA, where="certificate")
    return count_frames(n_samples, certificate.first_frame_in_samples, certificate.hop_in_samples)


def compute_frame_borders(certificate: Certificate, n_samples: int, count: int) -> tuple[int, list[float]]:
    """Return the stretch of a clip that each of its ``count`` frames stands for, in samples.

    Returns how many frames at the start speak for nothing (their time lies before the clip) and the borders of those
    that remain, halfway between neighbouring centres, from 0 to ``n_samples``: frames beyond the clip's end get none
    either. Without a rule the frames share the clip evenly.
    """
    hop, start = certificate.hop_in_samples, certificate.first_frame_in_samples
    if start is None:
        return 0, [n_samples * t / count for t in range(count + 1)]
    centre = start / 2 if start <= 0 or start >= hop else hop / 2
    between = [centre + (t + 0.5) * hop for t in range(count - 1)]
    skipped = sum(border <= 0 for border in between)
    return skipped, [0.0, *(border for border in between if 0 < border < n_samples), float(n_samples)]


def round_hop(declared: float) -> float:
    """``hop_size_in_ms`` is often a rounded figure, hops are mostly whole samples: 319.92 -> 320."""
    return float(round(declared)) if abs(declared - round(declared)) < 1e-3 * declared else declared


def find_start(count: Callable[[int], int], hop: float, n: int) -> float:
    """c, from where ``count(n)`` (T of a clip of n samples) jumps. ``n`` is a length to start from.

    Two clips on either side of a jump tell for the usual rules, otherwise about log2(hop) clips by bisection. Clips too
    short for two frames say nothing, since every clip has one; T must grow with n.
    """
    while (t := count(n)) < 2:
        n *= 2
    for start in (1.0, hop, 0.0):  # ceil(n / hop), floor(n / hop), floor(n / hop) + 1
        jump = math.ceil(start + t * hop)  # the first length with one more frame
        if count_frames(n, start, hop) == t and (count(jump - 1), count(jump)) == (t, t + 1):
            return start
    low, high = n, n + math.ceil(hop)  # T(low) = t < T(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) > t else (middle, high)
    return high - t * hop


def find_contradiction(seen: Mapping[int, int], start: float, hop: float) -> tuple[int, int] | None:
    """Return the first (n, T) measured that the rule does not give."""
    return next(((n, t) for n, t in sorted(seen.items()) if t != count_frames(n, start, hop)), None)
