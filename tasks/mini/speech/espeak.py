"""The speech synthesiser's own process: ``python -m tasks.mini.speech.espeak``, started by ``synthesis``.

espeak-ng is a GPL library with one engine per process, so it is loaded here and nowhere else. Each line of stdin is a
request in JSON (``text``, ``voice``, ``rate`` in words per minute, ``pitch`` and ``range`` in 0..100); each answer on
stdout is a signed 32-bit little-endian count, then that many bytes of int16 PCM at the engine's rate, or, where the
count is negative, an error message of that many bytes. The first answer holds the rate in Hz as decimal digits.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Synthesise = Callable[[Mapping[str, Any]], bytes]
SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
UTF8 = 1
RANGES = {"rate": (1, 80, 450), "pitch": (3, 0, 100), "range": (4, 0, 100)}  # parameter number, lowest, highest


class SpeechError(Exception):
    """The engine refused something."""


def _select(library: Any, variants: Path, request: Mapping[str, Any]) -> None:
    """Select voice and parameters of a request; return codes are checked, as the engine keeps the previous voice."""
    voice = str(request["voice"])
    variant = voice.partition("+")[2]
    if variant and not (variants / variant).is_file():  # the engine drops an unknown variant without a word
        raise SpeechError(f"unknown voice variant {variant!r} in {voice!r}")
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise SpeechError(f"unknown voice {voice!r}")
    for name, (number, lowest, highest) in RANGES.items():
        value = int(request[name])
        if not lowest <= value <= highest:
            raise SpeechError(f"{name} {value} outside {lowest}..{highest}")
        if library.espeak_SetParameter(number, value, 0) != 0:
            raise SpeechError(f"{name} {value} refused")


def load(library: Any, folder: Path) -> tuple[int, Synthesise]:
    """Start the engine on its data below ``folder``: (rate in Hz, function from request to PCM bytes)."""
    chunks: list[bytes] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(collect)
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(folder.parent).encode(), DO_NOT_EXIT)
    if rate <= 0:
        raise SpeechError(f"the engine does not start on {folder}")
    library.espeak_SetSynthCallback(callback)

    def synthesise(request: Mapping[str, Any], _alive: object = callback) -> bytes:
        chunks.clear()
        _select(library, folder / "voices" / "!v", request)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # flutter and breath are random otherwise
        text = str(request["text"]).encode() + b"\0"
        status = library.espeak_Synth(
            ctypes.c_char_p(text), ctypes.c_size_t(len(text)), 0, 0, 0, UTF8, None, None
        )  # fmt: skip
        if status != 0 or not chunks:
            raise SpeechError(f"no speech for {request['text']!r} in voice {request['voice']!r} (status {status})")
        return b"".join(chunks)

    return int(rate), synthesise


def main() -> None:
    """Answer requests until stdin ends."""
    import espeakng_loader

    out = sys.stdout.buffer

    def answer(content: bytes, sign: int = 1) -> None:
        out.write(struct.pack("<i", sign * len(content)) + content)
        out.flush()

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        rate, synthesise = load(library, Path(espeakng_loader.get_data_path()))
    except SpeechError as error:
        return answer(str(error).encode(), -1)
    answer(str(rate).encode())
    for line in sys.stdin.buffer:
        try:
            answer(synthesise(json.loads(line)))
        except (SpeechError, ValueError, KeyError, TypeError) as error:
            answer(f"{error}".encode() or b"malformed request", -1)
    return None


if __name__ == "__main__":
    main()
