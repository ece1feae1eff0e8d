"""A page of the runs in a results folder, on this machine only, that reloads itself when a run is added or changes.

An address never becomes a path: the server knows ``/`` (the page) and ``/events`` (its version, as server-sent events)
and nothing else. It listens on 127.0.0.1 and answers only requests that name it so, which keeps other web pages that
have their own name resolve to this machine from reading it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.leaderboard.files import board_json
from bench.leaderboard.files.sources import Source
from bench.leaderboard.page.contents import build_contents
from bench.leaderboard.page.document import render_page
from bench.types import BenchError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_RUNS = 30  # leaderboards in a page, the latest
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_SIGNS = 15.0  # that a connection with nothing to say is alive
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def find_boards(folder: Path) -> list[Path]:
    """Find the leaderboards in ``folder`` and its runs, the latest first."""
    found = [path for pattern in ("leaderboard*.json", "*/leaderboard*.json") for path in folder.glob(pattern)]
    return sorted(found, key=lambda path: (-_read_mtime(path), str(path)))


def compute_version(folder: Path) -> str:
    """Compute a digest of names, sizes and times of everything that a page of ``folder`` is made of."""
    looked = hashlib.sha256()
    for path in sorted([*find_boards(folder), *folder.glob("run.json"), *folder.glob("*/run.json")]):
        looked.update(f"{path}\0{_read_mtime(path)}\0{_read_size(path)}\n".encode(errors="surrogateescape"))
    return looked.hexdigest()[:16]


def render_folder(folder: Path, *, live: str) -> str:
    """Render the page of the latest runs of ``folder``; unreadable files are named and do not hide the others."""
    found, problems = [], []
    paths = find_boards(folder)
    for path in paths[:MOST_RUNS]:
        try:
            found.append(Source(path, board_json.read_board(path)))
        except BenchError as error:
            problems.append(str(error))
    if len(paths) > MOST_RUNS:
        problems.append(f"{len(paths) - MOST_RUNS} older runs; {MOST_RUNS} are shown")
    return render_page(build_contents(found, problems), live=live)


class WatchedFolder:
    """A folder, and the page of its current version, made when somebody asks for it."""

    def __init__(self, folder: Path, *, pause: float = SECONDS_BETWEEN_LOOKS) -> None:
        self.folder, self.pause = folder, pause
        self.version = compute_version(folder)
        self.changed = threading.Condition()
        self.over = threading.Event()
        self._page: tuple[str, bytes] = ("", b"")
        self._making = threading.Lock()

    def watch(self) -> None:
        """Look until ``stop``; everyone who waits hears of a change."""
        while not self.over.wait(self.pause):
            now = compute_version(self.folder)
            if now != self.version:
                with self.changed:
                    self.version = now
                    self.changed.notify_all()

    def stop(self) -> None:
        self.over.set()
        with self.changed:
            self.changed.notify_all()

    def page(self) -> bytes:
        """Render the page of the current version."""
        with self._making:
            own = self.version
            if self._page[0] != own:
                self._page = (own, render_folder(self.folder, live=own).encode())
            return self._page[1]

    def versions(self) -> Iterator[str]:
        """Yield the version now and each new one; an empty text where nothing happened for a while."""
        told = ""
        while not self.over.is_set():
            with self.changed:
                if self.version == told:
                    self.changed.wait(SECONDS_BETWEEN_SIGNS)
                now = self.version
            yield "" if now == told else now
            told = now


def make_server(
    folder: Path, port: int = 0, *, pause: float = SECONDS_BETWEEN_LOOKS
) -> tuple[ThreadingHTTPServer, WatchedFolder]:
    """Make a listening server of ``folder``, and the watched folder; the caller runs both.

    Raises:
        DataError: the folder does not exist, or the port is taken.
    """
    if not folder.is_dir():
        raise DataError("cannot serve", got="no such folder", expected="a folder of runs", where=folder)
    watched = WatchedFolder(folder, pause=pause)
    try:
        own = ThreadingHTTPServer(("127.0.0.1", port), _make_handler(watched))
    except (OSError, OverflowError) as error:
        raise DataError("cannot listen", got=error, expected="a free port", where=f"127.0.0.1:{port}") from error
    own.daemon_threads = True
    return own, watched


def serve_folder(folder: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve ``folder`` until interrupted, printing its address. Raises as ``make_server`` does."""
    own, watched = make_server(folder, port)
    threading.Thread(target=watched.watch, daemon=True).start()
    say(f"http://127.0.0.1:{own.server_address[1]}/ shows {folder}; Ctrl-C ends it")
    try:
        own.serve_forever()
    except KeyboardInterrupt:
        say("ended")
    finally:
        watched.stop()
        own.server_close()


def _make_handler(watched: WatchedFolder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").partition(":")[0]
            if host not in ("127.0.0.1", "localhost"):
                self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            elif self.path == "/":
                self._begin("text/html; charset=utf-8", content := watched.page())
                self.wfile.write(content)
            elif self.path == "/events":
                self._events()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _events(self) -> None:
            self._begin("text/event-stream")
            for own in watched.versions():
                try:
                    self.wfile.write(f"data: {own}\n\n".encode() if own else b": still here\n\n")
                    self.wfile.flush()
                except OSError:  # the page was closed
                    return

        def _begin(self, kind: str, content: bytes | None = None) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            if content is not None:
                self.send_header("Content-Length", str(len(content)))
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: each request is of one's own browser."""

    return Handler


def _read_mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # replaced while we look; the next look sees it
        return 0


def _read_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
