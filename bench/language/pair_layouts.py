"""Layouts: four ways to present two recordings to a model that takes one audio.

``separate`` gives two audios; the others give one: ``concat`` (enrolment, then test), ``concat_silence`` (1 s of
silence between) and ``mix`` (both at once). They are functions of float audio [N] at one sampling rate.

Source: Ren et al., "Speaker Verification for Audio Large Language Models", arXiv 2509.19755. That ``mix`` brings both
to one level first is our choice: otherwise the louder recording masks the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.types import ChoiceError, DataError

Audio = NDArray[np.float32]
Layout = Literal["separate", "concat", "concat_silence", "mix"]
SILENCE_IN_S = 1.0
PEAK = 0.99  # a mixture with a higher peak is scaled down to it


def _keep_separate(enrol: Audio, test: Audio, rate: int) -> tuple[Audio, ...]:
    return enrol, test


def _concatenate(enrol: Audio, test: Audio, rate: int) -> tuple[Audio, ...]:
    return (np.concatenate([enrol, test]),)


def _concatenate_with_silence(enrol: Audio, test: Audio, rate: int) -> tuple[Audio, ...]:
    return (np.concatenate([enrol, np.zeros(round(SILENCE_IN_S * rate), dtype=np.float32), test]),)


def _mix(enrol: Audio, test: Audio, rate: int) -> tuple[Audio, ...]:
    size = max(len(enrol), len(test))
    total = np.zeros(size)
    for side in (enrol, test):
        level = float(np.sqrt(np.mean(np.square(side, dtype=np.float64))))
        total[: len(side)] += 0.1 * side / level if level > 0 else side
    peak = float(np.abs(total).max())
    return ((total * (PEAK / peak) if peak > PEAK else total).astype(np.float32),)


LAYOUTS: dict[Layout, Callable[[Audio, Audio, int], tuple[Audio, ...]]] = {
    "separate": _keep_separate,
    "concat": _concatenate,
    "concat_silence": _concatenate_with_silence,
    "mix": _mix,
}


def arrange_pair(layout: str, enrol: Audio, test: Audio, rate: int) -> tuple[Audio, ...]:
    """Present two recordings [N] at ``rate`` [Hz] in a layout.

    Returns:
        Two audios for ``separate``, one for the others.

    Raises:
        ChoiceError: The layout is unknown.
        DataError: A recording is empty.
    """
    if layout not in LAYOUTS:
        raise ChoiceError("layout", got=layout, expected=", ".join(LAYOUTS), where="pair question")
    for name, side in (("enrolment", enrol), ("test", test)):
        if side.ndim != 1 or len(side) == 0:
            raise DataError(f"{name} audio", got=list(side.shape), expected="[N >= 1]", where=layout)
    return LAYOUTS[layout](enrol, test, rate)


def crop_pair(layout: str, enrol: Audio, test: Audio, rate: int, most_in_s: float | None) -> tuple[Audio, Audio]:
    """Cut both recordings so that the layout is at most ``most_in_s`` long.

    Models that cut their input themselves would drop the test recording. The ends of both recordings are cut alike; one
    that is shorter than its share is left whole.

    Raises:
        DataError: The silence leaves no room.
    """
    if most_in_s is None:
        return enrol, test
    room = int(most_in_s * rate)
    if layout in ("separate", "mix"):
        return enrol[:room], test[:room]
    room -= round(SILENCE_IN_S * rate) if layout == "concat_silence" else 0
    if room < 2:
        raise DataError("no room for two recordings", got=f"{most_in_s:g} s", expected="more", where=layout)
    shorter = min(len(enrol), len(test), room // 2)
    longest = room - shorter
    return enrol[:longest], test[: room - len(enrol[:longest])]
