"""List the files of a Zenodo record, and download one of them.

The record API (https://developers.zenodo.org) answers ``GET /api/records/{id}`` with the names, sizes, md5 digests and
links of a record's files. Files are fetched one by one, never as the ``files-archive`` that the server zips on the fly:
that one has no checksum and no ranges.
"""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.datasets.web import RefusedError, Session, TransientError
from bench.types import DataError

ZENODO = "https://zenodo.org"
_CHUNK = 1 << 18  # bytes
_LONGEST_NAME = 200  # bytes; leaves room for the affixes of a temporary name


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a record or of a mirror."""

    name: str
    bytes: int
    md5: str  # hex; empty when unknown
    url: str = ""  # empty when the file is known from a manifest only
    sha256: str = ""  # hex; empty when unknown
    record: str = ""  # that lists it: Zenodo's id of the record, or a mirror

    def find_mismatch(self, md5: str | None, sha256: str | None) -> tuple[str, str] | None:
        """Return the digest that a file has and the one it should have; None when no digest differs."""
        if self.md5 and md5 is not None and md5 != self.md5:
            return f"md5 {md5}", self.md5
        if self.sha256 and sha256 is not None and sha256 != self.sha256:
            return f"sha256 {sha256}", self.sha256
        return None


def list_files(record: str, base_url: str, session: Session) -> tuple[RemoteFile, ...]:
    """Ask the server for the files of a record.

    Raises:
        DataError: The server refuses or does not answer, or the answer is not a record.
    """
    if not re.fullmatch(r"[0-9]+", record):
        raise DataError("bad record id", got=repr(record), expected="digits", where=base_url)
    url = f"{base_url.rstrip('/')}/api/records/{record}"
    answer, _ = session.read_json(url, "not a record")
    return tuple(replace(file, record=record) for file in parse_files(answer, record, url))


def parse_files(payload: object, record: str, where: str) -> tuple[RemoteFile, ...]:
    """Parse a record's JSON, whose ``files`` are a list or ``{"entries": list | mapping}``.

    Raises:
        DataError: It is of another record, has no files, or a file lacks a size or checksum, is unsafe or repeated.
    """
    files = payload.get("files", payload.get("entries")) if isinstance(payload, dict) else None
    if isinstance(payload, dict) and str(payload.get("id", record)) != record:
        # The id of all versions together redirects to the newest one, which may be other data tomorrow.
        raise DataError("another record", got=payload["id"], expected=record, where=where)
    if isinstance(files, dict):
        files = files.get("entries")
    if isinstance(files, dict):
        files = list(files.values())
    if not isinstance(files, list) or not files:
        raise DataError("record without files", got=type(files).__name__, expected="a list of files", where=where)
    parsed = tuple(_parse_file(entry, where) for entry in files)
    if len({file.name for file in parsed}) < len(parsed):
        raise DataError("file comes twice", got=sorted(file.name for file in parsed), expected="once", where=where)
    return parsed


def _parse_file(entry: object, where: str) -> RemoteFile:
    match entry:
        case {"key": str(name), "size": int(size), "checksum": str(checksum), "links": dict(links)} if size >= 0:
            digest = re.fullmatch(r"(?:md5:)?([0-9a-fA-F]{32})", checksum)
            url = links.get("content") or links.get("self")  # where there are both, ``self`` is about the file
            if digest is not None and isinstance(url, str):
                if not is_safe_name(name):
                    raise DataError("unsafe file name", got=repr(name), expected="a name without a path", where=where)
                return RemoteFile(name, size, digest[1].lower(), urllib.parse.quote(url, safe="%/:?&=#+,;@!$'()*[]~"))
    expected = "key, size, checksum md5:... and links.self"
    raise DataError("bad file of a record", got=repr(entry)[:120], expected=expected, where=where)


def is_safe_name(name: str) -> bool:
    """Return True if a name that a server sent stays in the folder it is joined to.

    Example:
        >>> is_safe_name("train_0.tar"), is_safe_name("../train_0.tar")
        (True, False)
    """
    if name in {"", ".", ".."} or re.search(r"[/\\\x00-\x1f\x7f]|^[A-Za-z]:", name):
        return False
    try:
        return len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def download(file: RemoteFile, part: Path, session: Session, report: Callable[[int], None]) -> None:
    """Download ``part`` up to the file's length, resuming where the server can; its content is not checked.

    Args:
        file: The file.
        part: Path of the unfinished file.
        session: The requests of this fetch.
        report: Called with the number of bytes that the part holds.

    Raises:
        DataError: The server or the disk fails for good.
    """
    session.retry(lambda: _attempt(file, part, session, report), where=file.url, reached=lambda: count_part_bytes(part))


def count_part_bytes(part: Path) -> int:
    """Count the bytes of an unfinished file, 0 when there is none."""
    return part.stat().st_size if part.exists() else 0


def _attempt(file: RemoteFile, part: Path, session: Session, report: Callable[[int], None]) -> None:
    try:
        start = count_part_bytes(part)
        if start > file.bytes:
            part.unlink()
            start = 0
        report(start)
        if start == file.bytes > 0:
            return
        with session.open(file.url, {"Range": f"bytes={start}-"} if start else {}) as response:
            _receive(file, part, start, response, session, report)
    except RefusedError as error:
        if error.status != 416 or not part.exists():
            raise
        part.unlink()
        raise TransientError(error.got) from error
    except OSError as error:  # errors of the network are handled above, this is the disk's
        got = error.strerror or str(error)
        raise DataError("cannot write", got=got, expected="room on the disk", where=part) from error


def _receive(
    file: RemoteFile,
    part: Path,
    start: int,
    response: http.client.HTTPResponse,
    session: Session,
    report: Callable[[int], None],
) -> None:
    reached = start if response.status == 206 else 0
    if response.status == 206:
        content_range = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", content_range)
        if not start or match is None or int(match[1]) != start or match[2] not in {"*", str(file.bytes)}:
            part.unlink(missing_ok=True)
            raise TransientError(f"Content-Range {content_range!r} for bytes {start} to {file.bytes}")
    elif response.headers.get("Content-Length", str(file.bytes)) != str(file.bytes):
        raise TransientError(f"wrong length: {response.headers['Content-Length']} bytes, the record says {file.bytes}")
    with part.open("ab" if reached else "wb") as out:
        while chunk := _read_chunk(response):
            session.check()
            reached += len(chunk)
            if reached > file.bytes:
                out.truncate(0)
                raise TransientError(f"wrong length: more than the {file.bytes} bytes of the record")
            out.write(chunk)
            report(reached)
    if reached < file.bytes:
        raise TransientError(f"cut short at {reached} of {file.bytes} bytes")


def _read_chunk(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(error) from error
