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


def ahead(items: Iterator[T], reader: Executor) -> Iterator[T]:
    """The same items, each made on ``reader``, a thread of its own, while the one before it is in use.

    The first one is begun at once, and no more than one is made ahead. What making one raises is raised where it is
    asked for.
    """
    return _taken(items, reader.submit(_next, items), reader)


def _taken(items: Iterator[T], coming: Future[tuple[T] | tuple[()]], reader: Executor) -> Iterator[T]:
    while made := coming.result():
        coming = reader.submit(_next, items)
        yield made[0]


def _next(items: Iterator[T]) -> tuple[T] | tuple[()]:
    for item in items:
        return (item,)
    return ()


def in_order(function: Callable[[T], U], items: Iterable[T], pool: Executor, most: int) -> Iterator[U]:
    """``function`` of every item, in their order, no more than ``most`` of them begun and not yet taken."""
    begun: deque[Future[U]] = deque()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) == most:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
