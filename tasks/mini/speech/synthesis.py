"""Synthetic speech in many languages and voices, from espeak-ng in a child process (see ``espeak``)."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bench.types import DataError

Float = NDArray[np.float64]
RATE = 16_000  # Hz, of everything made here
PROGRAM = ("-m", "tasks.mini.speech.espeak")
LICENCE = "CC0-1.0 audio, synthesised by espeak-ng (GPL-3.0-or-later, not distributed)"


@dataclass(frozen=True, slots=True)
class Voice:
    """A talker. ``name`` is espeak-ng's, language+variant; ``pitch`` and ``range`` are its 0..100."""

    name: str
    rate: int = 165  # words per minute
    pitch: int = 50
    range: int = 50
    tract: float = 1.0  # formants and pitch are raised by this factor: a shorter vocal tract


Say = Callable[[str, Voice], Float]
"""Text and voice to speech [N] at ``RATE``, peak 1, without leading and trailing silence."""


def _read_reply(process: subprocess.Popen[bytes], errors: IO[bytes], where: str) -> bytes:
    out = process.stdout
    assert out is not None
    head = out.read(4)
    size = struct.unpack("<i", head)[0] if len(head) == 4 else 0
    body = out.read(abs(size))
    if not body or len(body) != abs(size):
        process.wait()
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        got = f"exit {process.returncode}: {last[0]}"
        raise DataError("the speech synthesiser ended", got=got, expected="an answer", where=where)
    if size < 0:
        raise DataError("speech synthesis", got=body.decode(), expected="speech", where=where)
    return body


def resample(x: Float, ratio: float) -> Float:
    """Resample ``x`` [N] to ``ratio`` times its sampling rate: [~ N ratio], band-limited, by Fourier transform.

    The ratio is met to 0.5 %, far less than talkers differ by, so that both transforms have fast lengths.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    sizes = [next_fast_len(int(np.ceil(len(x) * ratio)) + 512)]  # padding keeps the wrap-around in silence
    for _ in range(15):
        sizes.append(next_fast_len(sizes[-1] + 1))
    pairs = [(next_fast_len(round(size / ratio)), size) for size in sizes]
    source, target = min(pairs, key=lambda pair: abs(pair[1] / pair[0] / ratio - 1))
    bins = target // 2 + 1
    spectrum = rfft(x, source)[:bins]
    y = irfft(np.pad(spectrum, (0, bins - len(spectrum))), target) * (target / source)
    return np.asarray(y[: int(np.ceil(len(x) * ratio))], dtype=np.float64)


def trim(x: Float, floor_in_db: float = -45.0) -> Float:
    """Trim samples below ``floor_in_db`` of the peak from both ends of ``x`` [N], and scale it to peak 1."""
    peak = np.max(np.abs(x))
    loud = np.flatnonzero(np.abs(x) > peak * 10 ** (floor_in_db / 20))
    return x[loud[0] : loud[-1] + 1] / peak if len(loud) else x


@contextmanager
def open_synthesiser() -> Iterator[Say]:
    """Start the engine; it ends with the block. Equal sequences of calls give equal samples.

    (Its vibrato runs on from one utterance to the next, so a single call is not a function of its arguments alone.)
    Raises DataError when espeakng-loader is not installed or the engine refuses a voice, a parameter or a text.
    """
    if find_spec("espeakng_loader") is None:
        raise DataError(
            "the synthetic suite's speech needs a synthesiser",
            got="no package espeakng-loader",
            expected="pip install espeakng-loader==0.2.4 (or bring real shards: --data DIR works without it)",
            where="tasks.mini.speech.synthesis",
        )
    command = [sys.executable, *PROGRAM]
    root = Path(__file__).parents[3]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )  # fmt: skip
        try:
            engine_rate = int(_read_reply(process, errors, "start"))

            def say(text: str, voice: Voice) -> Float:
                rate = min(450, max(80, round(voice.rate / voice.tract)))
                request = {"text": text, "voice": voice.name, "rate": rate, "pitch": voice.pitch, "range": voice.range}
                assert process.stdin is not None
                try:
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    process.stdin.flush()
                except BrokenPipeError:
                    pass  # the reader reports why it ended
                pcm = np.frombuffer(_read_reply(process, errors, f"{voice.name}: {text!r}"), "<i2").astype(np.float64)
                if not pcm.any():
                    raise DataError("speech synthesis", got="silence", expected="speech", where=f"{voice}: {text!r}")
                return trim(resample(pcm / 32768.0, RATE / (engine_rate * voice.tract)))

            yield say
        finally:
            process.terminate()
            process.communicate()
