"""MPEG audio: its frames are walked, for only some files say how many there are (ISO/IEC 11172-3, 13818-3).

A Xing, Info or VBRI frame at the start has their number. Encoders that write to a pipe leave it out, and libsndfile
then guesses from the first frames' bit rate; such a stream gets a frame of that kind here, with the number of frames
that there are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.audio.part import Part
from bench.types import DataError

BIT_RATES = {  # kbit/s by (MPEG-1, layer)
    (True, 1): [32 * index for index in range(15)],
    (True, 2): [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    (True, 3): [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    (False, 1): [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    (False, 2): [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    (False, 3): [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}
RATES = {3: [44100, 48000, 32000], 2: [22050, 24000, 16000], 0: [11025, 12000, 8000]}  # Hz by version
PROOF = 3  # frames in a row that make a start
MOST_CUT = 2 * 4096 + 1152  # samples that decoders cut away: the encoder's delay and padding, their own delay
INFO_NAMES = (b"Xing", b"Info")
CODE_OF_INFO_FRAME = 9  # its bit rate: there is room for the number


class Frame(NamedTuple):
    """What a frame's header says."""

    size: int  # bytes
    n_samples: int
    stream: tuple[int, int, int, bool]  # version, layer, rate, mono: equal in all frames of a stream


@dataclass(slots=True)
class Run:
    """The frames of one stream, one after another."""

    at: list[int]  # where they begin
    first: Frame
    sizes: list[int] = field(default_factory=list)
    is_broken: bool = False  # something that is no frame and no tag is between them or at the end


@functools.cache
def _parse(second: int, third: int, is_mono: bool) -> Frame | None:
    """Return what the second to fourth byte of a header say, or None where they are of no header."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    code, rate_code, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version == 1 or layer == 4 or code in (0, 15) or rate_code == 3:
        return None
    rate, bit_rate = RATES[version][rate_code], 1000 * BIT_RATES[version == 3, layer][code]
    stream = (version, layer, rate, is_mono)
    if layer == 1:
        return Frame((12 * bit_rate // rate + padding) * 4, 384, stream)
    n_samples = 576 if layer == 3 and version != 3 else 1152
    return Frame(n_samples // 8 * bit_rate // rate + padding, n_samples, stream)


def _read_frame(data: bytes, at: int) -> Frame | None:
    if at + 4 > len(data) or data[at] != 0xFF:
        return None
    return _parse(data[at + 1], data[at + 2], data[at + 3] >> 6 == 3)


def _is_start(data: bytes, at: int) -> bool:
    """Return whether several frames of one stream begin here, or all that there are to the end or to a tag."""
    stream = None
    for count in range(PROOF):
        if at >= len(data):
            return at == len(data) or count > 1
        frame = _read_frame(data, at)
        if frame is None or stream not in (None, frame.stream):
            return count > 0 and _measure_tag(data, at) > 0
        stream = frame.stream
        at += frame.size
    return True


def _find_start(data: bytes, at: int) -> int:
    """Return where frames begin from ``at`` on; -1 for nowhere."""
    while (at := data.find(b"\xff", at)) >= 0:
        if _read_frame(data, at) is not None and _is_start(data, at):
            return at
        at += 1
    return -1


def _measure_tag(data: bytes, at: int) -> int:
    """Return the size of the tag that begins here: ID3 (1 and 2), APE, Lyrics3; 0 for none."""
    if data.startswith(b"TAG", at):
        return 128
    if data.startswith(b"ID3", at):
        return measure_id3(data, at)
    if data.startswith(b"APETAGEX", at):
        is_header = len(data) > at + 23 and data[at + 23] & 0x20
        return 32 + (int.from_bytes(data[at + 12 : at + 16], "little") if is_header else 0)
    if data.startswith(b"LYRICSBEGIN", at):
        return max(data.find(b"LYRICS200", at) + 9 - at, 0)
    return 0


def measure_id3(data: bytes, at: int = 0) -> int:
    """Return the size of the ID3v2 tag that begins here."""
    size = 0
    for byte in data[at + 6 : at + 10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if len(data) > at + 5 and data[at + 5] & 0x10 else 0)


def _pass_tags(data: bytes, at: int) -> int:
    while (size := _measure_tag(data, at)) > 0:
        at += size
    return at


def split_mpeg(data: bytes, where: str) -> list[Part]:
    """Return the streams of a file of MPEG frames, none where there are no frames.

    Raises DataError for one with fewer frames than it promises.
    """
    parts, at = list[Part](), _find_start(data, 0)
    if at >= 0 and (whole := _read_described(data, at)) is not None:
        return [whole]
    while at >= 0:
        run, at = _read_run(data, at)
        parts += _build_parts(data, run, where)
    return parts


def _count_frames(data: bytes, at: int, first: Frame) -> int:
    """Return how many frames of one stream there are to the end; -1 where anything else is."""
    count, sizes = 0, dict[bytes, int]()
    while at < len(data):
        head = data[at : at + 4]
        if (size := sizes.get(head)) is None:
            frame = _read_frame(data, at)
            if frame is None or frame.stream != first.stream:
                return -1
            size = sizes[head] = frame.size
        at += size
        count += 1
    return count if at == len(data) else -1


def _read_described(data: bytes, at: int) -> Part | None:
    """Return the one stream of a file of as many frames and bytes as its Info frame says, found quickly; or None."""
    first = _read_frame(data, at)
    if first is None or _find_info(data, at, first) != "Xing":
        return None
    n_frames, n_bytes = _read_counts(data, Run([at], first), "Xing")
    if len(data) != at + n_bytes or _count_frames(data, at + first.size, first) != n_frames:
        return None
    return Part("mp3", data[at:] if at else data, n_frames * first.n_samples, slack=MOST_CUT)


def _read_run(data: bytes, at: int) -> tuple[Run, int]:
    """Return the stream that begins here, and where the next one does, or -1.

    A new one begins where rate, layer or channels change, and with a frame that describes others.
    """
    first = _read_frame(data, at)
    assert first is not None
    run = Run([], first)
    while True:
        frame = _read_frame(data, at)
        is_ours = frame is not None and frame.stream == first.stream
        if frame is not None and is_ours and at + frame.size <= len(data):
            if run.at and _find_info(data, at, frame):
                return run, at
            run.at.append(at)
            run.sizes.append(frame.size)
            at += frame.size
            continue
        passed = _pass_tags(data, at)
        at = _find_start(data, passed)
        if at < 0:
            run.is_broken |= is_ours
            return run, -1
        run.is_broken |= at > passed
        following = _read_frame(data, at)
        if following is None or following.stream != first.stream:
            return run, at


def _build_parts(data: bytes, run: Run, where: str) -> list[Part]:
    """Return a stream as its decoders get it, in two parts where it has more frames than it says."""
    name = _find_info(data, run.at[0], run.first)
    n_frames, n_bytes = _read_counts(data, run, name)
    n_there = len(run.at) - bool(name)
    is_whole = n_bytes > 0 and run.at[-1] + run.sizes[-1] - run.at[0] >= n_bytes
    counts_itself = n_there == n_frames - 1 and (is_whole or name == "VBRI")
    if n_there < n_frames and not counts_itself:
        got, expected = f"{n_there} frames", f"{n_frames}, as its {name} frame says"
        raise DataError("clip is cut short", got=got, expected=expected, where=where)
    if n_there == 0:
        raise DataError("clip is empty", got="0 samples", expected="audio", where=where)
    if name != "Xing" or n_frames == 0 or counts_itself or run.first.stream[1] != 3:
        return [_build_part(data, run, int(bool(name)), len(run.at))]
    stop = n_frames + 1
    parts = [_build_part(data, run, 0, stop)]
    if stop < len(run.at):
        parts.append(_build_part(data, run, stop, len(run.at)))
    return parts


def _build_part(data: bytes, run: Run, start: int, stop: int) -> Part:
    """Return frames ``start`` to ``stop`` behind one that has their number, which is the first of them if it is 0."""
    frames = [data[at : at + size] for at, size in zip(run.at[start:stop], run.sizes[start:stop], strict=True)]
    n_frames = len(frames)
    if start == 0 and _find_info(data, run.at[0], run.first):
        n_frames -= 1
    elif run.first.stream[1] == 3:
        frames.insert(0, _build_info_frame(frames[0], run.first, n_frames))
    n_samples = n_frames * run.first.n_samples
    return Part("mp3", b"".join(frames), n_samples, slack=MOST_CUT, is_broken=run.is_broken)


def _build_info_frame(like: bytes, frame: Frame, n_frames: int) -> bytes:
    header = bytes([0xFF, like[1] | 1, CODE_OF_INFO_FRAME << 4 | like[2] & 0x0C, like[3]])
    own = _read_frame(header, 0)
    assert own is not None
    content = header + bytes(_measure_side_info(frame)) + b"Xing\0\0\0\1" + n_frames.to_bytes(4, "big")
    return content.ljust(own.size, b"\0")


def _read_counts(data: bytes, run: Run, name: str) -> tuple[int, int]:
    """Return how many frames and bytes a stream says that it has; 0 where it does not say."""
    at = run.at[0]
    if name == "VBRI":
        return int.from_bytes(data[at + 50 : at + 54], "big"), int.from_bytes(data[at + 46 : at + 50], "big")
    if not name:
        return 0, 0
    at = next(place for place in _list_info_places(at, run.first) if data[place : place + 4] in INFO_NAMES)
    flags = int.from_bytes(data[at + 4 : at + 8], "big")
    values = [int.from_bytes(data[place : place + 4], "big") for place in (at + 8, at + 12)]
    n_frames = values[0] if flags & 1 else 0
    return n_frames, (values[flags & 1] if flags & 2 else 0)


def _find_info(data: bytes, at: int, frame: Frame) -> str:
    """Return "Xing" or "VBRI" where a frame is one that describes the others, else nothing."""
    if frame.stream[1] != 3:
        return ""
    if any(data[place : place + 4] in INFO_NAMES for place in _list_info_places(at, frame)):
        return "Xing"
    return "VBRI" if data[at + 36 : at + 40] == b"VBRI" else ""


def _list_info_places(at: int, frame: Frame) -> tuple[int, int]:
    """Return where the name may stand: behind the side information, or two bytes on, behind a checksum."""
    place = at + 4 + _measure_side_info(frame)
    return place, place + 2


def _measure_side_info(frame: Frame) -> int:
    version, _, _, is_mono = frame.stream
    return (17 if is_mono else 32) if version == 3 else (9 if is_mono else 17)
