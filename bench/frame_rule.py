"""How many frames a clip gives: T(n) = max(1, floor((n - c) / hop) + 1), with c exact to a sample.

n is the clip's length in samples, hop the distance between frames in samples, and c the shortest clip that fills the
first frame: 400 for an encoder whose frames need 25 ms at 16 kHz, 1 for one that starts a frame every hop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bench.types import Certificate, EncoderError

FORMULA = "T = floor((n - c) / hop) + 1"


def frames(n: int, start: float, hop: float) -> int:
    return max(1, math.floor((n - start) / hop) + 1)


def valid_frames(certificate: Certificate, n_samples: int) -> int:
    """Frames that belong to a clip of ``n_samples``, whatever it was padded to; at least 1.

    Raises EncoderError when the certificate found no rule: such an encoder is never given padded clips, and every frame
    is valid.
    """
    if certificate.first_frame_in_samples is None:
        raise EncoderError("frames of a padded clip", got="no frame rule", expected=FORMULA, where="certificate")
    return frames(n_samples, certificate.first_frame_in_samples, certificate.hop_in_samples)


def exact_hop(declared: float) -> float:
    """``hop_size_in_ms`` is often a rounded figure, hops are mostly whole samples: 319.92 -> 320."""
    return float(round(declared)) if abs(declared - round(declared)) < 1e-3 * declared else declared


def find_start(count: Callable[[int], int], hop: float, n: int) -> float:
    """c, from where ``count(n)`` (T of a clip of n samples) jumps. ``n`` is a length to start from, >> hop.

    Two clips on either side of a jump tell for the usual rules, otherwise about log2(hop) clips by bisection.
    """
    t = count(n)
    for start in (1.0, hop, 0.0):  # ceil(n / hop), floor(n / hop), floor(n / hop) + 1
        jump = math.ceil(start + t * hop)  # the first length with one more frame
        if frames(n, start, hop) == t and (count(jump - 1), count(jump)) == (t, t + 1):
            return start
    low, high = n, n + math.ceil(hop)  # T(low) = t < T(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) > t else (middle, high)
    return high - t * hop


def contradiction(seen: Mapping[int, int], start: float, hop: float) -> tuple[int, int] | None:
    """The first (n, T) measured that the rule does not give."""
    return next(((n, t) for n, t in sorted(seen.items()) if t != frames(n, start, hop)), None)
