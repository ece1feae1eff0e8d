"""Walk a tar from its first byte to its last: every member is yielded, and whatever is no member is an error.

``tarfile``, and with it webdataset, takes a damaged header for the end of the archive. Here an archive ends with two
zero blocks and nothing but zeros after them. Read are v7, ustar, pax and GNU archives.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from bench.datasets.tar_header import BLOCK, END, Header, HeaderError, decode_name, parse_header, parse_pax
from bench.types import DataError

FILE = "file"
FOLDER = "folder"
HARD_LINK = "hard link"
SYMBOLIC_LINK = "symbolic link"
DEVICE = "device"
PIPE = "named pipe"
LABEL = "volume label"
EXTENDED = "extended header"  # of pax, or a long name of GNU tar

_KINDS = {
    b"0": FILE,
    b"\0": FILE,
    b"7": FILE,
    b"1": HARD_LINK,
    b"2": SYMBOLIC_LINK,
    b"3": DEVICE,
    b"4": DEVICE,
    b"5": FOLDER,
    b"6": PIPE,
    b"D": FOLDER,
    b"V": LABEL,
    **dict.fromkeys((b"x", b"X", b"g", b"L", b"K"), EXTENDED),
}
_WITH_CONTENT = (b"0", b"\0", b"7", b"D", b"x", b"X", b"g", b"L", b"K")
_LONG = {b"L": "path", b"K": "linkpath"}
_UNREADABLE = {b"S": "sparse", b"M": "continued from another volume"}
_MOST_EXTENDED = 1 << 24  # bytes of an extended header
_MOST_PADDING = 1 << 22  # bytes of zeros after the end mark; writers fill up a record, 10 KiB as a rule
_MOST_DIGITS = 20
_CHUNK = 1 << 20  # bytes


class Member(NamedTuple):
    """A member of a tar. A hard link has the contents of the file that it names."""

    name: str
    kind: str
    offset: int  # of its contents
    size: int  # bytes
    link: str = ""


def walk_tar(file: BinaryIO, where: object) -> Iterator[Member]:
    """Yield every member in order; between two of them the caller may seek as it likes.

    Raises:
        DataError: A header is damaged, contents are cut short, the end mark is missing or something follows it.
    """
    walk = _Walk(where, file.seek(0, os.SEEK_END))
    while True:
        file.seek(walk.offset)
        block = file.read(BLOCK)
        if block == END:
            walk.check_end(file)
            return
        if len(block) < BLOCK:
            raise DataError("shard is cut short", got=f"its end {walk.place}", expected="an end mark", where=where)
        try:
            member = walk.take(parse_header(block), file)
        except HeaderError as error:
            raise walk.build_error(str(error)) from error
        yield member


class _Walk:
    """The position in a tar, and what earlier headers say about the next one."""

    def __init__(self, where: object, end: int) -> None:
        self.offset = 0  # of the next header
        self._where, self._end, self._last = where, end, ""
        self._global: dict[str, str] = {}
        self._next: dict[str, str] = {}
        self._files: dict[str, Member] = {}  # by name, for hard links

    @property
    def place(self) -> str:
        """The position in words."""
        return f"at byte {self.offset}, " + (f"after {show_name(self._last)}" if self._last else "at the start")

    def build_error(self, got: str) -> DataError:
        """Return the error about the header at the position."""
        return DataError("shard is corrupt", got=f"{got} {self.place}", expected="a whole tar", where=self._where)

    def take(self, header: Header, file: BinaryIO) -> Member:
        """Return the member of a header and move on to the next one. Raises HeaderError."""
        if header.type in _UNREADABLE:
            raise HeaderError(f"{show_name(header.name)} is {_UNREADABLE[header.type]},")
        kind = _KINDS.get(header.type)
        if kind is None:
            raise HeaderError(f"{show_name(header.name)} of unknown type {header.type.decode('latin-1')!a},")
        start = self.offset + BLOCK
        if kind == EXTENDED:
            member = Member(header.name, kind, start, header.size)
            self._extend(header, file, start)
        else:
            member = self._build_member(header, kind, start)
        size = member.size if header.type in _WITH_CONTENT else 0
        if size > self._end - start:
            raise HeaderError(f"{show_name(member.name)}, cut short to {self._end - start} of {size} bytes,")
        self._last, self.offset = member.name, start + -(-size // BLOCK) * BLOCK
        return member

    def _extend(self, header: Header, file: BinaryIO, start: int) -> None:
        if header.size > min(_MOST_EXTENDED, self._end - start):
            raise HeaderError(f"an extended header of {header.size} bytes")
        file.seek(start)
        body = file.read(header.size)
        records = {_LONG[header.type]: decode_name(body)} if header.type in _LONG else parse_pax(body)
        if header.type == b"g":
            self._global.update(records)
            return
        if repeated := sorted({"path", "linkpath"} & records.keys() & self._next.keys()):
            raise HeaderError(f"{' and '.join(repeated)} of one member twice,")
        self._next.update(records)

    def _build_member(self, header: Header, kind: str, start: int) -> Member:
        records = {**self._global, **self._next} if self._global or self._next else {}
        self._next = {}
        name = records.get("path") or header.name
        if any(key.startswith("GNU.sparse.") for key in records):
            raise HeaderError(f"{show_name(name)} is sparse,")
        if kind == FILE:
            if header.type == b"\0" and name.endswith("/"):  # a folder in archives older than POSIX
                return Member(name, FOLDER, start, 0)
            member = Member(name, kind, start, _read_size(records, header))
            self._files[name.removeprefix("./")] = member
            return member
        link = records.get("linkpath") or header.link
        if kind != HARD_LINK:
            return Member(name, kind, start, header.size if header.type == b"D" else 0, link)
        member = Member(name, kind, *self._resolve_link(name, link), link)
        self._files[name.removeprefix("./")] = member
        return member

    def _resolve_link(self, name: str, link: str) -> tuple[int, int]:
        """Return offset and size of the contents of the earlier file that a hard link names."""
        target = self._files.get(link.removeprefix("./"))
        if target is None:
            raise HeaderError(f"hard link {show_name(name)} to {show_name(link)}, which no earlier member is called,")
        return target.offset, target.size

    def check_end(self, file: BinaryIO) -> None:
        """Raise DataError unless the zero block at the position begins an end mark that only zeros follow."""
        if self._next:
            raise self.build_error("an extended header without a member")
        file.seek(self.offset + BLOCK)
        second = file.read(BLOCK)
        if second != END:
            got = "half an end mark" if not second.strip(b"\0") else "a lone zero block"
            raise self.build_error(got)
        end = self.offset + 2 * BLOCK
        padding = 0
        while chunk := file.read(_CHUNK):
            if chunk.count(0) < len(chunk):
                raise self._build_joined_error(end + padding + len(chunk) - len(chunk.lstrip(b"\0")))
            padding += len(chunk)
        if padding > _MOST_PADDING:
            raise DataError(
                "shard ends in zeros",
                got=f"{padding} bytes of them {self.place}",
                expected=f"at most {_MOST_PADDING} after the end mark",
                where=self._where,
                remedy="an unfinished download looks like this: fetch the file again",
            )

    def _build_joined_error(self, offset: int) -> DataError:
        return DataError(
            "shard goes on after its end mark",
            got=f"an end mark {self.place}, and other bytes at byte {offset}",
            expected="zeros to the end of the file",
            where=self._where,
            remedy="join tars with `tar -A -f a.tar b.tar`, not with cat; if nobody joined any, fetch the file again",
        )


def _read_size(records: dict[str, str], header: Header) -> int:
    stated = records.get("size")
    if stated is None:
        return header.size
    if not (stated.isascii() and stated.isdigit() and len(stated) <= _MOST_DIGITS):
        raise HeaderError(f"size {show_name(stated[:_MOST_DIGITS])!r} in an extended header")
    return int(stated)


def show_name(name: str) -> str:
    """Return a name for messages: characters that a terminal would obey, or cannot show, are escaped."""
    return name if name.isprintable() else ascii(name)[1:-1]
