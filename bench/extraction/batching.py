"""Which clips share a batch: a pure function of their lengths and of what the encoder was certified for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench.types import Policy


def plan_batches(lengths: Sequence[int], policy: Policy, *, budget: int, max_clips: int = 64) -> list[list[int]]:
    """Split clip indices into batches, longest first, every index exactly once.

    ``lengths`` and ``budget`` are in samples; a batch's padded size stays within ``budget`` unless a single clip
    exceeds it. ``padded`` mixes neighbouring lengths, ``equal_length`` only equal ones, ``single`` nothing. The result
    depends on nothing but the arguments, so a shard is always encoded in the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    if policy == "single":
        return [[index] for index in order]
    if policy == "padded":
        return _cut_batches(order, lengths, budget, max_clips)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in order:
        groups[lengths[index]].append(index)
    return [batch for group in groups.values() for batch in _cut_batches(group, lengths, budget, max_clips)]


def _cut_batches(order: Sequence[int], lengths: Sequence[int], budget: int, max_clips: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for index in order:
        longest = lengths[batches[-1][0]] if batches else 0
        if not batches or len(batches[-1]) == max_clips or longest * (len(batches[-1]) + 1) > budget:
            batches.append([])
        batches[-1].append(index)
    return batches
