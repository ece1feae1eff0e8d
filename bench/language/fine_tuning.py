"""Training sets for models that answer pair questions: pairs as WebDataset shards, with prompt and answer.

A sample of key ``00000017`` is ``00000017.enrol.flac`` and ``00000017.test.flac``, or ``00000017.flac`` in a layout of
one audio, and ``00000017.json``: prompt, answer, both answers, layout, the two recordings and whether they are a
target. Which answer the prompt names first is drawn. Shards are made one at a time, so that any number of pairs fits
into memory, and written whole; a run that was stopped goes on with the first shard that is missing.

The published training set has 9 million text-independent pairs (of VoxCeleb 2, CN-Celeb and 3D-Speaker) and 280
thousand text-dependent ones (of LibriSpeech), the text-dependent test 5,560 (Ren et al., arXiv 2509.19755): ``SIZES``.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.language.pair_layouts import Audio, arrange_pair, crop_pair
from bench.language.pair_questions import WORDS, build_prompt, hash_prompt
from bench.store.files import written
from bench.types import DataError
from bench.verification.pair_lists import PairList, make_generator

SIZES = {"text-independent": 9_000_000, "text-dependent": 280_000, "text-dependent test": 5_560}
INDEX = "pairs.json"
NAMES = {1: ("flac",), 2: ("enrol.flac", "test.flac")}


def write_training_set(
    folder: Path,
    pairs: PairList,
    audio: Callable[[str], Audio],
    *,
    sampling_rate: int,
    layout: str = "separate",
    words: tuple[str, str] = WORDS,
    most_in_s: float | None = None,
    per_shard: int = 1000,
    seed: int = 0,
) -> tuple[Path, ...]:
    """Write all ``pairs`` into shards ``pairs-000000.tar``, ... of ``folder`` and, last, ``pairs.json`` about them.

    ``audio`` gives the samples of a recording's key, in [-1, 1] at ``sampling_rate``; sides are cut so that the layout
    fits into ``most_in_s``. Raises DataError for no pairs, and for a folder that holds a set made otherwise.
    """
    if not len(pairs) or per_shard < 1:
        raise DataError("nothing to write", got=f"{len(pairs)} pairs", expected="at least one", where=folder)
    reversed_answers = make_generator(seed, "answers", layout).random(len(pairs)) < 0.5
    about = _about(pairs, sampling_rate, layout, words, most_in_s, per_shard, seed)
    _claim(folder, about)
    paths = []
    for shard, start in enumerate(range(0, len(pairs), per_shard)):
        path = folder / f"pairs-{shard:06d}.tar"
        paths.append(path)
        if path.exists():
            continue
        rows = range(start, min(start + per_shard, len(pairs)))
        with written(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for row in rows:
                sides = audio(pairs.keys[pairs.enrol[row]]), audio(pairs.keys[pairs.test[row]])
                kept = arrange_pair(layout, *crop_pair(layout, *sides, sampling_rate, most_in_s), sampling_rate)
                text = _text(pairs, row, layout, words, bool(reversed_answers[row]))
                _add(archive, f"{row:08d}", kept, sampling_rate, text)
    with written(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(about | {"complete": True}, indent=1, sort_keys=True) + "\n")
    return tuple(paths)


def _about(
    pairs: PairList,
    sampling_rate: int,
    layout: str,
    words: tuple[str, str],
    most_in_s: float | None,
    per_shard: int,
    seed: int,
) -> dict[str, Any]:
    listed = (pairs.enrol, pairs.test, pairs.side)
    return {
        "pairs": len(pairs),
        "targets": int(np.count_nonzero(pairs.target)),
        "sides": dict(zip(pairs.sides, np.bincount(pairs.side, minlength=len(pairs.sides)).tolist(), strict=True)),
        "counts": dict(pairs.counts),
        "list_sha256": _digest(pairs.keys, listed),
        "layout": layout,
        "answers": list(words),
        "prompt_sha256": hash_prompt(layout, words),
        "sampling_rate": sampling_rate,
        "most_in_s": most_in_s,
        "per_shard": per_shard,
        "seed": seed,
    }


def _digest(keys: tuple[str, ...], arrays: tuple[NDArray[Any], ...]) -> str:
    import hashlib

    digest = hashlib.sha256("\n".join(keys).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _claim(folder: Path, about: Mapping[str, Any]) -> None:
    """Note what is being made, so that two sets do not mix in one folder. Raises DataError for another set there."""
    path = folder / INDEX
    if path.exists():
        there = json.loads(path.read_text())
        other = [name for name, value in about.items() if there.get(name) != value]
        if other:
            got = f"another {', '.join(other)}"
            raise DataError("folder holds other pairs", got=got, expected="the same set or a new folder", where=folder)
        return
    if any(folder.glob("pairs-*.tar")):
        raise DataError("shards of unknown pairs", got=f"no {INDEX}", expected="a new folder", where=folder)
    with written(path) as temporary:
        temporary.write_text(json.dumps({**about, "complete": False}, indent=1, sort_keys=True) + "\n")


def _text(pairs: PairList, row: int, layout: str, words: tuple[str, str], reversed_answers: bool) -> dict[str, Any]:
    target = bool(pairs.target[row])
    return {
        "prompt": build_prompt(layout, words, reversed_answers=reversed_answers),
        "answer": words[0] if target else words[1],
        "answers": list(words),
        "layout": layout,
        "enrol": pairs.keys[pairs.enrol[row]],
        "test": pairs.keys[pairs.test[row]],
        "target": target,
        "side": pairs.sides[pairs.side[row]],
    }


def _add(
    archive: tarfile.TarFile, key: str, audios: tuple[Audio, ...], sampling_rate: int, text: Mapping[str, Any]
) -> None:
    for name, content in _members(audios, sampling_rate, text):
        info = tarfile.TarInfo(f"{key}.{name}")
        info.size, info.mtime, info.mode = len(content), 0, 0o644
        archive.addfile(info, io.BytesIO(content))


def _members(audios: tuple[Audio, ...], sampling_rate: int, text: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, one in zip(NAMES[len(audios)], audios, strict=True):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.clip(one, -1, 1), sampling_rate, format="FLAC", subtype="PCM_16")
        yield name, buffer.getvalue()
    yield "json", json.dumps(text, sort_keys=True, ensure_ascii=False).encode()
