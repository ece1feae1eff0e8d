"""A small Zenodo, and Hugging Face, on 127.0.0.1 that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

RECORD = "14614287"
REPO = "someone/xares-shards"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer."""

    status: int = 0  # answer with this status and no content
    headers: tuple[tuple[str, str], ...] = ()
    delay_in_s: float = 0.0  # before the answer
    slow_in_s: float = 0.0  # between the kilobytes of the content
    cut_at: int = -1  # close after so many bytes of the content
    reset: bool = False  # close by RST before any answer
    flip_at: int = -1  # change this byte of the file
    ignore_range: bool = False  # 200 and everything, whatever was asked
    shift_range: int = 0  # answer another range than was asked
    length: int | None = None  # Content-Length to claim; the content is cut or padded to it
    chunked_extra: int = 0  # no Content-Length, and so many bytes too many
    body: bytes | None = None  # instead of the file


@dataclass
class Loopback:
    """The server's state: ``faults`` are used up one a request; ``always`` never is.

    Keys: file names and "record"; of the mirror, whose folder has the same files, "revision" and "tree" as well.
    """

    files: dict[str, bytes]
    folder: str = "tones"  # of the mirror
    commit: str = COMMIT  # of the mirror's branch "main"
    page: int = 2  # entries of the mirror's listing that come at once
    base_url: str = ""
    form: str = "list"  # or "entries", "entries-list"
    record: dict[str, Any] | None = None  # instead of the record that follows from ``files``
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # (key, Range)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, key: str) -> list[str | None]:
        """The Range headers of the requests for a file, or for "record"."""
        return [sent for name, sent in self.requests if name == key]

    def fault(self, key: str, sent_range: str | None) -> Fault:
        with self.lock:
            self.requests.append((key, sent_range))
            waiting = self.faults.get(key, [])
            return waiting.pop(0) if waiting else self.always.get(key, Fault())

    def described(self) -> dict[str, Any]:
        if self.record is not None:
            return self.record
        files = [
            {
                "key": name,
                "size": len(content),
                "checksum": "md5:" + hashlib.md5(content).hexdigest(),
                "links": {"self": f"{self.base_url}/api/records/{RECORD}/files/{quote(name)}/content"},
            }
            for name, content in self.files.items()
        ]
        if self.form == "list":
            return {"id": int(RECORD), "files": files}
        for file in files:
            file["links"] = {"content": file["links"]["self"], "self": f"{self.base_url}/about"}
        entries = files if self.form == "entries-list" else {file["key"]: file for file in files}
        return {"id": RECORD, "files": {"enabled": True, "entries": entries}}

    def tree(self, start: int) -> list[dict[str, Any]]:
        """A page of the mirror's folder: as the hub says it, what is no tar is not stored by LFS."""
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": f"{self.folder}/more"}
        ]
        for name, content in self.files.items():
            entry = {"type": "file", "oid": "1" * 40, "size": len(content), "path": f"{self.folder}/{name}"}
            if name.endswith(".tar"):
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return entries[start : start + self.page]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        state, sent = self.server.state, self.headers.get("Range")
        if f"datasets/{REPO}/" in self.path:
            return self.mirror(self.path.partition(f"datasets/{REPO}/")[2], sent)
        match = re.fullmatch(r"/api/records/(\d+)(?:/files/([^/]+)/content)?", self.path)
        if match is None or match[1] != RECORD or (match[2] and unquote(match[2]) not in state.files):
            return self.answer(404, b"{}", {})
        key = unquote(match[2] or "record")
        return self.faulty(key, state.files[key] if match[2] else json.dumps(state.described()).encode(), sent)

    def mirror(self, path: str, sent: str | None) -> None:
        """The hub's answers: a branch's commit, a folder's files in pages, a file by way of another address."""
        state, (kind, _, rest) = self.server.state, path.partition("/")
        if kind == "revision" and rest == "main":
            return self.faulty("revision", json.dumps({"id": REPO, "sha": state.commit}).encode(), sent)
        at = re.fullmatch(rf"(?:{state.commit}|cdn)/([^/]+)(?:/([^?]*))?\?recursive=false(?:&cursor=(\d+))?", rest)
        if kind == "tree" and at and unquote(at[1]) == state.folder:
            start = int(at[3] or 0)
            more = f"{state.base_url}/api/datasets/{REPO}/tree/{state.commit}/{state.folder}?recursive=false"
            link = {"Link": f'<{more}&cursor={start + state.page}>; rel="next"'}
            last = start + state.page > len(state.files)
            return self.faulty("tree", json.dumps(state.tree(start)).encode(), sent, {} if last else link)
        commit, _, file = rest.partition(f"/{state.folder}/")
        if kind == "resolve" and commit == state.commit and unquote(file) in state.files:
            return self.answer(302, b"", {"Location": f"{state.base_url}/cdn/datasets/{REPO}/cdn/{file}"})
        if kind == "cdn" and unquote(rest) in state.files:
            return self.faulty(unquote(rest), state.files[unquote(rest)], sent)
        return self.answer(404, b'{"error": "not found"}', {})

    def faulty(self, key: str, content: bytes, sent: str | None, headers: dict[str, str] | None = None) -> None:
        fault = self.server.state.fault(key, sent)
        time.sleep(fault.delay_in_s)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        if fault.status:
            return self.answer(fault.status, b"", dict(fault.headers))
        fault = replace(fault, headers=(*fault.headers, *(headers or {}).items()))
        return self.content(content if fault.body is None else fault.body, fault, sent)

    def content(self, content: bytes, fault: Fault, sent: str | None) -> None:
        status, headers, whole = 200, dict(fault.headers), len(content)
        if fault.flip_at >= 0:
            changed = bytearray(content)
            changed[fault.flip_at] ^= 1
            content = bytes(changed)
        wanted = re.fullmatch(r"bytes=(\d+)-", sent or "")
        if wanted and not fault.ignore_range:
            start = int(wanted[1]) + fault.shift_range
            if start >= whole:
                return self.answer(416, b"", {"Content-Range": f"bytes */{whole}"})
            status, content = 206, content[start:]
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        if fault.length is not None:
            content = content[: fault.length].ljust(fault.length, b"?")
        self.answer(status, content, headers, fault)
        return None

    def answer(self, status: int, content: bytes, headers: dict[str, str], fault: Fault = Fault()) -> None:
        self.send_response(status)
        if fault.chunked_extra:
            content += bytes(fault.chunked_extra)
        else:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.cut_at >= 0:
            content = content[: fault.cut_at]
        for start in range(0, len(content), 1024) if fault.slow_in_s else ():
            self.wfile.write(content[start : start + 1024])
            time.sleep(fault.slow_in_s)
        if not fault.slow_in_s:
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, state: Loopback) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Loopback]:
    """A server of one record with these files, on a free port."""
    state = Loopback(dict(files))
    server = _Server(state)
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
