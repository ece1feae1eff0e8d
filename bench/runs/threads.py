"""One thread for each operation of torch and BLAS: work is spread over batches, and numbers do not depend on cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def limit_threads() -> Iterator[None]:
    """Give each operation of torch and BLAS one thread for a while."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        torch.set_num_threads(before)
