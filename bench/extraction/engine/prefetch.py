"""Work ahead of what is asked for, on threads, in order and within bounds.

Reading, decoding and forward passes overlap: while one window of clips is in the encoder the next one is being decoded.
None of this decides what is computed, only when, so the bytes of the results do not depend on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def read_ahead(items: Iterator[T], reader: Executor, most: int = 1) -> Iterator[T]:
    """Return the same items, made on ``reader``, a thread of its own, at most so many before they are asked for.

    The first ones are begun at once. What making one raises is raised where it is asked for.
    """
    return _take_all(items, deque(reader.submit(_take_one, items) for _ in range(most)), reader)


def _take_all(items: Iterator[T], coming: deque[Future[tuple[T] | tuple[()]]], reader: Executor) -> Iterator[T]:
    while made := coming.popleft().result():
        coming.append(reader.submit(_take_one, items))
        yield made[0]
        del made  # it leaves memory while the next one is waited for


def _take_one(items: Iterator[T]) -> tuple[T] | tuple[()]:
    for item in items:
        return (item,)
    return ()


def map_in_order(function: Callable[[T], U], items: Iterable[T], pool: Executor, most: int) -> Iterator[U]:
    """Yield ``function`` of every item, in their order, no more than ``most`` of them begun and not yet taken."""
    begun: deque[Future[U]] = deque()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) == most:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
