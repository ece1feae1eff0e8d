"""Blocks of a tar: headers, with their names, sizes and checksums, and pax records.

Sources: POSIX.1-2017, ``pax`` (ustar and extended headers), and the GNU tar manual, "Basic Tar Format" (numbers in base
256, long names, checksums of signed bytes by old writers).
"""

from __future__ import annotations

from typing import NamedTuple

BLOCK = 512  # bytes, the unit of tar
END = bytes(BLOCK)  # two of them end an archive

_OCTAL = b"01234567"
_CHECKSUM = slice(148, 156)
_BLANK = 8 * ord(" ")  # the checksum field counts as spaces


class HeaderError(ValueError):
    """A block that is no header, or one that contradicts itself."""


class Header(NamedTuple):
    """The fields of a header that decide what is read."""

    name: str
    type: bytes  # one byte
    size: int  # bytes
    link: str


def parse_header(block: bytes) -> Header:
    """Return the fields of a header of ``BLOCK`` bytes. Raises HeaderError."""
    _check_sum(block)
    name = decode_name(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:  # GNU tar, whose mark is "ustar  ", keeps other things there
        name = f"{decode_name(block[345:500])}/{name}"
    link = decode_name(block[157:257]) if block[157] else ""
    return Header(name, block[156:157], parse_number(block[124:136], "size"), link)


def decode_name(field: bytes) -> str:
    """Return the text before the first zero byte; bytes that are not UTF-8 become surrogates, as in tarfile."""
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def parse_number(field: bytes, what: str) -> int:
    """Return an unsigned number: octal digits, or base 256 where the first bit is set. Raises HeaderError."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise HeaderError(f"a negative {what}")
        return int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(_OCTAL):
        raise HeaderError(f"a {what} that is no number")
    return int(digits or b"0", 8)


def parse_pax(body: bytes) -> dict[str, str]:
    """Return the records of an extended header: ``<length> <key>=<value>`` and a line feed each. Raises HeaderError."""
    records: dict[str, str] = {}
    start = 0
    while start < len(body) and body[start]:
        length, space, _ = body[start : start + 21].partition(b" ")
        end = start + int(length) if space and length.isdigit() else 0
        key, equals, value = body[start + len(length) + 1 : end].partition(b"=")
        if end > len(body) or not (key and equals and value.endswith(b"\n")):
            raise HeaderError(f"a damaged pax record at byte {start} of an extended header")
        records[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        start = end
    if body[start:].strip(b"\0"):
        raise HeaderError("an extended header with bytes after its records")
    return records


def _check_sum(block: bytes) -> None:
    """Raise HeaderError unless the checksum is that of the bytes, taken as unsigned or as signed."""
    field = block[_CHECKSUM]
    stated = parse_number(field, "checksum")
    total = sum(block) - sum(field) + _BLANK
    if stated == total:
        return
    negative = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in field)
    if stated != total - 256 * negative:
        raise HeaderError(f"a header with another checksum ({total} instead of {stated})")
