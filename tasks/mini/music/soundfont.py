"""Sampled instruments: a General MIDI sound bank, what it is made of, and notes rendered from it.

The bank is TimGM6mb (GPL-2, Tim Brechbill), which the package ``pretty_midi`` carries; it is only played, never copied
into the project or a shard's side data. ``midirenderer`` (MIT, a Rust synthesiser) plays, ``mido`` writes the MIDI.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.types import DataError

RATE = 16_000  # Hz, of what render() returns
TICKS = 480  # per second: one beat of one second
BANK = "TimGM6mb.sf2"
LICENCE = "CC0-1.0 audio, played from the TimGM6mb bank (GPL-2.0, not distributed)"
_NEEDED = "pip install pretty_midi mido midirenderer (or --data with the real dataset, which needs none of them)"
_INSTRUMENT = 41  # SoundFont generator numbers
_KEYS = 43
_SAMPLE = 53
_ALL_KEYS = 127 << 8

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a synthesiser does: ``kind`` note_on | note_off | program_change | control_change | pitchwheel."""

    seconds: float
    channel: int
    kind: str
    values: tuple[int, ...]


def make_note(channel: int, start: float, length: float, pitch: int, velocity: int) -> tuple[Event, Event]:
    """Make a note as its two events, in seconds."""
    on = Event(start, channel, "note_on", (pitch, velocity))
    return on, Event(start + length, channel, "note_off", (pitch, 0))


def _import_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise DataError("sampled instruments", got=f"no package {name}", expected=_NEEDED, where="mini") from error


@cache
def read_bank() -> bytes:
    """Read the sound bank.

    Raises:
        DataError: It is not there; says what to install.
    """
    spec = find_spec("pretty_midi")  # found, not imported: its own imports are of no use here
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / BANK
        if path.is_file():
            return path.read_bytes()
    raise DataError("sampled instruments", got=f"no {BANK}", expected=_NEEDED, where="mini")


def write_midi(events: Sequence[Event]) -> bytes:
    """Write a type-0 MIDI file; simultaneous events keep note_off before the rest, then the given order."""
    mido = _import_module("mido")
    names = {
        "note_on": ("note", "velocity"),
        "note_off": ("note", "velocity"),
        "program_change": ("program",),
        "control_change": ("control", "value"),
        "pitchwheel": ("pitch",),
    }
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=0))
    order = sorted(
        range(len(events)), key=lambda i: (round(events[i].seconds * TICKS), events[i].kind != "note_off", i)
    )
    now = 0
    for event in (events[i] for i in order):
        tick = round(event.seconds * TICKS)
        values = dict(zip(names[event.kind], event.values, strict=True))
        track.append(mido.Message(event.kind, channel=event.channel, time=tick - now, **values))
        now = tick
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS)
    file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def render(events: Sequence[Event], seconds: float) -> Array:
    """Render events as mono audio [seconds * RATE] float64, cut or padded; the bank's effects are off."""
    from scipy import signal

    end = seconds + 0.1  # what comes later is not heard: it would only cost time, and all the more the shorter the cut
    events = [replace(e, seconds=min(e.seconds, end)) for e in events if e.seconds <= end or e.kind != "note_on"]
    dry = [Event(0.0, channel, "control_change", (effect, 0)) for channel in range(16) for effect in (91, 93)]
    wave = bytes(_import_module("midirenderer").render_wave_from(read_bank(), write_midi([*dry, *events])))
    rate, stereo = _parse_pcm16(wave)
    mono = stereo.astype(np.float64).mean(axis=1) / 32768.0
    divisor = int(np.gcd(rate, RATE))
    low: Array = signal.resample_poly(mono, RATE // divisor, rate // divisor)
    n = round(seconds * RATE)
    return np.pad(low, (0, max(0, n - len(low))))[:n]


def _parse_pcm16(wave: bytes) -> tuple[int, NDArray[np.int16]]:
    """Parse sampling rate and samples [N, channels] of a 16-bit RIFF file; sizes in its header are not trusted."""
    at, rate, channels = 12, 0, 0
    while at + 8 <= len(wave):
        tag, size = wave[at : at + 4], struct.unpack_from("<I", wave, at + 4)[0]
        if tag == b"fmt ":
            channels, rate, bits = *struct.unpack_from("<HI", wave, at + 10), struct.unpack_from("<H", wave, at + 22)[0]
            if bits != 16:
                raise DataError("rendered music", got=f"{bits} bits", expected="16 bits", where="midirenderer")
        if tag == b"data" and channels:
            body = wave[at + 8 : at + 8 + size]
            usable = len(body) - len(body) % (2 * channels)
            return rate, np.frombuffer(body[:usable], dtype="<i2").reshape(-1, channels)
        at += 8 + size + size % 2
    raise DataError("rendered music", got="no audio", expected="a RIFF file", where="midirenderer")


def _iterate_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _parse_records(data: bytes, layout: str) -> list[tuple[Any, ...]]:
    return list(struct.iter_unpack(layout, data))


@dataclass(frozen=True, slots=True)
class Zone:
    """Keys ``low`` to ``high`` (MIDI, inclusive) of a program that sound the recording numbered ``sample``."""

    low: int
    high: int
    sample: int


def read_zones(bank: bytes) -> dict[tuple[int, int], tuple[Zone, ...]]:
    """Read (bank, program) -> the recordings its keys play, at any velocity (SoundFont 2 presets, ``pdta``)."""
    pdta: dict[bytes, bytes] = {}
    for tag, body in _iterate_chunks(bank[12:]):
        if tag == b"LIST" and body[:4] == b"pdta":
            pdta = dict(_iterate_chunks(body[4:]))
    if not {b"phdr", b"pbag", b"pgen", b"inst", b"ibag", b"igen"} <= set(pdta):
        raise DataError("sound bank", got=sorted(pdta), expected="SoundFont 2 preset data", where=BANK)
    presets = _parse_records(pdta[b"phdr"], "<20sHHHIII")
    instruments = [first for _, first in _parse_records(pdta[b"inst"], "<20sH")]
    outer = _merge_generators(_parse_records(pdta[b"pbag"], "<HH"), _parse_records(pdta[b"pgen"], "<HH"))
    inner = _merge_generators(_parse_records(pdta[b"ibag"], "<HH"), _parse_records(pdta[b"igen"], "<HH"))
    out = {}
    for preset, following in pairwise(presets):
        zones = []
        for whole in _select_zones(outer[preset[3] : following[3]], _INSTRUMENT):
            for part in _select_zones(inner[instruments[whole.sample] : instruments[whole.sample + 1]], _SAMPLE):
                low, high = max(whole.low, part.low), min(whole.high, part.high)
                if low <= high:
                    zones.append(Zone(low, high, part.sample))
        out[(preset[2], preset[1])] = tuple(zones)
    return out


def _merge_generators(bags: Sequence[Any], generators: Sequence[Any]) -> list[dict[int, int]]:
    """Merge the generators of each bag: number -> amount."""
    return [dict(generators[bag[0] : after[0]]) for bag, after in pairwise(bags)]


def _select_zones(bags: Sequence[dict[int, int]], kind: int) -> list[Zone]:
    """Select the bags that point at something, its number as ``sample``; a first one that does not holds defaults."""
    default = bags[0].get(_KEYS, _ALL_KEYS) if bags and kind not in bags[0] else _ALL_KEYS
    keys = ((bag.get(_KEYS, default), bag[kind]) for bag in bags if kind in bag)
    return [Zone(span & 0xFF, span >> 8, target) for span, target in keys]
