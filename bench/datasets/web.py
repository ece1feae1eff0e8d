"""GET requests that are retried, that wait as long as the server asks, and that can be stopped."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import random
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.message import Message
from typing import IO, Any, TypeVar

from bench.types import DataError

T = TypeVar("T")
RETRIED_STATUSES = (429, 500, 502, 503, 504)
_PROGRESS = 1 << 24  # bytes; after so much more on the disk than ever before, failures are counted afresh


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Number of tries, timeouts and waits of a request."""

    tries: int = 6
    timeout_in_s: float = 60.0  # to connect, and between two reads
    backoff_in_s: float = 1.0  # before the second try; doubles from there
    longest_wait_in_s: float = 600.0  # a server that asks for a longer wait is given up
    sleep: Callable[[float], object] | None = None  # None: a sleep that the end of the session cuts short
    now: Callable[[], float] = time.time  # seconds since the epoch


class StoppedError(Exception):
    """The session was ended from another thread."""


class TransientError(Exception):
    """A failure that may pass; ``wait_in_s`` is the wait that the server asked for."""

    def __init__(self, reason: object, wait_in_s: float | None = None) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.wait_in_s = wait_in_s


class RefusedError(DataError):
    """A final refusal by the server; ``status`` is its HTTP status."""

    status = 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A handler that follows redirects, but never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme not in {"https", req.type}:
            fp.close()
            raise DataError("unsafe redirect", got=newurl, expected="https", where=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Session:
    """The requests of one fetch: retried, paused together when the server asks for it, and ended by ``stop``."""

    def __init__(self, retries: RetryPolicy) -> None:
        self.retries = retries
        self._ended = threading.Event()
        self._sleep = retries.sleep or self._ended.wait
        self._opener = urllib.request.build_opener(_Redirects)
        self._paused_until = 0.0  # seconds since the epoch; a server's request to wait holds for every thread

    def stop(self) -> None:
        """Make every thread of this session raise StoppedError soon."""
        self._ended.set()

    def check(self) -> None:
        """Raise StoppedError if the session was stopped."""
        if self._ended.is_set():
            raise StoppedError

    @contextlib.contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Send one GET.

        Raises:
            DataError: The answer is final.
            TransientError: Another try may succeed.
            StoppedError: The session was stopped.
        """
        wait_in_s = self._paused_until - self.retries.now()
        if wait_in_s > 0:
            self._sleep(wait_in_s)
        self.check()
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "otoscope", **headers})  # noqa: S310
            if request.type not in {"http", "https"}:
                raise ValueError(request.type)
            response = self._opener.open(request, timeout=self.retries.timeout_in_s)
        except urllib.error.HTTPError as error:
            with error:
                raise self._build_error(error, url) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise DataError("server not trusted", got=reason, expected="a valid certificate", where=url) from error
            raise TransientError(reason) from error
        except ValueError as error:
            raise DataError("bad address", got=error, expected="http or https", where=url) from error
        with response:
            yield response

    def read_json(self, url: str, fault: str) -> tuple[Any, Message]:
        """Read a JSON document and its headers. Raises DataError, named ``fault`` when the answer is not JSON."""

        def request() -> tuple[bytes, Message]:
            with self.open(url, {"Accept": "application/json"}) as response:
                try:
                    return response.read(), response.headers
                except (OSError, http.client.HTTPException) as error:
                    raise TransientError(error) from error

        body, headers = self.retry(request, where=url)
        try:
            return json.loads(body), headers
        except ValueError as error:
            raise DataError(fault, got=repr(body[:60]), expected="JSON", where=url) from error

    def retry(self, do: Callable[[], T], *, where: str, reached: Callable[[], int] = lambda: 0) -> T:
        """Call ``do`` until it succeeds.

        Args:
            do: Raises TransientError when another try may succeed.
            where: The address, for errors.
            reached: Bytes that the tries so far have brought, which tells slow progress from none.

        Raises:
            DataError: There were ``RetryPolicy.tries`` failures, or the server asks for too long a wait.
        """
        failures, best = 0, reached()
        while True:
            try:
                return do()
            except TransientError as failure:
                failures += 1
                if reached() >= best + _PROGRESS:
                    failures, best = 1, reached()
                if failures >= self.retries.tries:
                    got = f"{failure} ({failures} tries)"
                    raise DataError("download failed", got=got, expected="an answer", where=where) from failure
                self._pause(failure, failures, where)

    def _pause(self, failure: TransientError, failures: int, where: str) -> None:
        retries = self.retries
        if failure.wait_in_s is None:
            self._sleep(min(60.0, retries.backoff_in_s * 2 ** (failures - 1)) * random.uniform(0.75, 1.25))
            return
        if failure.wait_in_s > retries.longest_wait_in_s:
            got = f"{failure}: wait {failure.wait_in_s:.0f} s"
            expected = f"at most {retries.longest_wait_in_s:.0f} s; try again later"
            raise DataError("server is busy", got=got, expected=expected, where=where) from failure
        wait_in_s = max(failure.wait_in_s, retries.backoff_in_s)
        self._paused_until = max(self._paused_until, retries.now() + wait_in_s)

    def _build_error(self, error: urllib.error.HTTPError, url: str) -> Exception:
        got = f"HTTP {error.code} {error.reason}".strip()
        if error.code in RETRIED_STATUSES:
            return TransientError(got, parse_retry_after(error.headers.get("Retry-After"), self.retries.now()))
        refused = RefusedError("server refuses", got=got, expected="HTTP 200", where=url)
        refused.status = error.code
        return refused


def parse_retry_after(header: str | None, now: float) -> float | None:
    """Parse a Retry-After header (RFC 9110, 10.2.3: seconds or a date) into seconds; None when it is neither.

    Example:
        >>> parse_retry_after("120", now=0.0)
        120.0
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
