"""A front end hears every clip by itself, one after another or those of one length at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.parts import spectra
from encoders.parts.spectra import Mel, apply_to_each, convert_to_decibels

MEL = Mel(fft=64, window=64, hop=16, bands=8, low=0, high=8000)


def front_end(audio: torch.Tensor) -> torch.Tensor:
    return convert_to_decibels(MEL(audio), 80.0)


@given(st.lists(st.sampled_from([1, 20, 33, 400, 401, 900]), min_size=1, max_size=7))
@settings(max_examples=40)
def test_together_or_one_after_another(sizes: list[int]) -> None:
    audio = torch.randn(len(sizes), max(sizes), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor(sizes)
    one, counts = apply_to_each(front_end, audio, lengths, MEL.shortest)
    groups = spectra._group_by_length
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectra, "_group_by_length", lambda sizes, together: groups(sizes, together=True))
        other, others = apply_to_each(front_end, audio, lengths, MEL.shortest)
    assert counts is not None
    assert others is not None
    assert counts.tolist() == others.tolist() == [1 + max(size, MEL.shortest) // 16 for size in sizes]
    assert torch.equal(one, other)
    for row, size in enumerate(sizes):
        alone, _ = apply_to_each(front_end, audio[row : row + 1, :size], None, MEL.shortest)
        assert torch.equal(one[row, :, : counts[row]], alone[0])
        assert not one[row, :, counts[row] :].any()


def test_groups_hold_every_clip_once_with_others_of_its_length() -> None:
    assert spectra._group_by_length([5, 3, 5, 3, 4], together=True) == [[0, 2], [1, 3], [4]]
    assert spectra._group_by_length([5, 3, 5], together=False) == [[0], [1], [2]]
