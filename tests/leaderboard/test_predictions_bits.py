"""A predictions file holds the values that it is given, however they lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.leaderboard.files.predictions import read_predictions, write_predictions
from bench.scoring.measure import ScoredPredictions
from bench.scoring.trials import TrialPredictions
from bench.store.files import Store
from bench.store.frame_files import FrameStore
from bench.types import Embeddings, Trials


def spread(array: NDArray[Any]) -> NDArray[Any]:
    """Every second value of a larger array, along each axis."""
    larger = np.zeros([2 * size for size in array.shape], dtype=array.dtype)
    view = larger[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def turn(array: NDArray[Any]) -> NDArray[Any]:
    """The same values with negative strides."""
    back = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[back])[back]


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.transpose()).transpose(),
    "negative strides": turn,
    "every second": spread,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
}
N, C = 11, 10
RNG = np.random.default_rng(5)
KINDS: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
    "classes": (RNG.integers(0, C, N), RNG.integers(0, C, (3, N))),
    "small classes": (RNG.integers(0, C, N).astype(np.int16), RNG.integers(0, C, (3, N)).astype(np.uint8)),
    "scores": (RNG.integers(0, 2, (N, C)).astype(np.uint8), RNG.random((3, N, C)).astype(np.float32)),
    "k-hot": (RNG.integers(0, 2, (N, C)).astype(np.uint8), RNG.integers(0, 2, (3, N, C)).astype(np.uint8)),
    "texts": (np.array(list("abcdefghijk"), dtype=object), np.array([list("kjihgfedcba")] * 3, dtype=object)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_clips(kind: str, layout: str, tmp_path: Path) -> None:
    if kind == "texts" and layout in ("big-endian", "read-only"):
        pytest.skip("objects have neither")
    place = LAYOUTS[layout]
    keys, classes = tuple(map(str, range(N))), () if kind == "texts" else tuple("abcdefghij")
    folds, clusters = RNG.integers(0, 3, N), RNG.integers(0, 4, N)
    contents = []
    for lay in (np.ascontiguousarray, place):
        targets, predictions = map(lay, KINDS[kind])
        path = tmp_path / "a.safetensors"
        write_predictions(path, ScoredPredictions(keys, targets, predictions, lay(folds), lay(clusters), classes))
        contents.append(path.read_bytes())
        found = read_predictions(path)
        assert isinstance(found, ScoredPredictions)
        assert found.clusters is not None
        for stored, given in zip(
            (found.targets, found.predictions, found.folds, found.clusters),
            (*KINDS[kind], folds, clusters),
            strict=True,
        ):
            assert np.array_equal(stored, given)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_predictions_of_trials(layout: str, tmp_path: Path) -> None:
    place, path = LAYOUTS[layout], tmp_path / "a.safetensors"
    arrays: dict[str, NDArray[Any]] = {
        "enrol": np.int32([0, 1, 2, 0]),
        "test": np.int32([1, 2, 3, 3]),
        "targets": np.uint8([1, 0, 1, 0]),
        "predictions": np.float32([[0.5, -1.25, 3.0, 2.0]]),
        "speakers": np.int32([0, 0, 1, 1]),
        "seconds": np.array([1.0, 2.0, 3.0, 4.0]),
    }
    write_predictions(
        path,
        TrialPredictions(
            **{name: place(array) for name, array in arrays.items()},
            utterances=tuple("abcd"),
            attributes={},
            asked=Trials("trials.txt"),
            info={},
        ),
    )
    found = read_predictions(path)
    for name, array in arrays.items():
        assert np.array_equal(getattr(found, name), array), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stored_embeddings_and_frames(layout: str, tmp_path: Path) -> None:
    place = LAYOUTS[layout]
    vectors, seconds = RNG.random((5, 3)).astype(np.float32), RNG.random(5)
    made = Embeddings(place(vectors), tuple("abcde"), place(seconds), ({},) * 5, tuple("vwxyz"))
    store = Store(tmp_path)
    store.get_or_make("ab", lambda: made)
    found = store.read("ab")
    assert np.array_equal(found.vectors, vectors)
    assert np.array_equal(found.seconds, seconds)
    assert found.digests == made.digests
    frames, spans = RNG.random((7, 4)).astype(np.float32), RNG.random((7, 2))
    for dtype in ("float32", "float16"):
        kept, _ = FrameStore(tmp_path, dtype).get_or_make(
            dtype, lambda writer: writer.add(place(frames), place(spans), "a", 1.0, {}, "w")
        )
        assert np.array_equal(kept.frames, frames.astype(dtype))
        assert np.array_equal(kept.spans, spans)
        assert kept.digests == ("w",)
