"""A small Zenodo on 127.0.0.1 that can be told to misbehave."""

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
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

RECORD = "14614287"


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
    """The server's state: ``faults`` are used up one a request; ``always`` never is. Keys: file names and "record"."""

    files: dict[str, bytes]
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        state, sent = self.server.state, self.headers.get("Range")
        match = re.fullmatch(r"/api/records/(\d+)(?:/files/([^/]+)/content)?", self.path)
        if match is None or match[1] != RECORD or (match[2] and unquote(match[2]) not in state.files):
            return self.answer(404, b"{}", {})
        key = unquote(match[2] or "record")
        fault = state.fault(key, sent)
        time.sleep(fault.delay_in_s)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        if fault.status:
            return self.answer(fault.status, b"", dict(fault.headers))
        content = state.files[key] if match[2] else json.dumps(state.described()).encode()
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
