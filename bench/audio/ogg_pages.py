"""Ogg: pages, the links of a chain, and whether any of it is missing.

libsndfile reads the first link of a chain alone, drops damaged pages, and takes the last page that it finds for the
end. So pages are walked here: each has a checksum and a number, and the last one of a stream is marked (RFC 3533).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from bench.audio.part import Kind, Part
from bench.types import DataError

CAPTURE = b"OggS"
BEGINS = 2  # flags of a page
ENDS = 4
CODECS: dict[bytes, Kind] = {b"\x01vorbis": "ogg", b"OpusHead": "ogg", b"Speex   ": "ogg", b"\x7fFLAC": "ogg flac"}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """Where a page is and what its header says."""

    start: int
    end: int
    body: int
    flags: int
    serial: bytes
    number: int


def compute_checksum(page: bytes) -> int:
    """Return the CRC-32 of a page whose checksum field is 0, as in RFC 3533.

    It is zlib's with all bits in the other order, and without its inversions.
    """
    crc = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def split_ogg(data: bytes, where: str) -> list[Part]:
    """Return the links of a chain, each the pages of its one audio stream. Raises DataError where any is missing."""
    links: list[dict[bytes, list[Page]]] = []
    for page in _walk(data, where):
        if page.flags & BEGINS:
            if not links or any(not pages[0].flags & BEGINS or len(pages) > 1 for pages in links[-1].values()):
                links.append({})
            links[-1][page.serial] = []
        elif not links or page.serial not in links[-1]:
            raise DataError("clip is cut short", got="pages of a stream", expected="its first page", where=where)
        pages = links[-1][page.serial]
        if pages and page.number != pages[-1].number + 1:
            got = f"page {page.number} after page {pages[-1].number}"
            raise DataError("clip is cut short", got=got, expected=f"page {pages[-1].number + 1}", where=where)
        pages.append(page)
    return [_build_part(data, link, where) for link in links]


def _walk(data: bytes, where: str) -> Iterator[Page]:
    """Yield the pages. Raises DataError for one that is damaged or not there to its end."""
    at = 0
    while at < len(data):
        if not data.startswith(CAPTURE, at):
            if (following := data.find(CAPTURE, at)) < 0:
                return  # a tag, or whatever is no sound
            at = following
        body = at + 27 + (data[at + 26] if at + 26 < len(data) else 0)
        end = body + sum(data[at + 27 : body])
        if at + 26 >= len(data) or end > len(data):
            got, expected = f"{len(data) - at} bytes of a page", f"{end - at}"
            raise DataError("clip is cut short", got=got, expected=expected, where=where)
        stored = int.from_bytes(data[at + 22 : at + 26], "little")
        if compute_checksum(data[at : at + 22] + bytes(4) + data[at + 26 : end]) != stored:
            got = f"another checksum at byte {at}"
            raise DataError("clip is damaged", got=got, expected=f"a page of checksum {stored:08x}", where=where)
        number = int.from_bytes(data[at + 18 : at + 22], "little")
        yield Page(at, end, body, data[at + 5], data[at + 14 : at + 18], number)
        at = end


def _build_part(data: bytes, link: dict[bytes, list[Page]], where: str) -> Part:
    kinds = {
        serial: kind
        for serial, pages in link.items()
        for magic, kind in CODECS.items()
        if data.startswith(magic, pages[0].body)
    }
    if len(kinds) != 1:
        got = f"{len(kinds)} of {len(link)} streams in Ogg"
        raise DataError("clip does not decode", got=got, expected="one of Vorbis, Opus, FLAC or Speex", where=where)
    ((serial, kind),) = kinds.items()
    pages = link[serial]
    if not pages[-1].flags & ENDS:
        got = f"{len(pages)} pages, none of them marked as the last"
        raise DataError("clip is cut short", got=got, expected="a last page", where=where)
    if len(link) == 1 and pages[-1].end - pages[0].start == len(data):
        return Part(kind, data)
    return Part(kind, b"".join(data[page.start : page.end] for page in pages))
