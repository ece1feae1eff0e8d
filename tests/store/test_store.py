"""The store: content addresses, whole files, one maker."""

from __future__ import annotations

import errno
import multiprocessing
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.store.files import Store, compute_address, write_atomically
from bench.types import BenchError, DataError, Embeddings


def embeddings(n: int = 3) -> Embeddings:
    vectors = np.arange(n * 4, dtype=np.float32).reshape(n, 4)
    return Embeddings(vectors, tuple(f"k{i}" for i in range(n)), np.ones(n), tuple({"label": i} for i in range(n)))


def unexpected() -> Embeddings:
    raise AssertionError("made again")


def test_makes_once_then_reads(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get_or_make("ab12", embeddings)
    again = store.get_or_make("ab12", unexpected)[0]
    assert np.array_equal(again.vectors, embeddings().vectors)
    assert again.keys == ("k0", "k1", "k2")
    assert again.sidecars == embeddings().sidecars


@pytest.mark.parametrize("dim", [128, 768])
def test_stores_little_more_than_the_vectors(dim: int, tmp_path: Path) -> None:
    n, said = 500, "a sentence of some words that somebody says about the clip, in every sidecar; " * 3
    made = Embeddings(
        np.zeros((n, dim), dtype=np.float32),
        tuple(f"clip-{i:06d}" for i in range(n)),
        np.ones(n),
        tuple({"label": "dog", "fold": i % 5, "said": said} for i in range(n)),
    )
    store = Store(tmp_path)
    store.get_or_make("ab12", lambda: made)
    assert store.locate("ab12").stat().st_size <= 1.1 * n * (4 * dim + 200)


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.get_or_make("ab12", embeddings)
    path = store.locate("ab12")
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[-9] ^= 4
        path.write_bytes(data)
    else:
        path.write_bytes(b"hello")
    with pytest.warns(UserWarning, match="damaged"):
        again = store.get_or_make("ab12", embeddings)[0]
    assert np.array_equal(again.vectors, embeddings().vectors)
    assert np.array_equal(store.get_or_make("ab12", unexpected)[0].vectors, embeddings().vectors)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    def full(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        pytest.raises(BenchError, match=r"cannot write: got No space left on device \(\d+ MB free\)"),
        write_atomically(tmp_path / "x.bin") as temporary,
    ):
        full(temporary)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".x.bin.99999.tmp").write_bytes(b"half")
    with write_atomically(tmp_path / "x.bin") as temporary:
        temporary.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


def _make_slowly(root: str, made: multiprocessing.Queue) -> None:
    def make() -> Embeddings:
        made.put(1)
        time.sleep(0.5)
        return embeddings()

    Store(Path(root)).get_or_make("ab12", make)


def test_two_processes_make_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    made = context.Queue()
    workers = [context.Process(target=_make_slowly, args=(str(tmp_path), made)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert made.get(timeout=5) == 1
    assert made.empty()


@given(st.dictionaries(st.text("abc", min_size=1), st.integers() | st.text() | st.none(), min_size=1))
def test_addresses_depend_on_every_part_and_not_on_order(parts: dict[str, object]) -> None:
    assert compute_address(**parts) == compute_address(**dict(reversed(parts.items())))
    key = next(iter(parts))
    assert compute_address(**{**parts, key: [parts[key]]}) != compute_address(**parts)


@pytest.mark.parametrize("kind", [BenchError, DataError])
def test_an_error_crosses_processes_whole(kind: type[BenchError]) -> None:
    error = kind("clip is damaged", got=3, expected="samples", where=Path("a.tar"))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "clip is damaged: got 3, expected samples [a.tar]"
    assert (again.got, again.where) == ("3", "a.tar")
