"""GET requests that survive a bad day of the server: retried, patient when asked to be, and stoppable."""

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
_PROGRESS = 1 << 24  # bytes; so much more on the disk than ever before, and failures are counted afresh


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a server is asked."""

    tries: int = 6
    timeout_in_s: float = 60.0  # to connect, and between two reads
    backoff_in_s: float = 1.0  # before the second try; doubles from there
    longest_wait_in_s: float = 600.0  # a server that asks for more is not waited for
    sleep: Callable[[float], object] | None = None  # None: a sleep that the end of the session cuts short
    now: Callable[[], float] = time.time  # seconds since the epoch


class StoppedError(Exception):
    """The session was ended from another thread."""


class TransientError(Exception):
    """A failure that another try may not meet; ``wait_in_s`` is what the server asked for."""

    def __init__(self, reason: object, wait_in_s: float | None = None) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.wait_in_s = wait_in_s


class RefusedError(DataError):
    """The server answered, and it is no use to ask again."""

    status = 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to another web address, but never from https to http."""

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
    """The requests of one fetch: retried, pausing together when the server asks for it, ended together by ``stop``."""

    def __init__(self, manners: RetryPolicy) -> None:
        self.manners = manners
        self._ended = threading.Event()
        self._sleep = manners.sleep or self._ended.wait
        self._opener = urllib.request.build_opener(_Redirects)
        self._silent_until = 0.0  # a server's request to wait holds for every thread

    def stop(self) -> None:
        """Make every thread of this session raise StoppedError soon."""
        self._ended.set()

    def check(self) -> None:
        """Raise StoppedError if the session was stopped."""
        if self._ended.is_set():
            raise StoppedError

    @contextlib.contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """One GET. Raises DataError for an answer that is final, and an internal error for one that may pass."""
        wait_in_s = self._silent_until - self.manners.now()
        if wait_in_s > 0:
            self._sleep(wait_in_s)
        self.check()
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "otoscope", **headers})  # noqa: S310
            if request.type not in {"http", "https"}:
                raise ValueError(request.type)
            response = self._opener.open(request, timeout=self.manners.timeout_in_s)
        except urllib.error.HTTPError as error:
            with error:
                raise self._judged(error, url) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise DataError("server not trusted", got=reason, expected="a valid certificate", where=url) from error
            raise TransientError(reason) from error
        except ValueError as error:
            raise DataError("bad address", got=error, expected="http or https", where=url) from error
        with response:
            yield response

    def json(self, url: str, wrong: str) -> tuple[Any, Message]:
        """A JSON document and the headers it came with. Raises DataError, called ``wrong`` when it is no JSON."""

        def ask() -> tuple[bytes, Message]:
            with self.open(url, {"Accept": "application/json"}) as response:
                try:
                    return response.read(), response.headers
                except (OSError, http.client.HTTPException) as error:
                    raise TransientError(error) from error

        body, headers = self.retry(ask, where=url)
        try:
            return json.loads(body), headers
        except ValueError as error:
            raise DataError(wrong, got=repr(body[:60]), expected="JSON", where=url) from error

    def retry(self, do: Callable[[], T], *, where: str, reached: Callable[[], int] = lambda: 0) -> T:
        """What ``do`` returns, tried again after passing failures; ``reached`` [bytes] tells a slow success from none.

        Raises DataError after ``Manners.tries`` failures, or when the server asks for too long a wait.
        """
        failures, best = 0, reached()
        while True:
            try:
                return do()
            except TransientError as failure:
                failures += 1
                if reached() >= best + _PROGRESS:
                    failures, best = 1, reached()
                if failures >= self.manners.tries:
                    got = f"{failure} ({failures} tries)"
                    raise DataError("download failed", got=got, expected="an answer", where=where) from failure
                self._pause(failure, failures, where)

    def _pause(self, failure: TransientError, failures: int, where: str) -> None:
        manners = self.manners
        if failure.wait_in_s is None:
            self._sleep(min(60.0, manners.backoff_in_s * 2 ** (failures - 1)) * random.uniform(0.75, 1.25))
            return
        if failure.wait_in_s > manners.longest_wait_in_s:
            got = f"{failure}: wait {failure.wait_in_s:.0f} s"
            expected = f"at most {manners.longest_wait_in_s:.0f} s; try again later"
            raise DataError("server is busy", got=got, expected=expected, where=where) from failure
        wait_in_s = max(failure.wait_in_s, manners.backoff_in_s)
        self._silent_until = max(self._silent_until, manners.now() + wait_in_s)

    def _judged(self, error: urllib.error.HTTPError, url: str) -> Exception:
        got = f"HTTP {error.code} {error.reason}".strip()
        if error.code in RETRIED_STATUSES:
            return TransientError(got, parse_retry_after(error.headers.get("Retry-After"), self.manners.now()))
        refused = RefusedError("server refuses", got=got, expected="HTTP 200", where=url)
        refused.status = error.code
        return refused


def parse_retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None when it says neither."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
